r"""Files named with \i and \ir become part of the script, in place, and every statement says where it came from."""

from __future__ import annotations

import pytest

from changecontrol.rules.script import StepKind, needed
from tests.rules.reading import FILE, read, refused, shape


def test_it_puts_included_statements_in_place() -> None:
    sources = {"sources/a.sql": b"\xef\xbb\xbf-- x\nSELECT 2;\n\\ir b.sql\n", "sources/b.sql": b"SELECT 3"}
    script = read("BEGIN;\nSELECT 1;\n\\i sources/a.sql\nSELECT 4;\nCOMMIT;", sources=sources)
    assert shape(script.steps) == [(StepKind.TRANSACTION, ["SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"])]
    assert [(one.source, one.line) for one in script.statements] == [
        (FILE, 2),
        ("sources/a.sql", 2),
        ("sources/b.sql", 1),
        (FILE, 4),
    ]
    second = script.statements[1]
    assert sources["sources/a.sql"][second.start : second.end] == b"SELECT 2"


def test_it_names_what_a_file_includes() -> None:
    data = b"\\i sources/a.sql\n\\ir 'sources/b c.sql'\n-- \\i no.sql\nSELECT '\\i no.sql';\n\\i sources/a.sql\n"
    assert needed(data, file="rollback/002_rollback.sql") == ("sources/a.sql", "rollback/sources/b c.sql")


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("\\i missing.sql", "IncludeMissing"),
        ("\\i ../outside.sql", "IncludeOutside"),
        ("\\i /etc/passwd", "IncludeOutside"),
        ("\\i .git/config", "IncludeOutside"),
        ("\\i", "IncludeUnreadable"),
        ("\\i a.sql b.sql", "IncludeUnreadable"),
        ("\\i :name", "IncludeUnreadable"),
        ("\\i `date`", "IncludeUnreadable"),
        ("\\i self.sql", "IncludeCircle"),
        (f"\\i {FILE}", "IncludeCircle"),
        ("SELECT 1\n\\i one.sql", "IncludeInsideStatement"),
    ],
)
def test_it_refuses_other_includes(sql: str, name: str) -> None:
    sources = {"one.sql": b"SELECT 1;", "self.sql": b"\\i other.sql", "other.sql": b"SELECT 1;\n\\i self.sql"}
    refused(sql, name, sources=sources)


def test_it_names_the_included_file_in_a_refusal() -> None:
    found = refused("SELECT 1;\n\\i a.sql", "SyntaxWrong", sources={"a.sql": b"\nSELEC 1;"})
    assert found.sentence.startswith("a.sql, line 2, column 1:")


def test_it_refuses_endless_nesting() -> None:
    sources = {f"{n}.sql": f"\\i {n + 1}.sql\n".encode() for n in range(20)}
    refused("\\i 0.sql", "IncludeTooDeep", sources=sources)
