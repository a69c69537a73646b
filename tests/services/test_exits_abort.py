"""Aborting a run that waits, and one that works, each with a reason; what it leaves behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from changecontrol.local.testing import Servers
from changecontrol.models import Execution, Incident
from changecontrol.rules.lifecycle import Status
from changecontrol.services import attempts, executing
from tests import factories
from tests.services.house import House, now

pytestmark = pytest.mark.usefixtures("own_database")
TABLE = "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"
BACKFILL = (
    "BEGIN;\nALTER TABLE thing ADD COLUMN color text;\nCOMMIT;\n"
    "-- changecontrol: batch key=id size=100 expect>0\nUPDATE thing SET color = 'red' WHERE color IS NULL;\n"
)
DROP_COLOR = "-- Rollback: 001 - first\nBEGIN;\nALTER TABLE thing DROP COLUMN color;\nCOMMIT;\n"

#: the last batch waits for who holds the advisory lock 5000; a lock on the row itself would stop the first step
STOPPER = (
    "CREATE FUNCTION stopper() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM pg_advisory_xact_lock(5000); RETURN NEW; END $$",
    "CREATE TRIGGER stopper BEFORE UPDATE ON thing FOR EACH ROW WHEN (NEW.id = 5000) EXECUTE FUNCTION stopper()",
)


def abort(house: House, run: Execution, username: str, reason: str = "the window closes") -> Execution:
    return executing.abort(execution_id=run.pk, actor=house.who(username), reason=reason, now=now())


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.05)


def test_a_waiting_run_is_cancelled_at_once(servers: Servers, tmp_path: Path, settings: Any) -> None:
    house = House(servers, tmp_path, settings, first=TABLE)
    change = house.walk(Status.AUTHORIZED)
    run = executing.start_production(**house.signing(change, "theo"))[0]
    for username in ("mallory", "quin", "ada", "olga"):
        with pytest.raises(executing.OnlyDuty, match="Only tech lead can abort this run"):
            abort(house, run, username)
    with pytest.raises(executing.AbortNeedsReason, match="The run goes on"):
        abort(house, run, "theo", " ")
    with pytest.raises(attempts.AlreadyRunning):
        executing.start_production(**house.signing(change, "theo"))
    ended = abort(house, run, "theo")
    assert (ended.state, ended.effect, ended.abort_reason) == ("cancelled", "none", "the window closes")
    assert "the window closes" in ended.sentence
    with pytest.raises(executing.AlreadyEnded, match="has already ended"):
        abort(house, run, "theo")
    factories.carry_out()
    assert house.done("production") == []
    assert house.produce(change).state == "succeeded"  # nothing was run, so no reason is owed

    # a rollback that is called off leaves its incident, which is closed like any other, as often as it happens
    for reason in ("the report broke", "the report broke again"):
        run = executing.start_rollback(**house.signing(change, "theo"), reason=reason)[0]
        abort(house, run, "theo", "it was the report")
        house.close_incident(Incident.objects.get(change=change, closed_at=None))
    assert house.fresh(change).status == Status.DEPLOYED


def test_a_working_run_stops_and_goes_on_behind_its_last_batch(servers: Servers, tmp_path: Path, settings: Any) -> None:
    house = House(servers, tmp_path, settings, first=BACKFILL, rollback=DROP_COLOR)
    house.sql("development", "CREATE TABLE thing AS SELECT generate_series(1, 5000) AS id")
    house.sql("development", "ALTER TABLE thing ADD PRIMARY KEY (id)")
    for text in STOPPER:
        house.sql("development", text)
    change = house.journey.open(1)
    target = next(one for one in house.places if one.name == "development")
    run = executing.start_development(
        change_id=change.pk, actor=house.who("ada"), target_id=target.pk, direction="forward", now=now()
    )

    def work() -> None:
        try:
            factories.carry_out()
        finally:
            connection.close()

    with psycopg.connect(house.dsn("development")) as other:
        other.execute("SELECT pg_advisory_lock(5000)")
        worker = threading.Thread(target=work)
        worker.start()
        until(lambda: run.events.filter(kind="progress").exists(), "no batch was ever told")
        abort(house, run, "ada", "the clinic opens")
        worker.join(60)
    run.refresh_from_db()
    assert (run.state, run.effect) == ("failed", "partial")
    assert run.sentence == "Aborted: the clinic opens"
    assert (run.abort_asked_by, run.abort_reason) == (house.who("ada"), "the clinic opens")
    done = house.sql("development", "SELECT count(*) FROM thing WHERE color = 'red'")[0][0]
    assert 100 <= done < 5000
    again = house.develop(change)
    assert (again.state, again.effect) == ("succeeded", "complete")
    assert "Resuming behind key" in again.events.filter(kind="progress").order_by("number").first().text
    assert house.sql("development", "SELECT count(*) FROM thing WHERE color = 'red'") == [(5000,)]
    assert [one[2] for one in house.done("development")] == [1, 2]
