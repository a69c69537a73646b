"""What lies in the migrations repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.models import ChangeRequest
from changecontrol.services import freezing
from changecontrol.services.recording import acting
from changecontrol.services.shelf import ShelfEntry, shelf
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.REPOSITORY = tmp_path
    for name in ("rollback", "verify"):
        (tmp_path / name).mkdir()
    put(tmp_path, 1)
    return tmp_path


def put(folder: Path, number: int, sql: str = "CREATE TABLE sites (id int);") -> None:
    header = f"-- Migration: {number:03d}\n-- Author: Ada Lindqvist\n-- Purpose: Sites.\n\n"
    (folder / f"{number:03d}_sites.sql").write_text(header + sql + "\n")
    (folder / f"rollback/{number:03d}_rollback.sql").write_text(header + "DROP TABLE sites;\n")


def opened(number: int, status: str = "in_review") -> ChangeRequest:
    """A change whose revision is what lies on disk."""
    change = rows.change(status, migration=number)
    with acting(rows.person("ada")):
        read = freezing.repository().read(number)
        change.revision = freezing.freeze(change, read, actor=change.opened_by, now=NOW)
        change.save()
    return change


def entry(number: int = 1) -> ShelfEntry:
    return next(one for one in shelf().entries if one.number == number)


def test_a_migration_without_a_change_is_new() -> None:
    found = entry()
    assert (found.stem, found.forward, found.rollback, found.verify) == ("001_sites", True, True, False)
    assert (found.new, found.change, found.differs, found.refusal) == (True, None, False, "")


def test_a_refusal_shows_the_place_below_its_line(folder: Path) -> None:
    put(folder, 1, "SELEC 1;")
    line, caret = entry().excerpt.splitlines()
    assert "line 5, column 1" in entry().refusal
    assert (line, caret) == ("SELEC 1;", "^")


def test_it_names_the_open_change_before_a_newer_ended_one() -> None:
    first = opened(1)
    assert (entry().change, entry().new, entry().differs) == (first, False, False)
    with acting("setup"):
        rows.move(first, "withdraw", "withdrawn")
    second = opened(1)
    assert entry().change == second


def test_it_says_which_files_changed_since_their_revision(folder: Path) -> None:
    opened(1)
    put(folder, 1, "CREATE TABLE sites (id bigint);")
    assert entry().differs


def test_what_was_given_up_differs_from_nothing(folder: Path) -> None:
    change = opened(1)
    put(folder, 1, "CREATE TABLE sites (id bigint);")
    with acting("setup"):
        rows.move(change, "withdraw", "withdrawn")
    assert not entry().differs


def test_a_file_that_cannot_be_parsed_says_why(folder: Path) -> None:
    put(folder, 2, "CREATE TABEL sites;")
    assert "002_sites.sql" in entry(2).refusal
    assert entry(1).refusal == ""


def test_stray_files_are_about_the_folder(folder: Path) -> None:
    (folder / "notes.docx").write_bytes(b"x")
    found = shelf()
    assert [one.file for one in found.findings] == ["notes.docx"]
    assert found.root == str(folder)


def test_a_folder_that_is_missing_is_one_sentence(folder: Path, settings: Any) -> None:
    settings.REPOSITORY = folder / "nowhere"
    found = shelf()
    assert found.entries == []
    assert "nowhere" in found.problem


def test_it_asks_one_query_however_many_migrations_there_are(folder: Path) -> None:
    for number in range(2, 12):
        put(folder, number)
        opened(number)
    with CaptureQueriesContext(connection) as caught:
        assert len([one.change.status for one in shelf().entries if one.change]) == 10
    assert len(caught) == 1
