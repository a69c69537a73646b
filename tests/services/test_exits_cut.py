"""A single step that was cut while it ran: a tech lead states what became of it, and the next run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Errand, Execution
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.signing import DutyMissing
from changecontrol.services import ceremony, moving, resolving, sweeping
from changecontrol.services.recording import SETUP, acting
from changecontrol.targets import concurrent, running
from tests import factories
from tests.services.house import House, now

pytestmark = pytest.mark.usefixtures("own_database")
INDEXED = (
    "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY, size int);\nCOMMIT;\n"
    "CREATE INDEX CONCURRENTLY thing_size ON thing (size);\n"
    "BEGIN;\nCOMMENT ON TABLE thing IS 'Things.';\nCOMMIT;\n"
)
INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('thing_size')"


@pytest.fixture
def house(servers: Servers, tmp_path: Path, settings: Any) -> House:
    return House(servers, tmp_path, settings, first=INDEXED)


def die(*_: Any, **__: Any) -> None:
    raise MemoryError  # the worker, not the database


def waiting(
    house: House, monkeypatch: pytest.MonkeyPatch, *, behind: bool
) -> tuple[ChangeRequest, Execution, dict[str, Any]]:
    """Return a change whose second step was cut before or behind its statement, the lost run, and what was found."""
    change = house.walk(Status.AUTHORIZED)
    once = running.Run.run_statement
    with monkeypatch.context() as patch:
        if behind:
            patch.setattr(concurrent, "_record_done", die)
        else:
            patch.setattr(
                running.Run, "run_statement", lambda run, one: die() if run.watch.step == 2 else once(run, one)
            )
        run = house.produce(change)
    assert (run.state, run.effect) == ("lost", "unknown")
    sweep()
    run = house.carried_out(run)[0]
    assert run.state == "lost"
    found = Errand.objects.filter(execution=run).latest("pk").result or {}
    assert found["waits_for_person"] and found["in_flight"] == {"direction": "forward", "step": 2}
    assert found["sentence"] == run.sentence
    count = Errand.objects.filter(execution=run).count()
    sweep()
    assert Errand.objects.filter(execution=run).count() == count  # it waits for a person, not for the sweep
    return change, run, found


def sweep() -> None:
    sweeping.sweep(queue="production", clock=now, worker="test:1")


def resolve(house: House, run: Execution, *, done: bool, username: str = "theo", **other: Any) -> Execution:
    given = {"password": factories.PASSWORD, "reason": "I looked at the index.", "now": now(), **other}
    resolving.resolve(execution_id=run.pk, signer=house.who(username), done=done, **given)
    return house.carried_out(run)[0]


def test_it_was_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    change, run, found = waiting(house, monkeypatch, behind=True)
    assert "the finished step, not yet recorded" in found["seen"]
    with pytest.raises(DutyMissing):
        resolve(house, run, done=True, username="quin")
    with pytest.raises(ceremony.WrongPassword):
        resolve(house, run, done=True, password="guess")
    with pytest.raises(moving.ReasonMissing):
        resolve(house, run, done=True, reason=" ")
    run = resolve(house, run, done=True)
    assert (run.state, run.effect) == ("failed", "partial")
    assert run.signatures.get(meaning="resolution").signer == house.who("theo")
    with pytest.raises(resolving.NotLost):
        resolve(house, run, done=True)
    last = house.produce(change, reason="the index is there")
    assert (last.state, house.fresh(change).status) == ("succeeded", Status.DEPLOYED)
    assert house.done("production") == [(run.code, "forward", 1), (last.code, "forward", 3)]
    assert house.sql("production", INDEX) == [(True,)]


def test_it_was_not_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    change, run, found = waiting(house, monkeypatch, behind=False)
    assert found["seen"] == "" and "nothing of it" in found["sentence"]
    run = resolve(house, run, done=False)
    assert (run.state, run.effect) == ("failed", "partial")
    last = house.produce(change, reason="the index was never begun")
    assert last.state == "succeeded"
    assert house.done("production") == [(run.code, "forward", 1), (last.code, "forward", 2), (last.code, "forward", 3)]


def test_it_left_an_invalid_index(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    once = resolving.look

    def spoil(*given: Any) -> Any:
        house.as_superuser(
            "production", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('thing_size')"
        )
        return once(*given)

    monkeypatch.setattr(resolving, "look", spoil)
    change, run, found = waiting(house, monkeypatch, behind=True)
    assert "the INVALID index thing_size" in found["seen"]
    run = resolve(house, run, done=False)
    assert (run.state, run.effect) == ("failed", "partial")
    last = house.produce(change, reason="build it again")
    assert (last.state, last.sentence) == ("succeeded", "")
    assert house.sql("production", INDEX) == [(True,)]


def test_a_resolution_that_nobody_signed_is_not_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    _, run, found = waiting(house, monkeypatch, behind=False)
    with acting(SETUP):
        made = Errand.objects.create(
            kind="resolve",
            target=run.target,
            execution=run,
            requested_at=now(),
            params={"done": True, "reason": "", "in_flight": found["in_flight"]},
        )
    run = house.carried_out(run)[0]
    made.refresh_from_db()
    assert (made.state, "Nobody signed this resolution" in made.sentence) == ("refused", True)
    assert (run.state, run.effect) == ("lost", "unknown")
