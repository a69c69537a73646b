"""Names that need quotes, reserved words and schemas: every pattern forward and back on a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changecontrol.targets import snapshot
from tests.patterns.series import Place, go, holds, written

TABLE = '"My schema"."Order ""7"""'
SETUP = f"""CREATE SCHEMA "My schema";
CREATE TABLE "My schema".other ("A" int, "B" int, PRIMARY KEY ("A", "B"));
CREATE TABLE {TABLE} ("Key" bigint PRIMARY KEY, "user" text, "Größe" int, "loop" int);
INSERT INTO "My schema".other VALUES (1, 2);
INSERT INTO {TABLE} VALUES (1, 'it''s', 1, 2), (2, NULL, 1, 2), (3, '', NULL, 2);
CREATE TABLE things ();
"""
GIVEN: dict[str, dict[str, Any]] = {
    "add-not-null-column": {
        "column": '"Table"', "type": "text", "key": '"Key"', "comment": "It's a table",
        "expression": """CASE WHEN "user" = '' THEN 'it''s' ELSE coalesce("user", "loop"::text) END""",
    },
    "rename-column": {"column": '"user"', "to": "\"select\"", "type": "text", "key": '"Key"'},
    "change-type": {
        "column": '"Größe"', "to": '"begin"', "from-type": "integer", "type": "numeric(10, 2)", "key": '"Key"',
        "using": 'CASE WHEN "Größe" > 0 THEN "Größe" ELSE 0 END / 2.0', "back": '("begin" * 2)::int',
    },
    "add-foreign-key": {"column": '"Größe", "loop"', "references": '"My schema".other("A", "B")'},
    "add-index": {
        "columns": '"Größe", lower("user") DESC', "unique": "yes", "where": '"Key" < 100', "name": '"My index"',
    },
    "split-table": {
        "to": '"My schema"."End"', "columns": '"user" text, "loop" int', "key": '"Key"', "key-type": "bigint",
        "comment": "Where 'it' ends",
    },
    "drop-column": {"column": '"loop"', "type": "int"},
}  # fmt: skip


@pytest.mark.parametrize("here", [18], indirect=True)
@pytest.mark.parametrize("pattern", GIVEN)
def test_it_goes_forward_and_back(here: Place, tmp_path: Path, pattern: str) -> None:
    here.set_up(SETUP)
    series = written(tmp_path, pattern, {"table": TABLE, **GIVEN[pattern]})
    assert [one.findings for one in series] == [()] * len(series)
    with here.session() as conn:
        before = snapshot.catalog(conn)
        for member in series:
            assert not holds(conn, member)
            go(conn, member, member.forward_script)
            assert holds(conn, member)
        for member in reversed(series):
            go(conn, member, member.rollback_script)
            assert not holds(conn, member)
        assert snapshot.differences(before, snapshot.catalog(conn)).verdict in ("exact", "order_only")
