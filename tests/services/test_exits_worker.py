"""What a worker refuses although somebody rang for it; the sentence stands in the row, and nothing was run."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Execution
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Status
from changecontrol.services import executing, people, running
from changecontrol.services.recording import SETUP, acting
from tests.services.house import House, now

pytestmark = pytest.mark.usefixtures("own_database")
TABLE = "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"


@pytest.fixture
def house(servers: Servers, tmp_path: Path, settings: Any) -> House:
    return House(servers, tmp_path, settings, first=TABLE)


def by_hand(house: House, change: ChangeRequest, *, purpose: str, target: str, direction: str = "forward") -> Execution:
    """Insert an execution by plain SQL as the app role, as somebody might who got hold of our database."""
    change = house.fresh(change)
    place = next(one for one in house.places if one.name == target)
    with acting(SETUP), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO execution (code, uuid, change_id, revision_id, target_id, purpose, direction, attempt, fence,"
            " content_digest, state, effect, sentence, reason, queued_at, worker, abort_reason, pause_reason)"
            " VALUES ('E-9999', %s, %s, %s, %s, %s, %s, 99, 0, %s, 'queued', 'none', '', '', now(), '', '', '')",
            [uuid.uuid4(), change.pk, change.revision_id, place.pk, purpose, direction, change.content_digest],
        )
    return Execution.objects.get(code="E-9999")


def test_a_message_that_comes_twice_or_from_nowhere_does_nothing(house: House) -> None:
    change = house.walk(Status.DEPLOYED)
    run = change.executions.get(purpose="deploy")
    before = (Execution.objects.filter(pk=run.pk).values().get(), run.events.count(), house.done("production"))
    for number in (run.pk, run.pk, 987_654):
        running.run(execution_id=number, clock=now, worker="test:2")
    assert before == (Execution.objects.filter(pk=run.pk).values().get(), run.events.count(), house.done("production"))


@pytest.mark.parametrize(
    ("purpose", "target", "direction", "says"),
    [
        ("deploy", "production", "forward", "is in review, so the run E-9999 was not started"),
        ("stage", "staging", "forward", "is in review, so the run E-9999 was not started"),
        ("undo_staging", "staging", "rollback", "is in review, so the run E-9999 was not started"),
        ("develop", "production", "forward", "does not belong on production, which is for production"),
        ("stage", "production", "forward", "does not belong on production, which is for production"),
        ("deploy", "production", "rollback", "E-9999 .rollback. does not belong on production"),
    ],
)
def test_a_row_made_by_hand_is_refused(house: House, purpose: str, target: str, direction: str, says: str) -> None:
    change = house.journey.submit(house.journey.open(1))
    run = by_hand(house, change, purpose=purpose, target=target, direction=direction)
    assert re.search(says, house.refused(run))


def test_a_rollback_made_by_hand_waits_for_a_second_person_that_nobody_can_be(house: House) -> None:
    change = house.journey.submit(house.journey.open(1))
    run = by_hand(house, change, purpose="roll_back", target="production", direction="rollback")
    with pytest.raises(signing.NotNow):
        house.second(run, "tess")
    assert house.carried_out(run)[0].state == "queued"


def test_an_authorized_change_runs_only_signed(house: House) -> None:
    change = house.walk(Status.AUTHORIZED)
    run = by_hand(house, change, purpose="deploy", target="production")
    assert "has no execution signature that counts" in house.refused(run)
    assert house.fresh(change).status == Status.AUTHORIZED


def test_it_does_not_run_where_rows_of_the_ledger_are_gone(house: House) -> None:
    change = house.walk(Status.DEPLOYED)
    run = executing.start_rollback(**house.signing(change, "theo"), reason="wrong")[0]
    house.second(run, "tess")
    house.as_superuser(
        "production",
        "ALTER TABLE changecontrol.ledger DISABLE TRIGGER ALL;"
        "DELETE FROM changecontrol.ledger WHERE kind = 'finished';"
        "ALTER TABLE changecontrol.ledger ENABLE TRIGGER ALL",
    )
    run = house.carried_out(run)[0]
    assert (run.state, run.effect) == ("failed", "complete")  # what was on is still on
    assert "is not what was copied from it before" in run.sentence and "is gone" in run.sentence
    assert house.sql("production", "SELECT to_regclass('thing')::text") == [("thing",)]
    assert house.fresh(change).status == Status.DEPLOYED


def test_a_second_person_who_left_does_not_count(house: House) -> None:
    change = house.walk(Status.DEPLOYED)
    run = executing.start_rollback(**house.signing(change, "theo"), reason="wrong")[0]
    house.second(run, "tess")
    people.deactivate(person_id=house.who("tess").pk, actor=house.who("olga"), reason="left", now=now())
    run = house.carried_out(run)[0]
    assert (run.state, run.effect) == ("failed", "complete")
    assert "has no second person signature that counts" in run.sentence
