"""The target goes away in the middle of a run: what is on is not guessed, it is read once the target is back."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from changecontrol.local.testing import Servers
from changecontrol.models import Execution
from changecontrol.services import executing, sweeping
from tests import factories
from tests.services.house import House, now

pytestmark = pytest.mark.usefixtures("own_database")
TWO_STEPS = (
    "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"
    "BEGIN;\nUPDATE held SET seen = true WHERE id = 1;\nCOMMIT;\n"
)


def waits_on_a_row(house: House) -> bool:
    """Whether a session of a run waits for somebody else on development."""
    return bool(
        house.sql(
            "development", "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^UPDATE held'"
        )
    )


def test_a_target_that_goes_away_between_steps_leaves_the_run_lost(
    servers: Servers, tmp_path: Path, settings: Any
) -> None:
    house = House(servers, tmp_path, settings, first=TWO_STEPS)
    house.sql("development", "CREATE TABLE held AS SELECT 1 AS id, false AS seen")
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

    name = conninfo_to_dict(house.dsn("development"))["dbname"]
    worker = threading.Thread(target=work)
    with (
        psycopg.connect(house.dsn("development")) as other,
        psycopg.connect(servers.target("development").dsn(), autocommit=True) as superuser,
    ):
        other.execute("UPDATE held SET seen = false WHERE id = 1")
        worker.start()
        deadline = time.monotonic() + 30
        while not waits_on_a_row(house):
            assert time.monotonic() < deadline, "the second step never began"
            threading.Event().wait(0.05)
        superuser.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name ~ '^CR-'",
            (name,),
        )
        worker.join(60)
        run.refresh_from_db()
        assert (run.state, run.effect) == ("lost", "unknown")
        assert run.sentence
        sweep()
        factories.carry_out()
        run.refresh_from_db()
        assert run.state == "lost"  # the target is still away
        superuser.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    sweep()
    ended: Execution = house.carried_out(run)[0]
    assert (ended.state, ended.effect) == ("failed", "partial")
    again = house.develop(change)
    assert (again.state, again.effect) == ("succeeded", "complete")
    assert house.done("development") == [(run.code, "forward", 1), (again.code, "forward", 2)]


def sweep() -> None:
    sweeping.sweep(queue="development", clock=now, worker="test:1")
