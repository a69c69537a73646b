"""A worker that died: called lost, read from the ledger, and a cut step put before a person. Never guessed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Errand, Execution, Incident
from changecontrol.rules.lifecycle import Status
from changecontrol.services import attempts, claiming, executing, resolving, settling, sweeping
from changecontrol.services.recording import WORKER, acting
from changecontrol.targets.connection import Where, connect, lock
from tests import factories
from tests.services.house import OUTSIDER, House, now

pytestmark = pytest.mark.usefixtures("own_database")


@pytest.fixture
def house(servers: Servers, tmp_path: Path, settings: Any) -> House:
    made = House(servers, tmp_path, settings)
    for environment in ("development", "staging"):
        made.sql(environment, OUTSIDER)
    return made


def sweep() -> None:
    sweeping.sweep(queue="production", clock=now, worker="test:1")


def silence(run: Execution) -> None:
    """Make the last sign of life of a running execution an hour old."""
    with acting(WORKER):
        Execution.objects.filter(pk=run.pk, state="running").update(heartbeat_at=now() - timedelta(hours=1))


def killed(house: House, change: ChangeRequest, monkeypatch: pytest.MonkeyPatch) -> Execution:
    """Run on production with a worker that dies before it writes down how it ended; the sweep calls it lost."""
    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle", lambda **_: None)
        run = house.produce(change)
    assert run.state == "running"
    sweep()
    run.refresh_from_db()
    assert run.state == "running"  # it was heard of a moment ago
    silence(run)
    sweep()
    run.refresh_from_db()
    assert (run.state, run.effect, run.ended_at) == ("lost", "unknown", None)
    return run


def test_a_worker_that_died_at_once_left_nothing(house: House) -> None:
    change = house.walk(Status.AUTHORIZED)
    house.sql("production", OUTSIDER)
    run = executing.start_production(**house.signing(change, "theo"))[0]
    assert claiming.claim(execution_id=run.pk, worker="dead:1", now=now()) is not None
    silence(run)
    sweep()
    run.refresh_from_db()
    assert run.state == "lost"
    with pytest.raises(attempts.AlreadyRunning):
        executing.start_production(**house.signing(change, "theo"), reason="again")
    with pytest.raises(executing.AlreadyEnded):
        executing.abort(execution_id=run.pk, actor=house.who("theo"), reason="stop", now=now())
    with (
        connect(Where(house.dsn("production")), application_name="not dead after all") as session,
        lock(session, deadline=5),
    ):
        factories.carry_out()
    errand = Errand.objects.get(execution=run)
    assert (errand.state, "still held by another session" in errand.sentence) == ("refused", True)
    run.refresh_from_db()
    assert run.state == "lost"
    sweep()
    run = house.carried_out(run)[0]
    assert (run.state, run.effect) == ("failed", "none")
    assert not Incident.objects.exists()
    assert house.produce(change, reason="the worker had died").state == "succeeded"
    assert house.fresh(change).status == Status.DEPLOYED


def test_what_is_on_is_read_from_the_ledger(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    change = house.walk(Status.AUTHORIZED)
    run = house.carried_out(killed(house, change, monkeypatch))[0]  # its second step had failed
    assert (run.state, run.effect) == ("failed", "partial")
    assert "Of 3 steps, 1 are on. Resume, roll back or restore" in run.sentence
    assert Incident.objects.get(change=change).execution_id == run.pk

    house.sql("production", OUTSIDER)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle", lambda **_: None)
        second = house.produce(change, reason="the table is there now")
    silence(second)
    sweep()
    second = house.carried_out(second)[0]
    assert (second.state, second.effect) == ("failed", "complete")
    assert "Resume to verify it" in second.sentence
    assert house.fresh(change).status == Status.AUTHORIZED
    third = house.produce(change, reason="verify it")
    assert (third.state, house.fresh(change).status) == ("succeeded", Status.DEPLOYED)
    assert house.done("production") == [
        (run.code, "forward", 1),
        (second.code, "forward", 2),
        (second.code, "forward", 3),
    ]


def test_a_rollback_that_was_lost_is_verified_by_another(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.sql("production", OUTSIDER)
    change = house.walk(Status.DEPLOYED)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle", lambda **_: None)
        run = house.roll_back(change)
    silence(run)
    sweep()
    run = house.carried_out(run)[0]
    assert (run.state, run.effect) == ("failed", "none")
    assert house.fresh(change).status == Status.DEPLOYED
    assert house.exits(change, "theo")["start_rollback"] == ""
    again = house.roll_back(change, "the worker had died")
    assert (again.state, house.fresh(change).status) == ("succeeded", Status.ROLLED_BACK)
    assert [one for one in house.done("production") if one[1] == "rollback"] == [(run.code, "rollback", 1)]


def test_nobody_resolves_what_is_not_lost(house: House) -> None:
    change = house.walk(Status.AUTHORIZED)
    run = house.produce(change)
    given = {"signer": house.who("theo"), "password": factories.PASSWORD, "reason": "seen", "now": now()}
    with pytest.raises(resolving.NotLost, match=f"{run.code} is not lost"):
        resolving.resolve(execution_id=run.pk, done=True, **given)
