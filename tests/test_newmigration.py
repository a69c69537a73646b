"""`manage.py newmigration`: three files whose own findings are empty, or one sentence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from changecontrol.repository import Repository


def new(*arguments: str) -> str:
    out = io.StringIO()
    call_command("newmigration", *arguments, stdout=out)
    return out.getvalue()


def test_it_creates_files_that_pass_their_own_findings(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path
    printed = new("add_device_info", "--ticket", "TICKET-010", "--author", "Ada Lindqvist").splitlines()
    assert [Path(line).name for line in printed] == ["001_add_device_info.sql", "001_verify.sql", "001_rollback.sql"]
    frozen = Repository(tmp_path).read(1)
    assert frozen.findings == ()
    assert frozen.forward_script.header.author == "Ada Lindqvist"
    assert frozen.forward_script.header.ticket == "TICKET-010"


def test_it_signs_with_the_login_when_no_author_is_given(tmp_path: Path, settings: Any, monkeypatch: Any) -> None:
    settings.REPOSITORY = tmp_path
    monkeypatch.setenv("LOGNAME", "ada")
    new("add_device_info", "--ticket", "TICKET-010")
    assert Repository(tmp_path).read(1).forward_script.header.author == "ada"


@pytest.mark.parametrize("description", ["Add device info", "add-device-info", "../x"])
def test_it_refuses_a_bad_description_with_one_sentence(tmp_path: Path, settings: Any, description: str) -> None:
    settings.REPOSITORY = tmp_path
    with pytest.raises(CommandError, match="lower-case words joined by underscores"):
        new(description, "--ticket", "TICKET-010")
    assert list(tmp_path.iterdir()) == []


def test_it_says_where_the_repository_should_be(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path / "nowhere"
    with pytest.raises(CommandError, match="CHANGECONTROL_REPOSITORY"):
        new("add_device_info", "--ticket", "TICKET-010")


RENAME = ("--pattern", "rename-column", "--table", "sites", "--column", "name", "--to", "site_name", "--type", "text")
RENAME += ("--key", "site_id", "--release", "app >= 4.2", "--not-null", "--ticket", "TICKET-010", "--author", "Ada")
PATTERNS = {
    "add-not-null-column": ["--column", "c", "--type", "int", "--expression", "1", "--key", "id"],
    "rename-column": ["--column", "c", "--to", "d", "--type", "int", "--key", "id"],
    "change-type": ["--column", "c", "--to", "d", "--from-type", "text", "--type", "int", "--using", "c::int", "--back",
                    "d::text", "--key", "id"],
    "add-foreign-key": ["--column", "c", "--references", "sites(id)"],
    "add-index": ["--columns", "c, d DESC"],
    "split-table": ["--to", "e", "--columns", "c text", "--key", "id", "--key-type", "int"],
    "drop-column": ["--column", "c", "--type", "text", "--not-null"],
}  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_creates_a_series_that_passes_its_own_findings(tmp_path: Path, settings: Any, pattern: str) -> None:
    settings.REPOSITORY = tmp_path
    new(
        "--pattern",
        pattern,
        "--table",
        "t",
        "--release",
        "app >= 4",
        "--ticket",
        "T-1",
        "--author",
        "Ada",
        *PATTERNS[pattern],
    )
    repository = Repository(tmp_path)
    assert repository.findings() == []
    found = [repository.read(one.number) for one in repository.migrations()]
    assert [one.findings for one in found] == [()] * len(found)
    headers = [one.forward_script.header for one in found]
    places = [(one.series_position, one.series_length) for one in headers if one.series]
    assert places == ([] if len(found) == 1 else [(at, len(found)) for at in range(1, len(found) + 1)])
    assert all(one.rollback_declared and not one.extra for one in headers)
    assert [one.dependencies for one in headers] == [(), *((f"{at:03d}",) for at in range(1, len(found)))]


def test_a_series_continues_the_numbers_and_overwrites_nothing(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path
    new("add_device_info", "--ticket", "TICKET-010", "--author", "Ada")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.sql")}
    printed = [Path(line).name for line in new(*RENAME).splitlines()]
    assert printed[::3] == [
        "002_rename_sites_name_expand.sql",
        "003_rename_sites_name_require.sql",
        "004_rename_sites_name_contract.sql",
    ]
    assert {path: path.read_bytes() for path in before} == before
    repository = Repository(tmp_path)
    assert repository.read(2).forward_script.header.dependencies == ("001",)
    assert {name: sorted(found) for name, found in repository.series().items()} == {"rename-sites-name": [1, 2, 3]}


def test_a_series_has_its_name_alone(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path
    new(*RENAME)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CommandError, match="There is a series rename-sites-name already"):
        new(*RENAME)
    assert sorted(tmp_path.rglob("*")) == before
    new("rename_again", *RENAME)
    assert sorted(Repository(tmp_path).series()) == ["rename-again", "rename-sites-name"]


def test_a_pattern_that_lacks_answers_writes_nothing(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path
    with pytest.raises(CommandError, match=r"rename-column also needs --to .* and --key"):
        new("--pattern", "rename-column", "--table", "t", "--column", "c", "--type", "int", "--release", "app >= 4",
            "--ticket", "T-1")  # fmt: skip
    with pytest.raises(CommandError, match="cannot stand in a header"):
        new(*RENAME[:-1], "Ada\nMallory")
    assert list(tmp_path.iterdir()) == []


def test_it_asks_what_to_write_without_description_and_pattern(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = tmp_path
    with pytest.raises(CommandError, match="choose a --pattern"):
        new("--ticket", "T-1")
