"""Who has what."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.models import LedgerCopy
from changecontrol.services.matrix import Cell, matrix
from changecontrol.services.recording import acting
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    (tmp_path / "001_initial.sql").write_text("SELECT 1;\n")
    settings.REPOSITORY = tmp_path
    return tmp_path


def cells(number: int) -> list[Cell]:
    return next(row.cells for row in matrix(now=NOW).rows if row.number == number)


def test_targets_stand_in_the_order_a_change_passes_them() -> None:
    for name, kind in (
        ("prod", "production"),
        ("staging-b", "staging"),
        ("dev", "development"),
        ("staging-a", "staging"),
    ):
        rows.target(name, kind)
    assert [one.name for one in matrix(now=NOW).targets] == ["dev", "staging-a", "staging-b", "prod"]


def test_migrations_on_disk_in_changes_and_adopted_are_all_listed() -> None:
    place = rows.target("prod", "production")
    rows.change(migration=7)
    with acting("worker"):
        LedgerCopy.objects.create(
            target=place,
            target_uuid=place.uuid,
            ledger_id=1,
            kind="baseline",
            migration="003_old",
            direction="forward",
            server_at=NOW,
            row={},
        )
    assert [(row.number, row.stem) for row in matrix(now=NOW).rows] == [
        (1, "001_initial"), (3, "003_old"), (7, "007_add_device"),
    ]  # fmt: skip
    assert [one.state for one in cells(3)] == ["baseline"]
    assert [one.state for one in cells(1)] == ["pending"]


@pytest.mark.parametrize(
    ("state", "effect", "direction", "shown"),
    [
        ("succeeded", "complete", "forward", "applied"),
        ("succeeded", "none", "rollback", "rolled_back"),
        ("running", "none", "forward", "running"),
        ("failed", "none", "forward", "failed"),
        ("failed", "complete", "forward", "failed"),
        ("failed", "partial", "forward", "partial"),
        ("lost", "unknown", "forward", "lost"),
        ("queued", "none", "forward", "pending"),
    ],
)
def test_a_cell_says_how_the_last_run_left_it(state: str, effect: str, direction: str, shown: str) -> None:
    change, place = rows.change("authorized", migration=7), rows.target("prod", "production")
    rows.execution(
        change, place, purpose="deploy", direction=direction, state=state, effect=effect, outcome={"passes": [{}]}
    )
    assert [one.state for one in cells(7)] == [shown]


def test_a_cell_says_when_by_whom_and_which_run() -> None:
    change, place = rows.change("authorized", migration=7), rows.target("prod", "production")
    run = rows.execution(change, place, purpose="deploy", outcome={"passes": [{}]})
    cell = cells(7)[0]
    assert (cell.at, cell.by, cell.execution) == (NOW + timedelta(minutes=1), "Theo Brandt", run)


def test_a_run_that_was_refused_before_it_began_hides_nothing() -> None:
    change, place = rows.change("authorized", migration=7), rows.target("prod", "production")
    rows.execution(change, place, purpose="deploy", outcome={"passes": [{}]})
    rows.execution(change, place, purpose="deploy", state="failed", effect="complete", outcome=None)
    assert cells(7)[0].state == "applied"


def test_a_retired_target_is_gone_from_the_matrix() -> None:
    place = rows.target("old", "production")
    with acting("setup"):
        place.retired_at = NOW
        place.save()
    assert matrix(now=NOW).targets == []


def test_a_folder_that_cannot_be_read_leaves_what_was_run(folder: Path, settings: Any) -> None:
    settings.REPOSITORY = folder / "nowhere"
    rows.change(migration=7)
    assert [row.number for row in matrix(now=NOW).rows] == [7]


def test_it_asks_the_same_number_of_queries_however_many_there_are() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            found = matrix(now=NOW)
            assert [target.environment.name for target in found.targets]
            assert all(cell.by or cell.state for row in found.rows for cell in row.cells)
        return len(caught)

    places = [rows.target(f"prod-{at}", "production") for at in range(5)]
    one = rows.change("authorized", migration=7, items=False)
    rows.execution(one, places[0], purpose="deploy")
    few = queries()
    for number in range(10, 30):
        change = rows.change("authorized", migration=number, items=False)
        for place in places:
            rows.execution(change, place, purpose="deploy")
    assert queries() == few <= 5
