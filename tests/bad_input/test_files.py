"""Bad files: each is refused, or found, with a sentence that names the file and says what to do; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from changecontrol.repository import Repository
from changecontrol.rules.refusal import Refused
from tests.bad_input.folder import FORWARD, HEADER, make_folder, picture

BEGINNING = HEADER.format(number=1).encode()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder in order; what reading it left behind is compared at the end."""
    folder = tmp_path / "migrations_repo"
    make_folder(folder)
    yield folder


def refusal(root: Path, *, number: int = 1) -> Refused:
    """Read migration `number`, which must be refused, and leave the folder as it was."""
    before = picture(root)
    with pytest.raises(Refused) as caught:
        Repository(root).read(number)
    assert picture(root) == before
    return caught.value


def spoil(root: Path, data: bytes, *, number: int = 1) -> Path:
    file = root / f"{number:03}_add_note.sql"
    file.write_bytes(data)
    return file


def test_it_reads_the_folder_in_order(root: Path) -> None:
    frozen = Repository(root).read(1)
    assert frozen.stem == "001_add_note"
    assert [finding for finding in Repository(root).findings() if finding.severity in {"error", "critical"}] == []


@pytest.mark.parametrize("folder", ["", "rollback", "verify"])
def test_it_refuses_an_undecodable_file(root: Path, folder: str) -> None:
    name = {"": "001_add_note.sql", "rollback": "rollback/001_rollback.sql", "verify": "verify/001_verify.sql"}[folder]
    (root / name).write_bytes(BEGINNING + b"SELECT 'caf\xe9';\n")
    refused = refusal(root)
    assert name in refused.sentence
    assert "line 7" in refused.sentence
    assert "UTF-8" in refused.sentence


def test_it_refuses_utf_16_and_says_so(root: Path) -> None:
    spoil(root, FORWARD.encode("utf-16"))
    assert "UTF-16" in refusal(root).sentence


def test_it_refuses_ten_megabytes_without_reading_them_all(root: Path) -> None:
    file = spoil(root, b"")
    with file.open("r+b") as handle:
        handle.truncate(10 * 1024 * 1024)
    refused = refusal(root)
    assert "001_add_note.sql" in refused.sentence
    assert "Split it" in refused.sentence


def test_it_refuses_a_nul_byte(root: Path) -> None:
    spoil(root, BEGINNING + b"SELECT 'a\0b';\n")
    refused = refusal(root)
    assert "001_add_note.sql, line 7" in refused.sentence
    assert "NUL" in refused.sentence


def test_it_refuses_a_syntax_error_with_line_column_and_caret(root: Path) -> None:
    spoil(root, BEGINNING + b"BEGIN;\nALTER TABLE site ADD COLUM note text;\nCOMMIT;\n")
    refused = refusal(root)
    assert "001_add_note.sql, line 8, column" in refused.sentence
    line, caret = refused.details["excerpt"].splitlines()
    assert line == "ALTER TABLE site ADD COLUM note text;"
    assert caret.strip() == "^"
    assert len(caret) == refused.details["column"]


def test_it_counts_the_column_in_characters_not_bytes(root: Path) -> None:
    spoil(root, BEGINNING + "SELECT 'é', 'ü', FROM site WHERE;\n".encode())
    refused = refusal(root)
    line, caret = refused.details["excerpt"].splitlines()
    assert line[len(caret) - 1 :].startswith(("FROM", "WHERE", ";"))


