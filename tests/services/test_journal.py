"""The journal: every event once and in order, whatever becomes of our own database, and whoever else writes."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from changecontrol.models import Execution, LedgerCopy
from changecontrol.services import catching_up, journal, settling
from changecontrol.services.progress import progress
from changecontrol.services.recording import SWEEP, WORKER, acting
from changecontrol.targets.ledger import LedgerRow
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db
_numbers = count(1)


def running() -> Execution:
    change, place = rows.change("authorized"), rows.target(f"production-{next(_numbers)}", "production")
    return rows.execution(change, place, purpose="deploy", direction="forward", state="running", effect="none")


def event(kind: str, second: int = 0, step: int | None = None) -> dict[str, Any]:
    at = NOW + timedelta(seconds=second)
    found = {"at": at, "kind": kind, "phase": "forward", "step": step, "statement": None, "text": kind, "data": {}}
    return found


def ledger_row(run: Execution, number: int, kind: str, step: int, **detail: Any) -> LedgerRow:
    return LedgerRow(
        id=number,
        kind=kind,
        change_code=run.change.code,
        migration=1,
        migration_name="001_first",
        direction="forward",
        step=step,
        steps=2,
        pass_no=1,
        script_digest="",
        content_digest="",
        execution_id=str(run.uuid),
        attempt=1,
        fence=1,
        actor="Theo Brandt",
        signature_ids=(),
        xid=number,
        wal_lsn="0/0",
        server_at=NOW,
        client_at=NOW,
        tool_version="1",
        detail=detail,
    )


def kinds(run: Execution) -> list[tuple[int, str]]:
    return list(run.events.order_by("number").values_list("number", "kind"))


def test_it_keeps_an_event_once_though_the_answer_to_its_commit_was_lost() -> None:
    run, said = running(), [event("claimed"), event("connected", 1)]
    with acting(WORKER):
        assert journal.keep(run.pk, said[:1]) == 1
        assert journal.keep(run.pk, said, after=0) == 2
    assert kinds(run) == [(1, "claimed"), (2, "connected")]


def test_it_goes_on_behind_what_others_noted() -> None:
    run = running()
    with acting(WORKER):
        last = journal.keep(run.pk, [event("claimed")])
    with acting(SWEEP):
        settling.note(run, "ended", "Lost.", now=NOW)
    with acting(WORKER):
        assert journal.keep(run.pk, [event("connected", 1)], after=last) == 3
    assert kinds(run) == [(1, "claimed"), (2, "ended"), (3, "connected")]


def test_it_hands_over_what_it_could_not_write() -> None:
    run = running()
    left = journal.Unwritten([event("claimed")], [(run.target, [ledger_row(run, 1, "done", 1)])])
    with acting(WORKER):
        left.write(run.pk)
    assert kinds(run) == [(1, "claimed")]
    assert LedgerCopy.objects.get(target=run.target).execution_uuid == run.uuid


def test_a_killed_worker_takes_no_step_with_it() -> None:
    run = running()
    with acting(WORKER):
        journal.keep(run.pk, [event("pass_started"), event("step_started", 1, step=1)])
    done = [
        ledger_row(run, 1, "done", 1),
        ledger_row(run, 2, "progress", 2, rows=80, batch=2, key="80"),
    ]
    for _ in range(2):  # a second look adds nothing
        with acting(WORKER):
            catching_up.tell(run, done, now=NOW)
    assert [kind for _, kind in kinds(run)] == ["pass_started", "step_started", "progress", "committed"]
    found = {step.number: step for step in progress(run).steps}
    assert found[1].state == "done"
    assert found[2].rows == 80
