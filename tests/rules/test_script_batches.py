"""From one statement and its instruction to the bounded statements that are sent."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from changecontrol.rules.script import Batch, StepKind
from tests.rules.reading import read, refused

WISH = "-- changecontrol: batch key=id size=100\n"


def batch(sql: str, wish: str = WISH) -> Batch:
    (step,) = read(f"{wish}{sql};").steps
    assert step.kind is StepKind.BATCHED
    assert step.statements[0].sql == sql
    assert step.batch is not None
    return step.batch


def test_it_bounds_an_update_and_keeps_its_text() -> None:
    built = batch("UPDATE s.t AS a SET b = 'WHERE' FROM o WHERE o.id = a.id -- why\n OR a.b IS NULL")
    assert built.bounded_sql == (
        "UPDATE s.t AS a SET b = 'WHERE' FROM o WHERE "
        '("a"."id" > $1 OR $1 IS NULL) AND "a"."id" <= $2 AND (\no.id = a.id -- why\n OR a.b IS NULL\n)'
    )
    assert built.count_sql == "SELECT count(*) FROM s.t AS a\n, o\nWHERE (\no.id = a.id -- why\n OR a.b IS NULL\n)"
    assert (built.table, built.key, built.size, built.expect_positive) == ("s.t", "id", 100, False)


def test_it_bounds_a_delete() -> None:
    built = batch("DELETE FROM ONLY t USING u WHERE u.id = t.id", "-- changecontrol: batch size=7 key=id expect>0\n")
    assert built.bounded_sql == (
        'DELETE FROM ONLY t USING u WHERE ("t"."id" > $1 OR $1 IS NULL) AND "t"."id" <= $2 AND (\nu.id = t.id\n)'
    )
    assert (built.size, built.expect_positive) == (7, True)


def test_it_bounds_an_insert_by_the_table_it_reads() -> None:
    built = batch(
        "INSERT INTO d (x) SELECT a.x FROM s.t a LEFT JOIN b ON b.id = a.id WHERE a.y "
        "ON CONFLICT (x) WHERE x > 1 DO NOTHING",
        '-- changecontrol: batch key=a."Id" size=100\n',
    )
    assert built.bounded_sql == (
        "INSERT INTO d (x) SELECT a.x FROM s.t a LEFT JOIN b ON b.id = a.id WHERE "
        '("a"."Id" > $1 OR $1 IS NULL) AND "a"."Id" <= $2 AND (\na.y\n)\nON CONFLICT (x) WHERE x > 1 DO NOTHING'
    )
    assert (built.table, built.key) == ("s.t", "Id")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = b IS DISTINCT FROM c WHERE a IS NULL",
        "UPDATE t SET a = (SELECT x FROM u WHERE u.id = t.id) WHERE a IS NULL OR b",
        "UPDATE t * SET a = 1 where /* WHERE */ not a",
        'UPDATE "My t" u SET a = u.b WHERE a AND b AND c',
        "DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)",
        "INSERT INTO d SELECT x IS DISTINCT FROM y FROM t WHERE NOT EXISTS (SELECT 1 FROM d)",
    ],
)
def test_it_bounds_statements_that_mislead(sql: str) -> None:
    assert batch(sql).bounded_sql.count("$2") == 1


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("UPDATE t SET a = 1", "WHERE"),
        ("DELETE FROM t", "WHERE"),
        ("INSERT INTO d SELECT x FROM t", "WHERE"),
        ("UPDATE t SET id = 1 WHERE a", "key"),
        ("UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t LIMIT 5)", "LIMIT"),
        ("UPDATE t SET a = $1 WHERE a", "$1"),
        ("UPDATE t SET a = 1 WHERE CURRENT OF c", "cursor"),
        ("DELETE FROM t WHERE a RETURNING *", "RETURNING"),
        ("WITH x AS (SELECT 1) DELETE FROM t WHERE a", "WITH"),
        ("INSERT INTO d SELECT count(*) FROM t WHERE a", "count()"),
        ("INSERT INTO d SELECT row_number() OVER () FROM t WHERE a", "row_number()"),
        ("INSERT INTO d SELECT a FROM t WHERE a GROUP BY a", "GROUP BY"),
        ("INSERT INTO d SELECT DISTINCT a FROM t WHERE a", "DISTINCT"),
        ("INSERT INTO d SELECT a FROM t WHERE a ORDER BY a", "ORDER BY"),
        ("INSERT INTO d (SELECT a FROM t WHERE a)", "parentheses"),
        ("INSERT INTO d SELECT a FROM t, u WHERE a", "key=alias.column"),
        ("INSERT INTO d SELECT 1 FROM t AS x (id) WHERE true", "alias"),
        ("INSERT INTO t SELECT id + 1000 FROM t WHERE id > 0", "reads the table that it fills"),
        ("INSERT INTO d SELECT jsonb_object_agg(a, b) FROM t WHERE a > 0", "jsonb_object_agg()"),
    ],
)
def test_it_refuses_what_cannot_be_cut_safely(sql: str, word: str) -> None:
    found = refused(f"{WISH}{sql};", "CannotBound")
    assert word in found.details["why"]
    assert found.details["line"] == 2


def test_it_refuses_a_key_that_an_outer_join_can_leave_empty() -> None:
    wish = "-- changecontrol: batch key=b.id size=5\n"
    refused(f"{wish}INSERT INTO d SELECT 1 FROM a LEFT JOIN b ON b.x = a.x WHERE true", "CannotBound")
    batch("INSERT INTO d SELECT 1 FROM a RIGHT JOIN b ON b.x = a.x WHERE true", wish)


@pytest.mark.parametrize("sql", ["SELECT 1", "INSERT INTO t VALUES (1)", "VACUUM t", "CREATE TABLE t (x int)", "BEGIN"])
def test_it_refuses_other_statements(sql: str) -> None:
    refused(f"{WISH}{sql};", "NotBatchable")


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        (f"BEGIN;\n{WISH}DELETE FROM t WHERE a;\nCOMMIT;", "BatchInsideTransaction"),
        (f"SELECT 1;\n{WISH}", "DirectiveWithoutStatement"),
        (f"{WISH}{WISH}DELETE FROM t WHERE a;", "TwoDirectives"),
        (f"SELECT 1; {WISH}DELETE FROM t WHERE a;", "DirectiveNotAlone"),
        (f"DELETE FROM t\n{WISH}WHERE a;", "DirectiveNotAlone"),
        ("-- changecontrol: batch key=id\nDELETE FROM t WHERE a;", "UnknownDirective"),
        ("-- changecontrol: batch key=id size=5 [expect>0]\nDELETE FROM t WHERE a;", "UnknownDirective"),
        ("-- changecontrol: batch key=id key=id size=5\nDELETE FROM t WHERE a;", "UnknownDirective"),
        ("-- changecontrol: batch key=id; size=5\nDELETE FROM t WHERE a;", "UnknownDirective"),
        ("-- ChangeControl: skip\nDELETE FROM t WHERE a;", "UnknownDirective"),
        ("-- changecontrol: batch key=id size=0\nDELETE FROM t WHERE a;", "BadSize"),
        ("-- changecontrol: batch key=id size=99999999999999999999\nDELETE FROM t WHERE a;", "BadSize"),
    ],
)
def test_it_refuses_misplaced_and_unknown_instructions(sql: str, name: str) -> None:
    refused(sql, name)


def walk(connection: psycopg.Connection[Any], built: Batch) -> tuple[int, int]:
    """Do what the runner does: ask for the next bound, send the range, go on. Rows changed, batches sent."""
    cursor = psycopg.RawCursor(connection)
    lower: Any = None
    rows = batches = 0
    while True:
        (upper,) = cursor.execute(built.bound_sql, (lower, built.size), prepare=False).fetchone()  # type: ignore[misc]
        if upper is None:
            return rows, batches
        (expected,) = cursor.execute(built.range_count_sql, (lower, upper), prepare=False).fetchone()  # type: ignore[misc]
        changed = cursor.execute(built.bounded_sql, (lower, upper), prepare=False).rowcount
        assert changed == expected
        lower, rows, batches = upper, rows + changed, batches + 1


def test_it_covers_every_row_once_on_a_real_server(servers: Any) -> None:
    with psycopg.connect(servers.database.owner_url) as connection:
        connection.execute(
            "CREATE TEMP TABLE t (id bigint PRIMARY KEY, u uuid DEFAULT gen_random_uuid(), a int, b text)"
        )
        connection.execute("CREATE TEMP TABLE d (u uuid)")
        connection.execute("INSERT INTO t (id, a) SELECT n * 3, n FROM generate_series(-500, 499) AS n")
        wishes = {
            "UPDATE t SET b = 'x' WHERE b IS NULL": (1000, "id"),
            "INSERT INTO d SELECT t.u FROM t WHERE NOT EXISTS (SELECT 1 FROM d WHERE d.u = t.u)": (1000, "u"),
            "DELETE FROM t WHERE a % 2 = 0": (500, "id"),
        }
        for sql, (rows, key) in wishes.items():
            built = batch(sql, f"-- changecontrol: batch key={key} size=100\n")
            assert walk(connection, built) == (rows, 10)
            assert connection.execute(built.count_sql.encode()).fetchone() == (0,)
        connection.rollback()


def test_it_reads_the_keys_index_on_both_sides_of_a_range(servers: Any) -> None:
    with psycopg.connect(servers.database.owner_url) as connection:
        connection.execute("CREATE TEMP TABLE t (id bigint PRIMARY KEY, b text)")
        connection.execute("INSERT INTO t SELECT n FROM generate_series(1, 20000) AS n")
        connection.execute("ANALYZE t")
        built = batch("UPDATE t SET b = 'x' WHERE b IS NULL")
        cursor = psycopg.RawCursor(connection)
        lines = cursor.execute("EXPLAIN " + built.bounded_sql, (5000, 5100), prepare=False).fetchall()
        plan = "\n".join(row[0] for row in lines)
        assert "Index Cond: ((id > '5000'" in plan and "(id <= '5100'" in plan
        connection.rollback()


@pytest.mark.parametrize("wish", ["batch size=100", "batch key=ctid size=100", "batch size=100 key=a.CTID duty=50"])
def test_without_a_key_it_walks_along_blocks(wish: str) -> None:
    built = batch('UPDATE s."T x" AS a SET b = 1 WHERE b IS NULL', f"-- changecontrol: {wish}\n")
    assert built.bounded_sql == (
        'UPDATE s."T x" AS a SET b = 1 WHERE ("a"."ctid" > $1 OR $1 IS NULL) AND "a"."ctid" <= $2 AND (\nb IS NULL\n)'
    )
    assert '\'"s"."T x"\'::regclass' in built.bound_sql and "$" not in built.bound_sql
    assert (built.key, built.duty) == ("ctid", 50 if "duty" in wish else 100)


def test_rows_are_not_copied_by_their_places() -> None:
    problem = refused("-- changecontrol: batch size=100\nINSERT INTO d SELECT a FROM t WHERE a;", "CannotBound")
    assert "a row that is changed meanwhile moves" in problem.sentence


@pytest.mark.parametrize("duty", ["0", "101", "9999"])
def test_the_share_of_time_is_a_percentage(duty: str) -> None:
    problem = refused(f"-- changecontrol: batch key=id size=100 duty={duty}\nDELETE FROM t WHERE a;", "BadDuty")
    assert "from 1 to 100 percent" in problem.sentence
