"""The data of a target as digests: per table a count and a sum over row hashes, whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from changecontrol.rules.refusal import Refused

_PINNED = (
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres';"
    " SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL row_security = off;"
    " SET LOCAL statement_timeout = 0; SET LOCAL search_path = ''"
)

_TABLES_SQL = """
SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attname COLLATE "C"),
  format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('changecontrol', 'pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.deptype = 'e')
GROUP BY 1, 2 ORDER BY 1, 2
"""


class RowsHidden(Refused):
    """The rows of {table} cannot all be read with this login ({reason}), so its data cannot be compared. Use a login
    that owns the table or has BYPASSRLS."""


@dataclass(frozen=True, slots=True)
class TableDigest:
    """`digest` is a 128-bit sum in hex over the md5 of every row, columns by name.

    `columns` are the names in it, sorted. `by_column` maps each column to (values that are not NULL, sum over their
    hashes), and is empty unless asked for.
    """

    rows: int
    digest: str
    columns: tuple[str, ...]
    by_column: dict[str, tuple[int, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for storing."""
        by_column = {name: list(value) for name, value in self.by_column.items()}
        return {"rows": self.rows, "digest": self.digest, "columns": list(self.columns), "by_column": by_column}


def data(
    conn: psycopg.Connection[Any],
    *,
    by_column: bool = False,
    only: Mapping[str, tuple[str, ...]] | None = None,
    tables: Collection[str] | None = None,
) -> dict[str, TableDigest]:
    """Digest every table in one READ ONLY snapshot; keys are names such as `public.sites`, quoted where SQL needs it.

    The result does not depend on row order, column order, or any setting of the session. `only` restricts a table's
    digest to some of its columns, `tables` the digests to some tables. Partitions are tables of their own. Raises
    RowsHidden.
    """
    found: dict[str, TableDigest] = {}
    conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    ending = "ROLLBACK"
    try:
        conn.execute(_PINNED, prepare=False)
        for schema, table, names, name in conn.execute(_TABLES_SQL).fetchall():
            if tables is not None and name not in tables:
                continue
            columns = [column for column in names if only is None or column in only.get(name, names)]
            found[name] = _digest(conn, schema, table, columns, by_column)
        ending = "COMMIT"  # behind a ROLLBACK psycopg forgets what it has prepared
    finally:
        if not conn.closed:
            conn.execute(ending)
    return found


def sequences(conn: psycopg.Connection[Any]) -> dict[str, int | None]:
    """The last value of every sequence, None before its first use. They move even in rolled back transactions."""
    rows = conn.execute(
        "SELECT schemaname || '.' || sequencename, last_value FROM pg_sequences"
        " WHERE schemaname NOT IN ('changecontrol') AND schemaname !~ '^pg_temp'"
    ).fetchall()
    return dict(rows)


def lost(before: Mapping[str, TableDigest], after: Mapping[str, TableDigest]) -> tuple[str, ...]:
    """Sentences for the data of `before` that is not in `after`; () when nothing is lost.

    Best on digests taken with `by_column=True`: then a table that lost a column still shows whether the values of its
    other columns are the same.
    """
    said: list[str] = []
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            said += [f"Table {name} is gone with {_rows(was.rows)}."] if was.rows else []
        elif (now.rows, now.digest, now.columns) != (was.rows, was.digest, was.columns):
            said += _lost_of(name, was, now)
    return tuple(said)


def _lost_of(name: str, was: TableDigest, now: TableDigest) -> list[str]:
    said: list[str] = []
    if now.rows < was.rows:
        said.append(f"Table {name} lost {_rows(was.rows - now.rows)} of {was.rows}.")
    elif now.rows > was.rows:
        said.append(f"Table {name} holds {_rows(now.rows - was.rows)} more than before.")
    for column in was.columns:
        held, digest = was.by_column.get(column, (was.rows, ""))
        if column not in now.columns:
            if held:
                said.append(f"Column {column} of {name} is gone with its {held} values.")
        elif digest and now.rows == was.rows and now.by_column.get(column) != (held, digest):
            left = now.by_column.get(column, (0, ""))[0]
            if left < held:
                said.append(f"Column {column} of {name} lost {held - left} of its {held} values.")
            else:
                said.append(f"Column {column} of {name} holds other values than before.")
    if not said and was.columns == now.columns:
        said.append(f"Table {name} holds other rows than before.")
    return said


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _digest(conn: psycopg.Connection[Any], schema: str, table: str, columns: list[str], by_column: bool) -> TableDigest:
    """One pass over one table. The text of a row value is unambiguous: it quotes, and NULL is not ''."""
    row = sql.SQL("ROW({})::text").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
    parts: list[sql.Composable] = [sql.SQL("count(*)"), *_sums(row)]
    if by_column:
        for column in columns:
            name = sql.Identifier(column)
            parts += [sql.SQL("count({})").format(name), *_sums(sql.SQL("{}::text").format(name))]
    query = sql.SQL("SELECT {} FROM ONLY {}").format(sql.SQL(", ").join(parts), sql.Identifier(schema, table))
    try:
        values = conn.execute(query, prepare=False).fetchone()  # of this one table
    except psycopg.errors.InsufficientPrivilege as error:
        reason = error.diag.message_primary or "permission denied"
        raise RowsHidden(table=f"{schema}.{table}", reason=reason) from None
    assert values is not None  # an aggregate always gives its row
    told = {
        column: (int(values[3 + 3 * i]), _hex(values[4 + 3 * i], values[5 + 3 * i]))
        for i, column in enumerate(columns if by_column else [])
    }
    return TableDigest(int(values[0]), _hex(values[1], values[2]), tuple(columns), told)


def _sums(text: sql.Composable) -> list[sql.Composable]:
    """The two 64-bit halves of md5, summed as numeric, so that no order of rows matters and nothing overflows."""
    half = "sum(('x' || substr(md5({}), {}, 16))::bit(64)::bigint)"
    return [sql.SQL(half).format(text, sql.Literal(start)) for start in (1, 17)]


def _hex(high: Any, low: Any) -> str:
    return f"{int(high or 0) % 2**64:016x}{int(low or 0) % 2**64:016x}"
