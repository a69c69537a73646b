"""Everything is committed and something says no: failed and complete. Verify scripts and standing checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changecontrol.local.testing import Servers
from changecontrol.models import Incident
from changecontrol.rules.lifecycle import Status
from changecontrol.services import attempts, executing
from tests.services.house import OUTSIDER, House

pytestmark = pytest.mark.usefixtures("own_database")
TABLE = "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"
#: passes where the table is and nobody left a note, so a test can make it fail on one target alone
NO_NOTE = "SELECT to_regclass('thing') IS NOT NULL AND to_regclass('note') IS NULL AS ok;\n"
#: passes where the table is, or somebody left a note
NOTE = "SELECT to_regclass('thing') IS NOT NULL OR to_regclass('note') IS NOT NULL AS ok;\n"
#: between the first step and the last one this does not hold
COMMENTED = (
    "SELECT 'commented' AS name, to_regclass('thing') IS NULL"
    " OR obj_description(to_regclass('thing'), 'pg_class') IS NOT NULL AS ok;\n"
)


def test_a_verify_that_fails_after_commit_is_failed_and_complete(
    servers: Servers, tmp_path: Path, settings: Any
) -> None:
    house = House(servers, tmp_path, settings, first=TABLE, verify__001_verify=NO_NOTE)
    house.sql("production", "CREATE TABLE note (id int)")
    change = house.walk(Status.AUTHORIZED)
    run = house.produce(change)
    assert (run.state, run.effect) == ("failed", "complete")
    assert "001_verify.sql" in run.sentence and "is not ok" in run.sentence
    assert house.fresh(change).status == Status.AUTHORIZED
    offered = house.exits(change, "theo")
    assert {key for key, refusal in offered.items() if not refusal} == {"start_production", "start_rollback"}
    with pytest.raises(attempts.RetryNeedsReason):
        house.produce(change)
    house.sql("production", "DROP TABLE note")
    again = house.produce(change, reason="the note is gone")
    assert (again.state, again.effect) == ("succeeded", "complete")
    assert house.done("production") == [(run.code, "forward", 1)]  # verified again, and nothing run again
    assert again.events.filter(kind="step_skipped").count() == 1
    assert house.fresh(change).status == Status.DEPLOYED
    with pytest.raises(executing.gates.GatesUnmet, match="only an authorized change runs on production"):
        house.produce(change, reason="once more")


def test_it_is_rolled_back_instead(servers: Servers, tmp_path: Path, settings: Any) -> None:
    house = House(servers, tmp_path, settings, first=TABLE, verify__001_verify=NO_NOTE)
    house.sql("production", "CREATE TABLE note (id int)")
    change = house.walk(Status.AUTHORIZED)
    assert house.produce(change).effect == "complete"
    run = house.roll_back(change, "it was never verified")
    assert (run.state, run.effect) == ("succeeded", "none")
    assert house.fresh(change).status == Status.ROLLED_BACK
    house.close_incident(Incident.objects.get(change=change))
    assert house.fresh(change).status == Status.CLOSED


def test_a_rollback_that_is_not_proven_is_run_again(servers: Servers, tmp_path: Path, settings: Any) -> None:
    house = House(servers, tmp_path, settings, first=TABLE, verify__001_verify=NOTE)
    change = house.walk(Status.DEPLOYED)
    house.sql("production", "CREATE TABLE note (id int)")
    run = house.roll_back(change)
    assert (run.state, run.effect) == ("failed", "none")
    assert "still passes after the rollback" in run.sentence
    assert house.fresh(change).status == Status.DEPLOYED
    assert house.exits(change, "theo")["start_rollback"] == ""
    house.sql("production", "DROP TABLE note")
    again = house.roll_back(change, "the note is gone")
    assert (again.state, house.fresh(change).status) == ("succeeded", Status.ROLLED_BACK)
    assert [one for one in house.done("production") if one[1] == "rollback"] == [(run.code, "rollback", 1)]


def test_a_check_that_a_half_applied_change_breaks_does_not_keep_it_from_resuming(
    servers: Servers, tmp_path: Path, settings: Any
) -> None:
    house = House(servers, tmp_path, settings, checks__commented=COMMENTED)
    for environment in ("development", "staging"):
        house.sql(environment, OUTSIDER)
    change = house.walk(Status.AUTHORIZED)
    assert house.produce(change).effect == "partial"
    house.sql("production", OUTSIDER)
    again = house.produce(change, reason="the table is there now")
    assert (again.state, again.effect) == ("succeeded", "complete")
    checks = (again.outcome or {})["checks"]
    assert [one["ok"] for when in ("before", "after") for one in checks[when]] == [False, True]


def test_a_check_that_fails_before_stops_the_run(servers: Servers, tmp_path: Path, settings: Any) -> None:
    calm = "SELECT 'calm' AS name, to_regclass('note') IS NULL AS ok, 'a note is there.' AS detail;\n"
    house = House(servers, tmp_path, settings, first=TABLE, checks__calm=calm)
    change = house.walk(Status.AUTHORIZED)
    house.sql("production", "CREATE TABLE note (id int)")
    run = house.produce(change)
    assert (run.state, run.effect, house.done("production")) == ("failed", "none", [])
    assert "calm: a note is there. Nothing was run." in run.sentence
