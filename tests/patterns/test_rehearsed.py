"""What the wizard writes passes the product's own rehearsal: a proven way back, and alarms only for what is meant."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from changecontrol.local.testing import Servers
from changecontrol.services import scaffolding
from changecontrol.services.engine.rehearsing import rehearse
from tests import factories
from tests.patterns.scenarios import SCENARIOS, Scenario
from tests.patterns.series import RELEASE

#: what each pattern is for, and an author waives with this reason
MEANT = {
    "rename-column": {"create-trigger", "drop-trigger", "drop-function", "drop-column", "drop-not-null"},
    "change-type": {"create-trigger", "drop-trigger", "drop-function", "drop-column"},
    "split-table": {
        *("create-trigger", "drop-trigger", "drop-function", "drop-column", "two-tables-locked", "drop-not-null")
    },
    "add-not-null-column": {"create-trigger", "drop-trigger", "drop-function"},
    "drop-column": {"drop-column", "drop-not-null"},
    "add-foreign-key": {"two-tables-locked"},  # a foreign key is a lock on both, whoever adds or drops it
}
#: the ledger knows what was applied, so that a table of the same name has to fail
HOUSE = {"create-table-not-repeatable"}


def folder_of(folder: Path, scenario: Scenario) -> Path:
    """Migration 001 makes the table, with few rows; the wizard writes the rest."""
    setup = scenario.setup.replace("generate_series(1, 6000)", "generate_series(1, 40)")
    (folder / "rollback").mkdir()
    drops = "".join(f"DROP TABLE {name};\n" for name in ("things", "sites") if f"CREATE TABLE {name} " in setup)
    (folder / "001_tables.sql").write_text(f"{factories.header('001', 'none')}BEGIN;\n{setup}\nCOMMIT;\n")
    (folder / "rollback" / "001_rollback.sql").write_text(f"-- Rollback: 001 - small\nBEGIN;\n{drops}COMMIT;\n")
    scaffolding.new_series(
        repository=folder,
        pattern=scenario.name,
        given={"release": RELEASE, **scenario.given},
        description="",
        ticket="TICKET-010",
        author="Ada Lindqvist",
        on=date(2026, 1, 5),
    )
    return folder


def alarms(migration: dict[str, Any]) -> set[str]:
    return {one["rule"] for one in migration["findings"] if one["severity"] in ("error", "critical")}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: f"{one.name}-{one.note or one.length}")
def test_a_series_is_proven_and_alarms_only_for_what_it_is_for(
    servers: Servers, tmp_path: Path, scenario: Scenario
) -> None:
    report = rehearse(folder=folder_of(tmp_path, scenario), server=servers.target("targets").dsn())
    told = report.value["migrations"][1:]
    assert len(told) == scenario.length
    assert {one["verdict"] for one in told} <= {"exact", "order_only"}, [one["differences"] for one in told]
    meant = MEANT.get(scenario.name, set()) | HOUSE
    assert {rule: one["name"] for one in told for rule in alarms(one) - meant} == {}
