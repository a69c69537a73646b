"""Pausing a run that works and letting it go on: who may, with a reason, on the record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from changecontrol.local.testing import Servers
from changecontrol.models import Execution
from changecontrol.services import executing
from tests import factories
from tests.services import rows
from tests.services.house import House, now
from tests.services.rows import NOW

BACKFILL = (
    "BEGIN;\nALTER TABLE thing ADD COLUMN color text;\nCOMMIT;\n"
    "-- changecontrol: batch key=id size=100 expect>0\nUPDATE thing SET color = 'red' WHERE color IS NULL;\n"
)
DROP_COLOR = "-- Rollback: 001 - first\nBEGIN;\nALTER TABLE thing DROP COLUMN color;\nCOMMIT;\n"


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.05)


@pytest.mark.usefixtures("own_database")
def test_a_working_run_pauses_and_goes_on(servers: Servers, tmp_path: Path, settings: Any) -> None:
    house = House(servers, tmp_path, settings, first=BACKFILL, rollback=DROP_COLOR)
    house.sql("development", "CREATE TABLE thing AS SELECT generate_series(1, 5000) AS id")
    house.sql("development", "ALTER TABLE thing ADD PRIMARY KEY (id)")
    # a batch takes about a tenth of a second, so that the run is still at work when the pause is heard
    house.sql(
        "development",
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$",
    )
    house.sql("development", "CREATE TRIGGER slow BEFORE UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION slow()")
    change = house.journey.open(1)
    target = next(one for one in house.places if one.name == "development")
    run = executing.start_development(
        change_id=change.pk, actor=house.who("ada"), target_id=target.pk, direction="forward", now=now()
    )
    with pytest.raises(executing.NotRunning, match="is queued"):
        executing.pause(execution_id=run.pk, actor=house.who("ada"), reason="wait", now=now())

    def work() -> None:
        try:
            factories.carry_out()
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    until(lambda: run.events.filter(kind="progress").exists(), "no batch was ever told")
    executing.pause(execution_id=run.pk, actor=house.who("ada"), reason=" the clinic opens ", now=now())
    until(lambda: run.events.filter(kind="paused").exists(), "it never paused")
    done = house.sql("development", "SELECT count(*) FROM thing WHERE color = 'red'")[0][0]
    assert 100 <= done < 5000
    house.sql("development", "ALTER TABLE thing DISABLE TRIGGER slow")  # nothing of the paused run is in the way
    beat = Execution.objects.get(pk=run.pk).heartbeat_at
    until(lambda: Execution.objects.get(pk=run.pk).heartbeat_at != beat, "the paused run beats no more")
    executing.resume(execution_id=run.pk, actor=house.who("ada"), now=now(), reason="quiet again")
    worker.join(60)
    run.refresh_from_db()
    assert (run.state, run.effect) == ("succeeded", "complete")
    paused = run.events.get(kind="paused")
    assert (paused.text, paused.data) == ("Paused: the clinic opens", {"reason": "the clinic opens"})
    assert run.events.filter(kind="resumed").exists()
    assert house.sql("development", "SELECT count(*) FROM thing WHERE color = 'red'") == [(5000,)]


@pytest.mark.django_db
def test_only_who_may_abort_may_pause() -> None:
    change, place = rows.change("authorized"), rows.target("production-p", "production")
    run = rows.execution(change, place, purpose="deploy", direction="forward", state="running", effect="none")
    theo, olga = rows.person("theo"), rows.person("olga")
    for verb in (executing.pause, executing.resume):
        with pytest.raises(executing.OnlyDuty, match=f"Only tech lead can {verb.__name__} this run"):
            verb(execution_id=run.pk, actor=olga, reason="I would", now=NOW)
    with pytest.raises(executing.PauseNeedsReason, match="The run goes on"):
        executing.pause(execution_id=run.pk, actor=theo, reason=" ", now=NOW)
    with pytest.raises(executing.NotPaused):
        executing.resume(execution_id=run.pk, actor=theo, now=NOW)
    paused = executing.pause(execution_id=run.pk, actor=theo, reason="rush hour", now=NOW)
    assert (paused.pause_asked_by, paused.pause_asked_at, paused.pause_reason) == (theo, NOW, "rush hour")
    with pytest.raises(executing.PausedAlready, match=f"by {theo.printed_name}: rush hour"):
        executing.pause(execution_id=run.pk, actor=theo, reason="again", now=NOW)
    executing.resume(execution_id=run.pk, actor=theo, now=NOW)
    assert list(run.events.order_by("number").values_list("kind", "text")) == [
        ("pause_asked", f"{theo.printed_name} asks for a pause: rush hour"),
        ("resume_asked", f"{theo.printed_name} lets it go on."),
    ]
    run.refresh_from_db()
    assert (run.pause_asked_by, run.pause_asked_at, run.pause_reason) == (None, None, "")
