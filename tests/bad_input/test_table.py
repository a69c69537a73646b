"""The table in README.md against the tests: each item has one, and each test named there exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: the items of "Bad input", as the issue lists them
ITEMS = (
    "an undecodable file",
    "a file of 10 MB",
    "a NUL byte",
    "a syntax error",
    "a psql meta-command",
    "unbalanced transaction control",
    "nested transaction control",
    "an empty file",
    "Windows line ends and BOM",
    "a rollback for a migration that does not exist",
    "two files with one number",
    "a symlink out of the folder",
    "a target that is down",
    "a wrong password",
    "a wrong database behind a DSN",
    "a full disk on the target",
    "a killed backend",
    "a table locked past the deadline",
)


def table() -> dict[str, list[str]]:
    """Item -> test ids, from the rows of the README."""
    rows = {}
    for line in (Path(__file__).parent / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and "::" in cells[2]:
            rows[cells[0]] = re.findall(r"`([^`]+::[^`]+)`", cells[2])
    return rows


def test_every_item_has_a_row() -> None:
    assert sorted(table()) == sorted(ITEMS)
    assert all(ids for ids in table().values())


def test_every_test_in_the_table_exists() -> None:
    missing = []
    for identifier in {one for ids in table().values() for one in ids}:
        file, *names = identifier.split("::")
        place: ast.AST = (
            ast.parse((ROOT / file).read_text(encoding="utf-8")) if (ROOT / file).is_file() else ast.Module([], [])
        )
        for name in names:
            inside = [node for node in ast.iter_child_nodes(place) if getattr(node, "name", None) == name]
            if not inside:
                missing.append(identifier)
                break
            place = inside[0]
    assert missing == []