@pytest.mark.parametrize(
    "command",
    [
        r"\connect other",
        r"\copy site from 'sites.csv'",
        r"\set x 1",
        r"\! rm -rf .",
        r"\gexec",
        r"\i ../outside.sql",
        r"\i missing.sql",
    ],
)
def test_it_refuses_a_psql_command(root: Path, command: str) -> None:
    spoil(root, BEGINNING + f"SELECT 1;\n{command}\nSELECT 2;\n".encode())
    refused = refusal(root)
    assert "001_add_note.sql, line 8, column 1" in refused.sentence


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN;\nSELECT 1;\n",
        "SELECT 1;\nCOMMIT;\n",
        "BEGIN;\nSELECT 1;\nROLLBACK;\n",
        "BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;\nCOMMIT;\n",
        "DO $$ BEGIN COMMIT; END $$;\n",
    ],
    ids=["no COMMIT", "no BEGIN", "ROLLBACK", "CHAIN", "COMMIT inside DO"],
)
def test_it_refuses_unbalanced_transaction_control(root: Path, body: str) -> None:
    spoil(root, BEGINNING + body.encode())
    assert "001_add_note.sql, line" in refusal(root).sentence


@pytest.mark.parametrize(
    "body",
    ["BEGIN;\nBEGIN;\nSELECT 1;\nCOMMIT;\nCOMMIT;\n", "BEGIN;\nSAVEPOINT a;\nSELECT 1;\nRELEASE a;\nCOMMIT;\n"],
    ids=["BEGIN in BEGIN", "SAVEPOINT"],
)
def test_it_refuses_nested_transaction_control(root: Path, body: str) -> None:
    spoil(root, BEGINNING + body.encode())
    assert "001_add_note.sql, line 8" in refusal(root).sentence


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", BEGINNING, b"\xef\xbb\xbf"], ids=["no bytes", "blank", "comments", "BOM"]
)
def test_it_refuses_an_empty_file(root: Path, data: bytes) -> None:
    spoil(root, data)
    refused = refusal(root)
    assert "001_add_note.sql" in refused.sentence


def test_it_keeps_windows_line_ends_and_bom_byte_for_byte(root: Path) -> None:
    data = b"\xef\xbb\xbf" + (HEADER.format(number=1) + FORWARD).replace("\n", "\r\n").encode()
    plain = Repository(root).read(1)
    file = spoil(root, data)
    frozen = Repository(root).read(1)
    assert frozen.forward == data == file.read_bytes()
    assert frozen.script_digest != plain.script_digest
    assert frozen.forward_script is not None
    statement = frozen.forward_script.steps[0].statements[0]
    assert data[statement.start : statement.end] == statement.sql.encode() == b"ALTER TABLE site ADD COLUMN note text"
    assert (statement.line, statement.column) == (8, 1)


def test_it_finds_a_rollback_for_a_migration_that_does_not_exist(root: Path) -> None:
    (root / "rollback/007_rollback.sql").write_text("BEGIN;\nSELECT 1;\nCOMMIT;\n", encoding="utf-8")
    found = [finding for finding in Repository(root).findings() if finding.file == "rollback/007_rollback.sql"]
    assert found and found[0].severity in {"error", "critical"}
    assert found[0].message
    with pytest.raises(Refused):
        Repository(root).read(7)


def test_it_refuses_two_files_with_one_number(root: Path) -> None:
    (root / "001_add_remark.sql").write_text(HEADER.format(number=1) + FORWARD, encoding="utf-8")
    found = [finding for finding in Repository(root).findings() if finding.severity in {"error", "critical"}]
    assert {"001_add_note.sql", "001_add_remark.sql"} & {finding.file for finding in found}
    refused = refusal(root)
    assert "001_add_note.sql" in refused.sentence
    assert "001_add_remark.sql" in refused.sentence


@pytest.mark.parametrize("name", ["001_add_note.sql", "rollback/001_rollback.sql", "verify/001_verify.sql"])
def test_it_refuses_a_symlink_out_of_the_folder(root: Path, name: str) -> None:
    outside = root.parent / "outside.sql"
    outside.write_text(HEADER.format(number=1) + FORWARD, encoding="utf-8")
    (root / name).unlink()
    (root / name).symlink_to(outside)
    assert name in refusal(root).sentence


def test_it_refuses_a_folder_that_is_a_symlink_out(root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    (root / "rollback").rename(elsewhere)
    (root / "rollback").symlink_to(elsewhere)
    assert "rollback" in refusal(root).sentence
