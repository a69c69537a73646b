"""Every (status, move) pair outside the table is refused, by the verb and by PostgreSQL (21 CFR 11.10(f))."""

from __future__ import annotations

from collections import deque
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from changecontrol.models import ChangeRequest, Execution, Person, StatusMove
from changecontrol.rules import lifecycle
from changecontrol.rules.lifecycle import Move, Status
from changecontrol.services import drafting, executing, moving, sites
from changecontrol.services.recording import SETUP, acting
from tests import factories

pytestmark = pytest.mark.django_db

ILLEGAL = [pair for pair in product(Status, Move) if lifecycle.after(*pair) is None]


def path_to(status: Status) -> list[Move]:
    """Return the shortest way through the table from draft to `status`."""
    seen, waiting = {Status.DRAFT}, deque([(Status.DRAFT, [])])
    while waiting:
        here, path = waiting.popleft()
        if here is status:
            return path
        for legal in lifecycle.moves_from(here):
            if legal.after not in seen:
                seen.add(legal.after)
                waiting.append((legal.after, [*path, legal.move]))
    raise AssertionError(f"{status} cannot be reached")


@pytest.fixture
def draft(tmp_path: Path, settings: Any) -> ChangeRequest:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    ada = Person.objects.get(username="ada")
    return drafting.open_change(migration_number=1, actor=ada, now=timezone.now())


def bring(change: ChangeRequest, status: Status) -> ChangeRequest:
    for step in path_to(status):
        with acting(SETUP):
            moving.move(moving.lock(change.pk), step, now=timezone.now(), reason="a test")
    return ChangeRequest.objects.get(pk=change.pk)


@pytest.mark.parametrize("status", list(Status))
def test_it_refuses_every_move_outside_the_table(draft: ChangeRequest, status: Status) -> None:
    change = bring(draft, status)
    for step in [step for before, step in ILLEGAL if before is status]:
        with pytest.raises(moving.IllegalMove), acting(SETUP):
            moving.move(moving.lock(change.pk), step, now=timezone.now(), reason="a test")
    assert ChangeRequest.objects.get(pk=change.pk).status == status


@pytest.mark.parametrize("status", list(Status))
def test_postgres_refuses_every_status_outside_the_table(draft: ChangeRequest, status: Status) -> None:
    change = bring(draft, status)
    refused = 0
    for step, after in product(Move, Status):
        if lifecycle.after(status, step) is after or after is status:
            continue
        with pytest.raises(DatabaseError), acting(SETUP), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('changecontrol.move', %s, true)", [step.value])
            cursor.execute("UPDATE change_request SET status = %s WHERE id = %s", [after.value, change.pk])
        refused += 1
    assert refused > 100
    assert ChangeRequest.objects.get(pk=change.pk).status == status


def test_every_move_leaves_a_row(draft: ChangeRequest) -> None:
    bring(draft, Status.DEPLOYED)
    rows = StatusMove.objects.filter(change=draft).order_by("pk")
    assert [row.move for row in rows] == [step.value for step in path_to(Status.DEPLOYED)]
    assert all(row.actor == SETUP for row in rows)


def test_a_backward_move_needs_a_reason(draft: ChangeRequest) -> None:
    change = bring(draft, Status.IN_REVIEW)
    with pytest.raises(moving.ReasonMissing), acting(SETUP):
        moving.move(moving.lock(change.pk), Move.RECALL, now=timezone.now(), reason="  ")


def test_nobody_writes_without_naming_themselves(draft: ChangeRequest) -> None:
    with pytest.raises(DatabaseError, match="no actor"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('changecontrol.actor', '', true)")
        cursor.execute("UPDATE change_request SET title = 'another' WHERE id = %s", [draft.pk])


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM change_request",
        "DELETE FROM signature",
        "UPDATE revision SET forward = ''",
        "UPDATE status_move SET reason = 'another'",
        "UPDATE signature SET printed_name = 'another'",
        "TRUNCATE execution_event",
        "INSERT INTO legal_move (before, move, after) VALUES ('draft', 'deploy', 'deployed')",
        "UPDATE legal_move SET after = 'closed'",
        "DROP TABLE signature",
        "ALTER TABLE change_request DISABLE TRIGGER legal_status",
    ],
)
def test_the_app_role_cannot_touch_what_must_stay(draft: ChangeRequest, statement: str) -> None:
    with pytest.raises(DatabaseError), acting(SETUP), connection.cursor() as cursor:
        cursor.execute(statement)


def test_postgres_refuses_a_second_running_execution_on_a_target(draft: ChangeRequest) -> None:
    ada, olga = Person.objects.get(username="ada"), Person.objects.get(username="olga")
    place = sites.add_environment(
        name="dev", kind="development", queue="development", actor=olga, reason="a test", now=timezone.now()
    )
    target = sites.add_target(
        name="dev",
        environment_id=place.pk,
        reference="env:NOWHERE",
        set_role="",
        actor=olga,
        reason="a test",
        now=timezone.now(),
    )
    other = drafting.open_change(migration_number=2, actor=ada, now=timezone.now())
    for change in (draft, other):
        executing.start_development(
            change_id=change.pk, actor=ada, target_id=target.pk, direction="rollback", now=timezone.now()
        )
    runs = list(Execution.objects.order_by("pk"))
    with acting(SETUP):
        Execution.objects.filter(pk=runs[0].pk).update(state="running")
    with pytest.raises(DatabaseError, match="one_busy_per_target"), acting(SETUP):
        Execution.objects.filter(pk=runs[1].pk).update(state="running")
