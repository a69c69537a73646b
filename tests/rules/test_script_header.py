"""What the comments at the top say."""

from __future__ import annotations

import pytest

from changecontrol.rules.script import Direction, Finding, RollbackClass, from_json, read_header, to_json
from tests.rules.reading import read

TEMPLATE = """\
-- database/migrations/002_add_audit_metadata.sql
-- =====================================================
-- Migration: 002 - Add audit metadata
-- Ticket: TICKET-001
-- Author: Ada Lindqvist
-- Date: 2026-11-02
-- =====================================================

-- Purpose:
-- Three columns that say which device
-- Note: wrote a record.

-- Dependencies:
-- 001

BEGIN;
SELECT 1;
COMMIT;
"""


def rules(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def test_it_reads_the_strategy_documents_template() -> None:
    script = read(TEMPLATE)
    header = script.header
    assert (header.migration, header.title) == ("002", "Add audit metadata")
    assert (header.ticket, header.author, header.date) == ("TICKET-001", "Ada Lindqvist", "2026-11-02")
    assert header.purpose == "Three columns that say which device Note: wrote a record."
    assert header.dependencies == ("001",)
    assert header.rollback_class is RollbackClass.LOSSLESS
    assert not header.rollback_declared
    assert script.findings == ()


def test_it_reads_one_line_fields_with_windows_line_ends_and_bom() -> None:
    text = "\ufeff" + TEMPLATE.replace("Purpose:\n-- Three", "Purpose: Three").replace(
        "Dependencies:\n-- 001", "Dependencies: none"
    )
    script = read(text.replace("\n", "\r\n"))
    assert script.header.purpose.startswith("Three columns")
    assert script.header.dependencies == ()
    assert script.findings == ()
    assert read_header(text.encode(), file=script.file) == script.header


def test_it_finds_every_missing_field() -> None:
    script = read("SELECT 1;")
    missing = ["Migration", "Ticket", "Author", "Date", "Purpose", "Dependencies"]
    assert [finding.message for finding in script.findings] == [f"The header has no “{name}”." for name in missing]
    assert {(finding.severity, finding.line) for finding in script.findings} == {("warning", 1)}


def test_it_finds_the_templates_own_words() -> None:
    text = TEMPLATE.replace("TICKET-001", "TICKET-XXX").replace("Ada Lindqvist", "[Your Name]")
    assert rules(read(text).findings) == ["header-placeholder", "header-placeholder"]


@pytest.mark.parametrize(
    ("old", "new", "rule", "line"),
    [
        ("Migration: 002", "Migration: 003", "header-number", 3),
        ("2026-11-02", "2026-13-02", "header-date", 6),
        ("-- 001\n", "-- The initial schema\n", "dependencies-prose", 13),
        ("-- 001\n", "-- 001, 002\n", "dependencies-order", 13),
        ("-- Ticket: TICKET-001\n", "-- Ticket: A-1\n-- Ticket: A-2\n", "header-twice", 5),
        ("\nBEGIN", "-- Rollback: perhaps\nBEGIN", "rollback-class", 15),
        ("\nBEGIN", "-- Rollback: lossy\nBEGIN", "rollback-class", 15),
    ],
)
def test_it_finds_wrong_fields(old: str, new: str, rule: str, line: int) -> None:
    (finding,) = read(TEMPLATE.replace(old, new)).findings
    assert (finding.rule, finding.line) == (rule, line)


def test_it_keeps_prose_dependencies() -> None:
    assert (
        read(TEMPLATE.replace("-- 001\n", "-- The initial schema\n")).header.dependencies_note == "The initial schema"
    )


@pytest.mark.parametrize(
    ("written", "declared", "note"),
    [
        ("lossless", RollbackClass.LOSSLESS, ""),
        ("Lossy, device_info is lost", RollbackClass.LOSSY, "device_info is lost"),
        ("conditional, while no row is newer", RollbackClass.CONDITIONAL, "while no row is newer"),
        ("forward-fix only, because rows are merged", RollbackClass.FORWARD_FIX_ONLY, "because rows are merged"),
        ("restore only – because a table\n-- is dropped", RollbackClass.RESTORE_ONLY, "because a table is dropped"),
    ],
)
def test_it_reads_the_rollback_class(written: str, declared: RollbackClass, note: str) -> None:
    script = read(TEMPLATE.replace("\nBEGIN", f"-- Rollback: {written}\nBEGIN"))
    header = script.header
    assert (header.rollback_class, header.rollback_note, header.rollback_declared) == (declared, note, True)
    assert script.findings == ()


def test_it_reads_a_rollback_files_title() -> None:
    script = read("-- Rollback: 002 - Add audit metadata\nSELECT 1;", direction=Direction.ROLLBACK)
    assert (script.header.migration, script.header.title) == ("002", "Add audit metadata")
    assert script.findings == ()
    wrong = read("-- Rollback: lossy, a\nSELECT 1;", direction=Direction.ROLLBACK)
    assert rules(wrong.findings) == ["rollback-class-place"]


def test_it_reads_release_after_rollback_and_other_fields() -> None:
    header = read("-- Requires-release: app >= 2.4\n-- Reviewed-with: Tess\nSELECT 1;").header
    assert header.requires_release == "app >= 2.4"
    assert header.extra == (("Reviewed-with", "Tess"),)
    verify = read("-- After-rollback: passes\nSELECT true AS ok;", direction=Direction.VERIFY)
    assert verify.header.after_rollback == "passes"
    assert rules(read("-- After-rollback: maybe\nSELECT true;", direction=Direction.VERIFY).findings) == [
        "after-rollback"
    ]


def test_it_reads_no_header_behind_the_first_statement() -> None:
    assert read("SELECT 1;\n-- Ticket: A-1\n").header.ticket == ""


def found(sql: str, direction: Direction = Direction.FORWARD) -> list[tuple[str, str, int]]:
    script = read(sql, direction=direction)
    return [(one.rule, one.severity, one.line) for one in script.findings if one.rule != "header-missing"]


def test_it_finds_settings_inside_the_file() -> None:
    assert found("SET lock_timeout = '1min';") == [("in-file-set", "warning", 1)]
    assert found("BEGIN;\nSET LOCAL ROLE clerk;\nRESET ALL;\nCOMMIT;") == [
        ("set-role", "warning", 2),
        ("in-file-set", "warning", 3),
    ]
    assert found("BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;") == []


def test_it_finds_if_not_exists_where_it_hides_something() -> None:
    assert found("ALTER TABLE t ADD COLUMN IF NOT EXISTS c int;") == [("add-column-if-not-exists", "warning", 1)]
    assert found("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);") == [("index-if-not-exists", "warning", 1)]
    assert found("CREATE TABLE IF NOT EXISTS t (a int);") == []


def test_it_finds_hidden_characters_and_empty_transactions() -> None:
    assert found("SELECT 1;\n-- \u202e x\n") == [("hidden-character", "error", 2)]
    assert found("BEGIN; COMMIT; SELECT 1;") == [("empty-transaction", "warning", 1)]


def test_it_reads_the_place_in_a_series() -> None:
    header = read("-- Series: rename-left-on, 2 of 3\nSELECT 1;").header
    assert (header.series, header.series_position, header.series_length) == ("rename-left-on", 2, 3)
    assert header.extra == ()


@pytest.mark.parametrize(
    "text", ["rename", "Rename-It, 1 of 2", "x, 0 of 2", "x, 3 of 2", "x, 1 of", f"{'a' * 81}, 1 of 2"]
)
def test_a_place_in_a_series_that_cannot_be_read_is_an_error(text: str) -> None:
    script = read(f"-- Series: {text}\nSELECT 1;")
    assert script.header.series == ""
    assert ("series", "error") in [(one.rule, one.severity) for one in script.findings]


def test_a_release_that_nobody_could_wait_for_is_an_error() -> None:
    script = read("-- Requires-release: the new one\nSELECT 1;")
    assert ("requires-release", "error") in [(one.rule, one.severity) for one in script.findings]
    assert "requires-release" not in rules(read("-- Requires-release: app >= 4.2\nSELECT 1;").findings)


def test_plans_from_before_there_were_series_stay_readable_and_keep_their_digest() -> None:
    plan = to_json(read("-- Migration: 002 - x\nSELECT 1;"))
    assert "series" not in plan["header"]
    assert from_json(plan) == read("-- Migration: 002 - x\nSELECT 1;")
    with_series = read("-- Series: x, 1 of 2\nSELECT 1;")
    assert from_json(to_json(with_series)) == with_series
