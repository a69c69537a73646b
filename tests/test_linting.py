"""squawk beside our rules: asked once for many files, and never the reason why something breaks."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from changecontrol import linting
from changecontrol.rules.finding import Finding
from changecontrol.rules.policy import Policy
from changecontrol.rules.topics import merged


def rules(sql: str, *, major: int = 18) -> list[tuple[str, str, int, int]]:
    found = linting.squawk({"002_a.sql": sql.encode()}, major=major)
    return [(one.rule, one.severity, one.line, one.column) for one in found]


def test_lines_and_columns_count_from_one() -> None:
    assert rules("BEGIN;\nALTER TABLE t\n  ALTER COLUMN v TYPE bigint;\nCOMMIT;\n") == [
        ("squawk/changing-column-type", "warning", 3, 18)
    ]


def test_advice_that_is_wrong_here_is_left_out() -> None:
    assert rules("CREATE INDEX CONCURRENTLY i ON t (a);\nALTER TABLE t ADD COLUMN c text;") == []


def test_what_it_prefers_is_a_note() -> None:
    assert rules("ALTER TABLE t ADD COLUMN c int;") == [("squawk/prefer-bigint-over-int", "note", 1, 28)]


def test_a_file_it_cannot_read_is_a_note_that_says_so() -> None:
    found = linting.squawk({"002_a.sql": b"ALTER TABLE t ADD COLUMNN c int int;"})
    assert {(one.rule, one.severity) for one in found} == {("squawk/syntax-error", "note")}
    assert found[0].message.startswith("squawk cannot read this file and says nothing else about it")


def test_nobody_switches_it_off_in_the_text() -> None:
    assert rules("-- squawk-ignore ban-drop-column\nALTER TABLE t DROP COLUMN c;") == [
        ("squawk/ban-drop-column", "warning", 2, 15)
    ]


def test_names_that_look_like_patterns_are_names() -> None:
    files = {f"[{name}]*.sql": b"DROP TABLE t;" for name in ("a", "b")}
    assert [one.file for one in linting.squawk(files)] == list(files)


def test_hundreds_of_files_are_one_call() -> None:
    began = time.monotonic()
    found = linting.squawk({f"{number:03}_a.sql": b"ALTER TABLE t DROP COLUMN c;" for number in range(500)})
    assert len(found) == 500
    assert time.monotonic() - began < 20


def test_nothing_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linting, "executable", lambda: pytest.fail("asked"))
    assert linting.squawk({}) == []


def test_without_squawk_one_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linting, "executable", lambda: None)
    found = linting.squawk({"001_a.sql": b"x", "002_b.sql": b"y"})
    assert [(one.rule, one.severity) for one in found] == [("squawk-missing", "note")]


@pytest.mark.parametrize("body", ["exit 2", "echo nonsense", "echo '{}'", "kill -9 $$"])
def test_a_broken_squawk_is_one_note(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "squawk"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(linting, "executable", lambda: str(program))
    found = linting.squawk({"001_a.sql": b"DROP TABLE t;"})
    assert [(one.rule, one.severity) for one in found] == [("squawk-missing", "note")]


# --- merging


def ours(rule: str, line: int = 1, severity: str = "error") -> Finding:
    return Finding(rule, severity, "a.sql", line, 1, "…")


def theirs(rule: str, line: int = 1) -> Finding:
    return Finding(f"squawk/{rule}", "warning", "a.sql", line, 5, "…")


def test_what_ours_decide_is_said_by_ours_alone() -> None:
    both = [ours("drop-column")]
    assert merged(both, [theirs("ban-drop-column")], policy=Policy()) == both
    assert merged([], [theirs("changing-column-type")], policy=Policy()) == []


def test_what_only_squawk_says_is_kept() -> None:
    assert merged([ours("drop-column")], [theirs("prefer-text-field")], policy=Policy())[1:] == [
        theirs("prefer-text-field")
    ]


def test_advice_about_the_same_place_is_said_once_and_elsewhere_as_well() -> None:
    key = ours("integer-primary-key", 3)
    assert merged([key], [theirs("prefer-bigint-over-int", 4)], policy=Policy()) == [key]
    assert len(merged([key], [theirs("prefer-bigint-over-int", 60)], policy=Policy())) == 2


def test_the_policy_may_raise_a_rule_of_squawk() -> None:
    policy = Policy(severities={"squawk/prefer-text-field": "error"})
    assert [one.severity for one in merged([], [theirs("prefer-text-field")], policy=policy)] == ["error"]
