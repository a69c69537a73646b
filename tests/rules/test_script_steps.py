"""Which statements commit together."""

from __future__ import annotations

import json

from changecontrol.rules.script import Direction, StepKind, from_json, to_json
from tests.rules.reading import FILE, read, refused, shape

T, S = StepKind.TRANSACTION, StepKind.SINGLE


def test_it_makes_one_step_of_begin_and_commit() -> None:
    script = read("BEGIN;\nCREATE TABLE a (x int);\nCREATE TABLE b (x int);\nCOMMIT;\n")
    assert shape(script.steps) == [(T, ["CREATE TABLE a (x int)", "CREATE TABLE b (x int)"])]
    assert script.steps[0].begin_sql == "BEGIN"


def test_it_keeps_the_options_of_begin_verbatim() -> None:
    script = read("BEGIN ISOLATION LEVEL  SERIALIZABLE; SELECT 1; COMMIT; START TRANSACTION READ ONLY; SELECT 2; END;")
    assert [step.begin_sql for step in script.steps] == [
        "BEGIN ISOLATION LEVEL  SERIALIZABLE",
        "START TRANSACTION READ ONLY",
    ]


def test_it_makes_one_step_of_a_script_without_begin() -> None:
    assert shape(read("SELECT 1; SELECT 2;").steps) == [(T, ["SELECT 1", "SELECT 2"])]


def test_it_keeps_the_order_of_mixed_scripts() -> None:
    script = read("SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3; SELECT 4; BEGIN; SELECT 5; COMMIT; SELECT 6")
    assert shape(script.steps) == [
        (T, ["SELECT 1"]),
        (T, ["SELECT 2"]),
        (T, ["SELECT 3", "SELECT 4"]),
        (T, ["SELECT 5"]),
        (T, ["SELECT 6"]),
    ]
    assert [step.number for step in script.steps] == [1, 2, 3, 4, 5]
    assert [statement.number for statement in script.statements] == [1, 2, 3, 4, 5, 6]


def test_it_makes_single_steps_of_what_cannot_run_in_a_transaction() -> None:
    alone = [
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX (CONCURRENTLY) TABLE t",
        "REINDEX SCHEMA s",
        "VACUUM t",
        "VACUUM (FULL) t",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    ]
    for sql in alone:
        script = read(f"SELECT 1; SELECT 2; {sql}; SELECT 3;")
        assert shape(script.steps) == [(T, ["SELECT 1", "SELECT 2"]), (S, [sql]), (T, ["SELECT 3"])]
        assert script.steps[1].begin_sql == ""
        found = refused(f"BEGIN;\n{sql};\nCOMMIT;", "NotInTransaction")
        assert found.details["line"] == 2


def test_it_keeps_analyze_and_plain_reindex_in_the_transaction() -> None:
    assert [step.kind for step in read("BEGIN; ANALYZE t; REINDEX TABLE t; COMMIT;").steps] == [T]


def test_it_gives_a_new_enum_value_a_transaction_of_its_own() -> None:
    script = read(
        "SELECT 1; ALTER TYPE e ADD VALUE 'x'; ALTER TYPE e RENAME VALUE 'a' TO 'b'; INSERT INTO t VALUES ('x');"
    )
    assert shape(script.steps)[:2] == [(T, ["SELECT 1"]), (T, ["ALTER TYPE e ADD VALUE 'x'"])]
    assert len(script.steps) == 3
    assert len(read("BEGIN; ALTER TYPE e ADD VALUE 'x'; SELECT 1; COMMIT;").steps) == 1


def test_it_counts_bytes_lines_and_characters() -> None:
    data = "\ufeff-- prüfen\r\nSELECT 'é'; /* ü */ SELECT 2 -- Ende\r\n;\r\n".encode()
    first, second = read(data).statements
    assert data[first.start : first.end].decode() == first.sql == "SELECT 'é'"
    assert data[second.start : second.end].decode() == second.sql == "SELECT 2"
    assert (first.line, first.column) == (2, 1)
    assert (second.line, second.column) == (2, 21)
    assert first.source == FILE


def test_it_keeps_windows_line_ends_inside_statements() -> None:
    assert read(b"SELECT\r\n1;\r\n").statements[0].sql == "SELECT\r\n1"


def test_it_reads_functions_with_semicolons_inside() -> None:
    atomic = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"
    rule = "CREATE RULE r AS ON DELETE TO t DO INSTEAD (INSERT INTO a VALUES (1); DELETE FROM b)"
    assert shape(read(f"{atomic}; {rule};").steps) == [(T, [atomic, rule])]


def test_it_reads_a_verify_script_as_one_read_only_transaction() -> None:
    script = read("SELECT true AS ok; DO $$ BEGIN RAISE EXCEPTION 'no'; END $$;", direction=Direction.VERIFY)
    assert [(step.begin_sql, len(step.statements)) for step in script.steps] == [("BEGIN READ ONLY", 2)]


def test_it_gives_back_an_equal_script_from_json() -> None:
    script = read(
        "-- Rollback: lossy, b is lost\n-- Note: x\n-- changecontrol: batch key=id size=10\n"
        "UPDATE t SET a = 1 WHERE a IS NULL;\nSET x = 1; VACUUM t;"
    )
    assert from_json(json.loads(json.dumps(to_json(script)))) == script
