"""A revision carries what can be known before anything runs: the file's own, the rules' and squawk's findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from changecontrol.models import Person, Revision
from changecontrol.services import drafting, standing
from tests import factories

FORWARD = (
    "BEGIN;\nALTER TABLE people DROP COLUMN nick;\nALTER TABLE people ADD COLUMN age int;\nCOMMIT;\n"
    "\\ir parts/more.sql\n"
)
POLICY = """
protected_tables = ["people"]
[severities]
drop-column = "critical"
"squawk/prefer-bigint-over-int" = "warning"
"""


@pytest.fixture
def revision(tmp_path: Path, settings: Any, db: None) -> Revision:
    text = factories.header("001", "none") + FORWARD
    settings.REPOSITORY = factories.small_folder(tmp_path, **{"001_first": text})
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "more.sql").write_text("CREATE TABLE tiny (id smallint PRIMARY KEY, at timestamp);\n")
    (tmp_path / "rollback" / "001_rollback.sql").write_text("DROP TABLE tiny;\nTRUNCATE people;\n")
    (tmp_path / "changecontrol.toml").write_text(POLICY)
    ada = Person.objects.get(username="ada")
    change = drafting.open_change(migration_number=1, actor=ada, now=timezone.now())
    assert change.revision is not None
    return change.revision


def found(revision: Revision) -> set[tuple[str, str, str]]:
    return {(one["rule"], one["severity"], one["file"]) for one in revision.findings}


def test_predictions_of_both_scripts_are_frozen_with_it(revision: Revision) -> None:
    assert {
        ("drop-column", "critical", "001_first.sql"),
        ("create-table-not-repeatable", "error", "parts/more.sql"),
        ("truncate", "critical", "rollback/001_rollback.sql"),
    } <= found(revision)


def test_so_is_what_squawk_says_beyond_them_included_files_too(revision: Revision) -> None:
    assert {
        ("squawk/prefer-bigint-over-int", "warning", "001_first.sql"),
        ("squawk/prefer-timestamp-tz", "note", "parts/more.sql"),
    } <= found(revision)
    assert not [rule for rule, _severity, _file in found(revision) if rule.startswith("squawk/ban-drop")]


def test_they_stand_where_a_reader_finds_them(revision: Revision) -> None:
    (dropped,) = [one for one in revision.findings if one["rule"] == "drop-column"]
    text = bytes(revision.forward).decode().splitlines()
    assert text[dropped["line"] - 1].startswith("ALTER TABLE people DROP")


def test_what_blocks_can_be_waived_where_it_stands(revision: Revision) -> None:
    ada = Person.objects.get(username="ada")
    for one in standing.read(revision.change).findings:
        if one["severity"] in ("error", "critical"):
            change = type(revision.change).objects.get(pk=revision.change_id)
            drafting.waive(
                change_id=change.pk,
                actor=ada,
                version=change.version,
                rule=one["rule"],
                file=one["file"],
                line=one["line"],
                reason="Known and wanted.",
                now=timezone.now(),
            )
    blocking = {(one["rule"], one["line"]) for one in revision.findings if one["severity"] in ("error", "critical")}
    assert set(revision.change.waivers.values_list("rule", "line")) == blocking
