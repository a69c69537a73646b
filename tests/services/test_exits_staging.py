"""What a staging run proves, by rollback class, and the sentence where it does not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from changecontrol.local.testing import Servers
from changecontrol.rules.gates import GatesUnmet
from changecontrol.rules.lifecycle import Status
from changecontrol.services import executing, moving, reviewing
from tests.services.house import OUTSIDER, House

pytestmark = pytest.mark.usefixtures("own_database")
ROLLBACK = "-- Rollback: 001 - first\n"
COLUMN = "BEGIN;\nALTER TABLE thing ADD COLUMN size int;\nCOMMIT;\n"
DROP_COLUMN = ROLLBACK + "BEGIN;\nALTER TABLE thing DROP COLUMN size;\nCOMMIT;\n"

Built = Callable[..., House]


@pytest.fixture
def built(servers: Servers, tmp_path: Path, settings: Any) -> Built:
    """Build a house whose targets hold a table with rows before anything is run."""

    def make(**given: Any) -> House:
        house = House(servers, tmp_path, settings, **given)
        for environment in house.references:
            house.sql(
                environment, "CREATE TABLE thing AS SELECT id, 'thing ' || id AS name FROM generate_series(1, 9) AS id"
            )
        return house

    return make


def test_a_rollback_that_leaves_schema_behind_fails(built: Built) -> None:
    index = "BEGIN;\nALTER TABLE thing ADD COLUMN size int;\nCREATE TABLE IF NOT EXISTS extra (id int);\nCOMMIT;\n"
    house = built(first=index, rollback=DROP_COLUMN)
    change = house.walk(Status.APPROVED)
    run = house.stage(change)
    assert (run.state, run.effect) == ("failed", "none")
    assert "did not give back the schema" in run.sentence and "extra" in run.sentence
    comparison = (run.outcome or {})["comparison"]
    assert (comparison["ok"], comparison["schema"]) == (False, "differs")
    assert any("extra" in one for one in comparison["differences"])
    assert house.fresh(change).status == Status.APPROVED
    with pytest.raises(moving.IllegalMove, match="is approved"):
        reviewing.accept(**house.signing(change, "quin"))
    house.send_back(change)  # nothing is on staging, so the way back to draft is free


def test_a_rollback_that_loses_rows_is_not_lossless(built: Built) -> None:
    wiping = DROP_COLUMN.replace("COMMIT", "DELETE FROM thing WHERE id > 5;\nCOMMIT")
    house = built(first=COLUMN, rollback=wiping)
    change = house.walk(Status.APPROVED)
    run = house.stage(change)
    assert (run.state, run.effect) == ("failed", "none")
    assert "declared lossless, and this is lost" in run.sentence and "thing" in run.sentence
    assert (run.outcome or {})["comparison"]["data"] == "lost"


def test_a_lossy_change_keeps_a_backup_and_lists_what_is_lost(built: Built) -> None:
    house = built(
        first="BEGIN;\nALTER TABLE thing DROP COLUMN name;\nCOMMIT;\n",
        rollback=ROLLBACK + "BEGIN;\nALTER TABLE thing ADD COLUMN name text;\nCOMMIT;\n",
        way="lossy, the names are lost",
    )
    change = house.walk(Status.APPROVED)
    run = house.stage(change)
    assert (run.state, run.effect, run.sentence) == ("succeeded", "complete", "")
    outcome = run.outcome or {}
    kept = Path(django_settings.BACKUPS) / f"{outcome['backup']['sha256']}.dump"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == outcome["backup"]["sha256"]
    assert outcome["backup"]["proven"] is False
    comparison = outcome["comparison"]
    assert (comparison["ok"], comparison["data"]) == (True, "lost")
    assert any("name" in one for one in comparison["lost"])
    assert "Lost, as declared" in comparison["sentence"]
    assert house.fresh(change).status == Status.STAGED


def test_a_forward_fix_only_change_has_no_way_back_by_script(built: Built) -> None:
    house = built(first=COLUMN, rollback="", way="forward-fix only, the old release is gone")
    change = house.walk(Status.STAGED)
    run = change.executions.get(purpose="stage")
    assert [one["phase"] for one in (run.outcome or {})["passes"]] == ["forward"]
    assert (run.outcome or {})["backup"]["sha256"]
    with pytest.raises(GatesUnmet, match="declared forward-fix only, so it has no rollback script"):
        house.undo_staging(change)
    with pytest.raises(GatesUnmet, match="still holds steps"):
        house.send_back(change)
    # staging again runs nothing twice
    reviewing.restage(**house.leaving(change, "quin"))
    assert (house.stage(change).state, len(house.done("staging"))) == ("succeeded", 1)


def test_later_migrations_are_undone_first(servers: Servers, tmp_path: Path, settings: Any) -> None:
    house = House(servers, tmp_path, settings, first="BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n")
    first = house.walk(Status.DEPLOYED)
    second = house.walk(Status.DEPLOYED, number=2)
    with pytest.raises(GatesUnmet, match="Migration 002 was applied later and depends on it"):
        executing.start_rollback(**house.signing(first, "theo"), reason="wrong")
    assert "002 was applied later" in house.exits(first, "theo")["start_rollback"]
    assert house.roll_back(second).state == "succeeded"
    assert house.roll_back(first).state == "succeeded"
    assert [house.fresh(one).status for one in (first, second)] == [Status.ROLLED_BACK] * 2
    assert house.sql("production", "SELECT to_regclass('thing')") == [(None,)]


def test_a_partly_applied_staging_run_is_cleared_and_begun_again(
    servers: Servers, tmp_path: Path, settings: Any
) -> None:
    house = House(servers, tmp_path, settings)
    house.sql("development", OUTSIDER)
    change = house.walk(Status.APPROVED)
    run = house.stage(change)
    assert (run.state, run.effect) == ("failed", "partial")
    with pytest.raises(GatesUnmet, match="staging still holds steps"):
        house.send_back(change)
    house.sql("staging", OUTSIDER)
    again = house.stage(change)
    assert (again.state, again.effect) == ("succeeded", "complete")
    assert (again.outcome or {})["passes"][0]["phase"] == "clearing"

    # what was proven and is taken off again proves nothing: it can only leave backwards
    change = house.journey.accept(house.fresh(change))
    assert house.undo_staging(change).effect == "none"
    with pytest.raises(GatesUnmet, match="The run on staging has not succeeded for this content"):
        house.journey.authorize(change)
    reviewing.withdraw(**house.leaving(change, "ada", "another way was found"))
    assert house.fresh(change).status == Status.WITHDRAWN


def test_development_is_run_while_later_people_sign_and_proves_nothing_for_them(built: Built) -> None:
    """An approved change whose rollback was tried on development last is put back there, for what depends on it."""
    house = built(first=COLUMN, rollback=DROP_COLUMN)
    change = house.walk(Status.APPROVED)
    undone = house.develop(change, "rollback")
    assert (undone.state, undone.effect) == ("succeeded", "none")
    again = house.develop(change)
    assert (again.state, again.effect) == ("succeeded", "complete")
    change = house.fresh(change)
    assert (change.status, again.content_digest) == (Status.APPROVED, change.content_digest)
    assert house.done("staging") == []
