"""Ends that cross each other: two production targets at once, a worker that breaks twice, a retired target."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import RequestFactory
from django.utils import timezone

from changecontrol.models import ChecklistItem, Execution, Person
from changecontrol.rules.lifecycle import Effect, State
from changecontrol.services import attempts, checking, closing, people, running, settling, signing_in
from changecontrol.services.journal import Journal
from changecontrol.services.passes import Result
from changecontrol.services.recording import acting
from tests import factories
from tests.services import rows

now = timezone.now
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def who(username: str) -> Person:
    return Person.objects.get(username=username)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["authorized", "deployed"])
def test_a_change_is_not_rolled_back_while_it_still_runs_on_another_target(status: str) -> None:
    change = rows.change(status)
    first, second = (rows.target(name, "production") for name in ("north", "south"))
    rows.execution(change, first, purpose="deploy")
    rows.execution(change, second, purpose="deploy", state="running", effect="none")
    undone = rows.execution(change, first, purpose="roll_back", direction="rollback", state="running", effect="none")
    with acting("worker"):
        settling.finish(undone, Result(State.SUCCEEDED, Effect.NONE), now=now())
    change.refresh_from_db()
    assert change.status == status


@pytest.mark.django_db
def test_the_last_run_that_leaves_nothing_ends_a_rollback_that_waited_for_it() -> None:
    change = rows.change("authorized")
    first, second = (rows.target(name, "production") for name in ("north", "south"))
    rows.execution(change, first, purpose="deploy")
    rows.execution(change, first, purpose="roll_back", direction="rollback", effect="none")
    last = rows.execution(change, second, purpose="deploy", state="running", effect="none")
    with acting("worker"):
        settling.finish(last, Result(State.FAILED, Effect.NONE, "It could not begin."), now=now())
    change.refresh_from_db()
    assert change.status == "rolled_back"


@pytest.mark.django_db
def test_a_new_attempt_that_applies_nothing_is_no_end_of_a_rollback() -> None:
    change = rows.change("authorized")
    target = rows.target("north", "production")
    rows.execution(change, target, purpose="deploy")
    rows.execution(change, target, purpose="roll_back", direction="rollback", effect="none")
    later = rows.NOW + timedelta(hours=1)
    again = rows.execution(change, target, purpose="deploy", state="running", effect="none", at=later)
    with acting("worker"):
        settling.finish(again, Result(State.FAILED, Effect.NONE, "It could not begin."), now=now())
    change.refresh_from_db()
    assert change.status == "authorized"


@pytest.mark.django_db
def test_a_rollback_that_is_not_proven_on_one_target_is_owed_there_still() -> None:
    change = rows.change("deployed")
    first, second = (rows.target(name, "production") for name in ("north", "south"))
    rows.execution(change, first, purpose="deploy")
    rows.execution(change, second, purpose="deploy")
    rows.execution(change, first, purpose="roll_back", direction="rollback", state="failed", effect="none")
    undone = rows.execution(change, second, purpose="roll_back", direction="rollback", state="running", effect="none")
    with acting("worker"):
        settling.finish(undone, Result(State.SUCCEEDED, Effect.NONE), now=now())
    change.refresh_from_db()
    assert change.status == "deployed"


@pytest.mark.usefixtures("own_database")
def test_a_run_that_breaks_in_our_own_code_leaves_no_heart_beating(monkeypatch: pytest.MonkeyPatch) -> None:
    change = rows.change("approved")
    run = rows.execution(change, rows.target("staging", "staging"), purpose="stage", state="queued")

    def broken(*_: Any, **__: Any) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr(attempts, "effect_on", broken)
    with contextlib.suppress(RuntimeError):
        running.run(execution_id=run.pk, clock=now, worker="test:1")
    assert not [one for one in threading.enumerate() if isinstance(one, Journal)]


@pytest.mark.django_db
def test_a_run_does_not_begin_on_a_retired_target() -> None:
    change = rows.change("approved")
    target = rows.target("staging", "staging")
    run = rows.execution(change, target, purpose="stage", state="queued")
    with acting("setup"):
        target.retired_at = now()
        target.save()
    run = Execution.objects.select_related("target__environment").get(pk=run.pk)
    with pytest.raises(running.TargetRetired):
        running._ensure_place(run)


@pytest.mark.django_db
def test_a_session_that_ended_with_the_account_does_not_come_back_with_it() -> None:
    request = RequestFactory().get("/")
    request.session = SessionStore()
    signing_in.sign_in(request, who("ada"))
    request.session.save()
    key = request.session.session_key
    people.deactivate(person_id=who("ada").pk, actor=who("olga"), reason="left", now=NOW)
    people.reactivate(person_id=who("ada").pk, actor=who("olga"), reason="came back", now=NOW)
    assert not Session.objects.filter(session_key=key).exists()


@pytest.mark.django_db
def test_an_empty_file_is_no_evidence(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    change = factories.journey().open(1)
    item = ChecklistItem.objects.filter(change=change, automatic=False, duty="author").first()
    assert item is not None
    with pytest.raises(checking.ItemNeedsNote):
        checking.tick(
            item_id=item.pk,
            actor=who("ada"),
            state="done",
            note="",
            now=now(),
            upload=checking.Upload("empty.txt", "text/plain", b""),
        )


@pytest.mark.django_db
def test_an_incident_is_written_under_the_lock_of_its_change(monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[int] = []
    lock = closing.moving.lock
    monkeypatch.setattr(closing.moving, "lock", lambda pk: locked.append(pk) or lock(pk))
    change = rows.change("rolled_back")
    found = rows.incident(change)
    closing.document_incident(
        incident_id=found.pk, actor=who("quin"), told="everybody", cause="a typo", lesson="read twice", now=now()
    )
    assert locked == [change.pk]
