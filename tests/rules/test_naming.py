"""Every naming rule of the strategy document, as findings with file and line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changecontrol.rules.naming import (
    BadDescription,
    Entry,
    MigrationName,
    check_description,
    examine,
    parse,
    parse_companion,
)

GOOD = [
    "001_initial_schema.sql",
    "002_add_audit_metadata.sql",
    "rollback/001_rollback.sql",
    "rollback/002_rollback.sql",
    "verify/001_verify.sql",
    "verify/002_verify.sql",
    "checks/audit_chain.sql",
    "sources/audit.sql",
    "README.md",
    "changecontrol.toml",
    ".gitignore",
]
FOLDERS = [Entry(name, is_folder=True) for name in ("rollback", "verify", "checks", "sources", ".git")]


def found(*more: str, without: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    entries = [Entry(name) for name in [*GOOD, *more] if name not in without]
    findings = examine([*entries, *FOLDERS])
    assert all((finding.line, finding.column) == (1, 1) and finding.message for finding in findings)
    return [(finding.rule, finding.severity, finding.file) for finding in findings]


def test_it_finds_nothing_in_a_good_folder() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("03_add_site.sql", "003_add_site.sql"),
        ("0003_add_site.sql", "003_add_site.sql"),
        ("003-add-site.sql", "003_add_site.sql"),
        ("003_Add_Site.sql", "003_add_site.sql"),
        ("003_addSite.SQL", "003_add_site.sql"),
        ("003_add__site.sql", "003_add_site.sql"),
        ("003_add site.sql", "003_add_site.sql"),
        ("003.sql", "003_description.sql"),
        ("000_nothing.sql", "NNN_description.sql"),
    ],
)
def test_it_finds_wrong_names_and_says_the_right_one(name: str, wanted: str) -> None:
    findings = [item for item in examine([*(Entry(good) for good in GOOD), *FOLDERS, Entry(name)]) if item.file == name]
    assert [(item.rule, item.severity) for item in findings] == [("file-name", "error")]
    assert wanted in findings[0].message


def test_it_finds_gaps_and_numbers_used_twice() -> None:
    extra = ("005_late.sql", "rollback/005_rollback.sql", "verify/005_verify.sql")
    assert found(*extra) == [("number-gap", "warning", "005_late.sql")]
    assert found("002_other.sql") == [
        ("number-twice", "error", "002_add_audit_metadata.sql"),
        ("number-twice", "error", "002_other.sql"),
    ]


def test_it_finds_missing_and_lonely_companions() -> None:
    assert found(without=("rollback/002_rollback.sql",)) == [
        ("missing-rollback", "error", "002_add_audit_metadata.sql")
    ]
    assert found(without=("verify/002_verify.sql",)) == [("missing-verify", "note", "002_add_audit_metadata.sql")]
    assert found("rollback/007_rollback.sql") == [("rollback-alone", "error", "rollback/007_rollback.sql")]
    assert found("verify/007_verify.sql") == [("verify-alone", "error", "verify/007_verify.sql")]
    entries = [Entry("001_a.sql"), Entry("verify/001_verify.sql")]
    assert examine(entries, no_way_back={1}) == []


@pytest.mark.parametrize(
    ("name", "rule", "severity"),
    [
        ("notes.txt", "stray-file", "warning"),
        ("cleanup.sql", "stray-file", "error"),
        ("rollback/2_rollback.sql", "file-name", "error"),
        ("rollback/002_Rollback.sql", "file-name", "error"),
        ("rollback/002_verify.sql", "file-name", "error"),
        ("rollback/notes.md", "file-name", "warning"),
        ("checks/Audit.sql", "stray-file", "warning"),
    ],
)
def test_it_finds_stray_files(name: str, rule: str, severity: str) -> None:
    assert found(name) == [(rule, severity, name)]


def test_it_finds_stray_folders_links_and_large_files() -> None:
    entries = [
        Entry("old", is_folder=True),
        Entry("003_x.sql", outside=True),
        Entry("checks/big.sql", size=10 * 1024 * 1024),
    ]
    rules = {(item.rule, item.file) for item in examine(entries)}
    assert {("stray-folder", "old"), ("link-outside", "003_x.sql"), ("too-large", "checks/big.sql")} <= rules


def test_it_reads_and_writes_names() -> None:
    name = MigrationName(2, "add_audit_metadata")
    assert parse("002_add_audit_metadata.sql") == name
    assert (name.stem, name.rollback, name.verify) == (
        "002_add_audit_metadata",
        "rollback/002_rollback.sql",
        "verify/002_verify.sql",
    )
    assert parse_companion(name.rollback, "rollback") == parse_companion(name.verify, "verify") == 2
    assert parse("sources/002_a.sql") is None
    assert parse_companion("rollback/002_verify.sql", "rollback") is None


@pytest.mark.parametrize(
    ("description", "example"),
    [
        ("Add device info", "add_device_info"),
        ("addDeviceInfo", "add_device_info"),
        ("", "add_device_info"),
        ("a/../b", "a_b"),
    ],
)
def test_it_refuses_other_descriptions_with_one_that_would_do(description: str, example: str) -> None:
    with pytest.raises(BadDescription) as caught:
        check_description(description)
    assert caught.value.details["example"] == example
    assert check_description(example) == example


@given(st.lists(st.text(st.sampled_from("012aA_-./ é"), min_size=1, max_size=14), max_size=6))
def test_it_takes_any_names(names: list[str]) -> None:
    examine([Entry(name.strip("/.") or "x") for name in names])
