"""The only reader of a migrations folder: exact bytes, bounded reading, git named only when it holds the same bytes."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from changecontrol.repository import (
    BadField,
    CannotCreate,
    FileMissing,
    LinkOutside,
    MigrationMissing,
    NoFreeNumber,
    NotReadable,
    NumberTwice,
    Repository,
    RepositoryMissing,
)
from changecontrol.rules import manifest
from changecontrol.rules.naming import BadDescription
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import StepKind, to_json

HEADER = """\
-- Migration: {number:03d} - A note
-- Ticket: TICKET-001
-- Author: Ada Lindqvist
-- Date: 2026-11-02
-- Purpose: Sites keep notes.
-- Dependencies: none
"""
FORWARD = "BEGIN;\nALTER TABLE site ADD COLUMN note text;\nCOMMIT;\n"


def make(root: Path, *, number: int = 1, header: str = "", body: str = FORWARD, rollback: bool = True) -> Path:
    for folder in ("rollback", "verify", "checks", "sources"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    forward = root / f"{number:03d}_add_note.sql"
    forward.write_text(HEADER.format(number=number) + header + body, encoding="utf-8")
    if rollback:
        path = root / f"rollback/{number:03d}_rollback.sql"
        path.write_text("BEGIN;\nALTER TABLE site DROP COLUMN note;\nCOMMIT;\n", encoding="utf-8")
    (root / f"verify/{number:03d}_verify.sql").write_text("SELECT true AS ok;\n", encoding="utf-8")
    return forward


def test_it_reads_a_migration_exactly(tmp_path: Path) -> None:
    forward = make(tmp_path)
    frozen = Repository(tmp_path).read(1)
    assert frozen.stem == "001_add_note"
    assert frozen.forward == forward.read_bytes()
    assert frozen.rollback == (tmp_path / "rollback/001_rollback.sql").read_bytes()
    assert frozen.verify == b"SELECT true AS ok;\n"
    assert frozen.findings == ()
    assert (frozen.git_commit, frozen.git_author) == (None, None)
    assert frozen.forward_script.file == "001_add_note.sql"
    assert frozen.script_digest == manifest.script_digest(
        frozen.forward, frozen.rollback, frozen.verify, frozen.sources, frozen.plans
    )
    assert frozen.plans["forward"] == to_json(frozen.forward_script)
    assert Repository(tmp_path).read(1) == frozen


def test_it_lists_migrations_from_names_alone(tmp_path: Path) -> None:
    make(tmp_path, number=2, rollback=False)
    make(tmp_path, number=1).write_bytes(b"\xff")
    listed = Repository(tmp_path).migrations()
    assert [(one.number, one.stem, one.has_rollback, one.has_verify) for one in listed] == [
        (1, "001_add_note", True, True),
        (2, "002_add_note", False, True),
    ]


def test_it_accepts_a_missing_or_empty_rollback_only_when_the_header_says_so(tmp_path: Path) -> None:
    make(tmp_path, rollback=False)
    repository = Repository(tmp_path)
    assert [(one.rule, one.severity) for one in repository.read(1).findings] == [("missing-rollback", "error")]
    assert [one.rule for one in repository.findings()] == ["missing-rollback"]
    (tmp_path / "rollback/001_rollback.sql").write_text("-- nothing\n")
    assert [(one.rule, one.severity) for one in repository.read(1).findings] == [("empty-rollback", "error")]
    make(tmp_path, header="-- Rollback: forward-fix only, because notes are merged\n", rollback=False)
    assert repository.read(1).findings == ()
    (tmp_path / "rollback/001_rollback.sql").unlink()
    assert repository.read(1).findings == ()
    assert repository.findings() == []
    make(tmp_path, header="-- Rollback: restore only, because a table goes\n")
    assert [one.rule for one in repository.read(1).findings] == ["rollback-contradicted"]


def test_it_finds_dependencies_that_do_not_exist(tmp_path: Path) -> None:
    forward = make(tmp_path, number=3)
    make(tmp_path, number=1)
    make(tmp_path, number=2)
    forward.write_text(forward.read_text().replace("Dependencies: none", "Dependencies: 001"))
    assert Repository(tmp_path).read(3).findings == ()
    (tmp_path / "001_add_note.sql").unlink()
    assert "dependency-missing" in [one.rule for one in Repository(tmp_path).read(3).findings]


def test_it_reads_included_files_and_freezes_them(tmp_path: Path) -> None:
    make(tmp_path, body="BEGIN;\n\\i sources/a.sql\nCOMMIT;\n")
    (tmp_path / "sources/a.sql").write_bytes(b"SELECT 1;\n\\ir b.sql\n")
    (tmp_path / "sources/b.sql").write_bytes(b"SELECT 2;\r\n")
    frozen = Repository(tmp_path).read(1)
    assert sorted(frozen.sources) == ["sources/a.sql", "sources/b.sql"]
    assert [one.sql for one in frozen.forward_script.statements] == ["SELECT 1", "SELECT 2"]
    assert frozen.forward_script.steps[0].kind is StepKind.TRANSACTION
    (tmp_path / "sources/b.sql").write_bytes(b"SELECT 3;\r\n")
    assert Repository(tmp_path).read(1).script_digest != frozen.script_digest


def test_it_refuses_an_included_file_outside_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    make(root, body="\\i sources/a.sql\n")
    (tmp_path / "outside.sql").write_text("SELECT 1;")
    (root / "sources/a.sql").symlink_to(tmp_path / "outside.sql")
    with pytest.raises(LinkOutside, match=r"sources/a\.sql"):
        Repository(root).read(1)


def test_it_follows_a_link_that_stays_inside(tmp_path: Path) -> None:
    forward = make(tmp_path)
    forward.rename(tmp_path / "sources/real.sql")
    forward.symlink_to("sources/real.sql")
    assert Repository(tmp_path).read(1).forward == (tmp_path / "sources/real.sql").read_bytes()


def test_it_refuses_what_is_no_plain_file(tmp_path: Path) -> None:
    make(tmp_path)
    verify = tmp_path / "verify/001_verify.sql"
    verify.unlink()
    os.mkfifo(verify)
    with pytest.raises(NotReadable, match=r"verify/001_verify\.sql"):
        Repository(tmp_path).read(1)
    verify.unlink()
    verify.symlink_to(verify.name)
    with pytest.raises(NotReadable):
        Repository(tmp_path).read(1)


def test_it_names_a_missing_repository_migration_or_number(tmp_path: Path) -> None:
    with pytest.raises(RepositoryMissing, match="CHANGECONTROL_REPOSITORY"):
        Repository(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(RepositoryMissing):
        Repository(tmp_path / "file")
    make(tmp_path)
    with pytest.raises(MigrationMissing, match="002"):
        Repository(tmp_path).read(2)
    (tmp_path / "001_other.sql").write_text("SELECT 1;")
    with pytest.raises(NumberTwice, match=r"001_add_note\.sql, 001_other\.sql"):
        Repository(tmp_path).read(1)


def test_it_reads_checks_and_policy(tmp_path: Path) -> None:
    make(tmp_path)
    assert Repository(tmp_path).checks() == {}
    assert Repository(tmp_path).policy_text() == ""
    (tmp_path / "checks/b.sql").write_bytes(b"SELECT 2;")
    (tmp_path / "checks/a.sql").write_bytes(b"SELECT 1;")
    (tmp_path / "changecontrol.toml").write_bytes(b'\xef\xbb\xbfprotected_tables = ["record_audit"]\n')
    assert list(Repository(tmp_path).checks().items()) == [("a", b"SELECT 1;"), ("b", b"SELECT 2;")]
    assert Repository(tmp_path).policy().protected_tables == ("record_audit",)
    (tmp_path / "changecontrol.toml").write_bytes(b"\xff")
    with pytest.raises(Refused, match=r"changecontrol\.toml"):
        Repository(tmp_path).policy_text()


def git(root: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=Ada Lindqvist", "-c", "user.email=ada@example.com", "-c", "core.autocrlf=false")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=root, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_it_names_the_commit_only_while_head_holds_the_same_bytes(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    root = tmp_path / "database/migrations"
    forward = make(root)
    assert Repository(root).read(1).git_commit is None
    git(tmp_path, "add", ".")
    assert Repository(root).read(1).git_commit is None
    git(tmp_path, "commit", "-q", "-m", "Add a note")
    frozen = Repository(root).read(1)
    assert frozen.git_commit == git(tmp_path, "rev-parse", "HEAD")
    assert frozen.git_author == "Ada Lindqvist <ada@example.com>"
    forward.write_bytes(forward.read_bytes() + b"\n")
    assert Repository(root).read(1).git_commit is None
    assert Repository(root).read(1).git_author is None


def test_it_does_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    make(tmp_path)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Add a note")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert Repository(tmp_path).read(1).git_commit is None


def test_it_creates_the_next_migration_without_findings(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    for number, description in ((1, "initial_schema"), (2, "add_device_info")):
        created = repository.create(description, "TICKET-010", "Ada Lindqvist", date="2026-11-22")
        assert [str(path.relative_to(repository.root)) for path in created] == [
            f"{number:03d}_{description}.sql",
            f"verify/{number:03d}_verify.sql",
            f"rollback/{number:03d}_rollback.sql",
        ]
        frozen = repository.read(number)
        assert frozen.findings == ()
        header = frozen.forward_script.header
        assert (header.ticket, header.author, header.date) == ("TICKET-010", "Ada Lindqvist", "2026-11-22")
        assert header.dependencies == (("001",) if number == 2 else ())
    assert repository.findings() == []


def test_it_skips_numbers_that_any_file_holds(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "rollback/007_rollback.sql").write_text("")
    assert Repository(tmp_path).create("a", "T-1", "Ada", date="2026-11-22")[0].name == "008_a.sql"
    assert Repository(tmp_path).read(8).forward_script.header.dependencies == ("001",)


def test_it_gives_authors_at_the_same_time_different_numbers(tmp_path: Path) -> None:
    def create(index: int) -> str:
        return Repository(tmp_path).create(f"idea_{index}", "T-1", "Ada", date="2026-11-22")[0].name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(create, range(24)))
    assert sorted(name[:3] for name in names) == [f"{number:03d}" for number in range(1, 25)]


def test_it_refuses_to_create_with_a_sentence(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    with pytest.raises(BadDescription, match="add_device_info"):
        repository.create("Add device-info", "T-1", "Ada", date="2026-11-22")
    for ticket, author in (("", "Ada"), ("T-1", " "), ("T-1\n-- Author: x", "Ada")):
        with pytest.raises(BadField):
            repository.create("a", ticket, author, date="2026-11-22")
    assert list(tmp_path.iterdir()) == []
    make(tmp_path, number=999)
    with pytest.raises(NoFreeNumber):
        repository.create("a", "T-1", "Ada", date="2026-11-22")


def test_it_never_creates_outside_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (root / "rollback").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LinkOutside):
        Repository(root).create("a", "T-1", "Ada", date="2026-11-22")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_it_says_when_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "rollback").write_text("a file where the folder should be")
    with pytest.raises(CannotCreate, match=r"rollback/001_rollback\.sql"):
        Repository(tmp_path).create("a", "T-1", "Ada", date="2026-11-22")
    assert [path.name for path in tmp_path.iterdir()] == ["rollback"]


def test_it_names_a_file_that_went_missing(tmp_path: Path) -> None:
    from changecontrol.repository import files

    with pytest.raises(FileMissing, match=r"no\.sql"):
        files.read(tmp_path.resolve(), "no.sql")
