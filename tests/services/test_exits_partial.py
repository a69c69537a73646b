"""Production stops between two steps: exactly three exits, resume, roll back what is on, restore (design 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Incident, Signature
from changecontrol.rules.gates import GatesUnmet
from changecontrol.rules.lifecycle import Move, Status
from changecontrol.services import attempts, closing, executing, reviewing
from tests import factories
from tests.services.house import OUTSIDER, House, now

pytestmark = pytest.mark.usefixtures("own_database")


@pytest.fixture
def house(servers: Servers, tmp_path: Path, settings: Any) -> House:
    made = House(servers, tmp_path, settings)
    for environment in ("development", "staging"):
        made.sql(environment, OUTSIDER)
    return made


def partly(house: House) -> tuple[ChangeRequest, str]:
    """Return a change whose second step failed on production, and the code of that run."""
    change = house.walk(Status.AUTHORIZED)
    run = house.produce(change)
    assert (run.state, run.effect) == ("failed", "partial")
    assert "outsider" in run.sentence
    return house.fresh(change), run.code


def test_it_resumes_behind_what_is_on(house: House) -> None:
    change, first = partly(house)
    incident = Incident.objects.get(change=change)
    assert (change.status, incident.closed_at) == (Status.AUTHORIZED, None)
    assert "partly applied on production" in incident.title

    offered = house.exits(change, "theo")
    assert {key for key, refusal in offered.items() if not refusal} == {"start_production", "start_rollback"}
    assert "not built yet" in offered["restore"]
    with pytest.raises(executing.RestoreComesLater, match="restore by hand"):
        executing.restore(change_id=change.pk, actor=house.who("theo"), now=now())
    for verb, given in (
        (reviewing.send_back, {**house.signing(change, "tess"), "reason": "no"}),
        (reviewing.withdraw, house.leaving(change, "theo")),
    ):
        with pytest.raises(GatesUnmet, match=f"Steps of {change.code} are applied on production and not rolled back"):
            verb(**given)
    assert f"Steps of {change.code} are applied" in offered["withdraw"] and offered["send_back"]
    with pytest.raises(attempts.RetryNeedsReason, match="Say why it is run again"):
        house.produce(change)

    again = house.produce(change, reason="looked at it, nothing was mended")
    assert (again.state, again.effect) == ("failed", "partial")
    assert Incident.objects.filter(change=change).count() == 1
    house.sql("production", OUTSIDER)
    last = house.produce(change, reason="the table is there now")
    assert (last.state, last.effect, last.attempt) == ("succeeded", "complete", 3)
    assert house.done("production") == [(first, "forward", 1), (last.code, "forward", 2), (last.code, "forward", 3)]
    change = house.fresh(change)
    assert change.status == Status.DEPLOYED
    signed = Signature.objects.filter(change=change, meaning="execution").values_list("execution__code", flat=True)
    assert sorted(signed) == sorted([first, again.code, last.code])

    house.journey.tick(change, Move.CLOSE)
    verdict = {"verdict": "within", "note": "calm"}
    with pytest.raises(GatesUnmet, match=f"{incident.code} is not closed"):
        closing.close_watch(**house.signing(change, "quin"), **verdict)
    house.close_incident(incident)
    closing.close_watch(**house.signing(change, "quin"), **verdict)
    assert house.fresh(change).status == Status.CLOSED


def test_it_rolls_back_what_is_on(house: House) -> None:
    change, first = partly(house)
    run = executing.start_rollback(**house.signing(change, "theo"), reason="the table will not come")[0]
    house.carried_out(run)
    run.refresh_from_db()
    assert run.state == "queued"  # it waits for its second person
    with pytest.raises(executing.SamePerson, match="You started"):
        house.second(run, "theo")
    house.second(run, "cora")
    with pytest.raises(executing.NoSecondPersonNeeded):
        house.second(run, "tess")
    run = house.carried_out(run)[0]
    assert (run.state, run.effect) == ("succeeded", "none")
    assert house.done("production") == [(first, "forward", 1), (run.code, "rollback", 1)]
    assert house.sql("production", "SELECT to_regclass('thing')") == [(None,)]
    change = house.fresh(change)
    assert change.status == Status.ROLLED_BACK
    assert not {"start_production", "start_rollback", "restore", "withdraw"} & set(house.exits(change, "theo"))

    incident = Incident.objects.get(change=change)  # one for the failure and its rollback
    with pytest.raises(closing.IncidentIncomplete, match="the cause and the lesson"):
        closing.close_incident(
            incident_id=incident.pk, signer=house.who("quin"), password=factories.PASSWORD, now=now()
        )
    house.close_incident(incident)
    assert house.fresh(change).status == Status.CLOSED
    with pytest.raises(closing.IncidentClosed):
        house.close_incident(incident)


def test_a_failed_run_that_applied_nothing_leaves_it_authorized(house: House) -> None:
    house.sql("production", "CREATE TABLE thing (id int)")
    change = house.walk(Status.AUTHORIZED)
    run = house.produce(change)
    assert (run.state, run.effect, house.done("production")) == ("failed", "none", [])
    assert "already exists" in run.sentence
    assert house.fresh(change).status == Status.AUTHORIZED
    assert not Incident.objects.exists()
    assert {"start_rollback", "restore"} & set(house.exits(change, "theo")) == set()
    with pytest.raises(executing.NothingToRollBack):
        executing.start_rollback(**house.signing(change, "theo"), reason="to be sure")
    with pytest.raises(attempts.RetryNeedsReason):
        house.produce(change)
    house.sql("production", "DROP TABLE thing")
    house.sql("production", OUTSIDER)
    again = house.produce(change, reason="the old table is gone")
    assert (again.state, again.reason) == ("succeeded", "the old table is gone")
    assert Signature.objects.filter(execution=run, meaning="execution").count() == 1
    assert Signature.objects.filter(execution=again, meaning="execution").count() == 1
    assert house.fresh(change).status == Status.DEPLOYED
