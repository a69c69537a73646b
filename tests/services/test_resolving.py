"""Saying what became of a cut step where nothing is submitted yet, and looks at a ledger that were cut themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from changecontrol.models import Errand, Execution, Person
from changecontrol.services import errand_queue, resolving
from changecontrol.services.recording import SWEEP, acting
from tests.factories import PASSWORD
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db


def lost() -> Execution:
    place = rows.target("development", "development")
    return rows.execution(
        rows.change("draft"), place, purpose="develop", state="lost", effect="unknown", content_digest=""
    )


def looked(run: Execution, **fields: Any) -> Errand:
    with acting(SWEEP):
        return Errand.objects.create(
            kind=Errand.Kind.RESOLVE, target=run.target, execution=run, requested_at=NOW, **fields
        )


def test_a_tech_lead_states_it_for_a_draft() -> None:
    run = lost()
    found = {"waits_for_person": True, "in_flight": {"direction": "forward", "step": 2}, "seen": "", "left": ""}
    looked(run, state=Errand.State.DONE, result=found)
    signature = resolving.resolve(
        execution_id=run.pk,
        signer=Person.objects.get(username="theo"),
        password=PASSWORD,
        done=False,
        reason="I looked at it.",
        now=NOW,
    )
    assert (signature.execution, signature.duty) == (run, "tech lead")
    assert Errand.objects.get(signature=signature).params["done"] is False


def test_a_look_whose_worker_died_is_given_back_within_its_lease() -> None:
    errand = looked(lost(), state=Errand.State.RUNNING, heartbeat_at=NOW)
    for seconds, state in ((20, Errand.State.RUNNING), (40, Errand.State.QUEUED)):
        errand_queue.sweep_errands(NOW + timedelta(seconds=seconds))
        errand.refresh_from_db()
        assert errand.state == state
