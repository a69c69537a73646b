"""Pieces of SQL that several patterns share. Each gives whole statements, blank lines between them."""

# ruff: noqa: S608  # writes SQL files for people to read; every name in it is checked and quoted
from __future__ import annotations

import re

from changecontrol.rules.patterns import expressions
from changecontrol.rules.patterns.names import Name, Table, literal, without_collation

#: types whose = tells every two values apart; others are compared as text, where 1.0 and 1.00 differ
_PLAIN = frozenset(
    {
        *("smallint", "integer", "int", "bigint", "int2", "int4", "int8", "boolean", "bool", "uuid", "bytea"),
        *("text", "varchar", "character varying", "date", "timestamp", "timestamptz"),
        *("timestamp with time zone", "timestamp without time zone"),
    }
)


def block(*statements: str) -> str:
    """One transaction."""
    return "\n\n".join(["BEGIN;", *(one for one in statements if one), "COMMIT;"])


def join(*parts: str) -> str:
    """Steps one after the other."""
    return "\n\n".join(part for part in parts if part)


def comment_on(kind: str, name: str, text: str) -> str:
    """COMMENT ON, or nothing without a text."""
    if not text:
        return ""
    line = f"COMMENT ON {kind} {name} IS {literal(text)};"
    return line if len(line) <= 120 else f"COMMENT ON {kind} {name} IS\n    {literal(text)};"


def comparable(value: str, type_: str) -> str:
    """The value in a form in which IS DISTINCT FROM sees every difference."""
    if type_.partition("(")[0].strip().lower() in _PLAIN:
        return expressions.grouped(value)
    text = f"{value}::text" if re.fullmatch(r'[\w."]+', value) else f"({value})::text"
    # a collation may call different texts equal
    return text if without_collation(type_) == type_ else f'{text} COLLATE "C"'


def require(table: Table, column: Name) -> str:
    """Make a column required without reading the table while nobody can use it."""
    check = table.beside(column.text, "present").name.sql
    return join(
        block(f"ALTER TABLE {table.sql}\n    ADD CONSTRAINT {check} CHECK ({column.sql} IS NOT NULL) NOT VALID;"),
        block(f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT {check};"),
        block(
            f"ALTER TABLE {table.sql} ALTER COLUMN {column.sql} SET NOT NULL;",
            f"ALTER TABLE {table.sql} DROP CONSTRAINT {check};",
        ),
    )


def no_longer_required(table: Table, column: Name) -> str:
    """The way back of `require`, from wherever it stopped."""
    check = table.beside(column.text, "present").name.sql
    return block(
        f"ALTER TABLE {table.sql} DROP CONSTRAINT IF EXISTS {check};",
        f"ALTER TABLE {table.sql} ALTER COLUMN {column.sql} DROP NOT NULL;",
    )


REQUIRE_BACK_NOTE = (
    "IF EXISTS, because after a complete run the check is gone already, and after a run that stopped halfway it is "
    "still there."
)


def is_required(table: Table, column: Name) -> str:
    """Verify `require`."""
    check = table.beside(column.text, "present").name.text
    return join(
        f"""SELECT 'a value is required' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = {table.regclass}
              AND attname = {literal(column.text)}
              AND attnotnull
       ) AS ok;""",
        f"""SELECT 'the helping check is gone' AS name,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = {table.regclass}
              AND conname = {literal(check)}
       ) AS ok;""",
    )


def has_column(table: Table, column: Name, type_: str) -> str:
    """Verify that a column exists with its type."""
    return f"""SELECT 'the column exists with its type' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = {table.regclass}
              AND attname = {literal(column.text)}
              AND atttypid = {literal(without_collation(type_))}::regtype
              AND NOT attisdropped
       ) AS ok;"""


def lacks_column(table: Table, column: Name) -> str:
    """Verify that a column is gone while its table is there."""
    return f"""SELECT {literal(f"{column.text} is gone")} AS name,
       {table.regclass} IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = {table.regclass}
              AND attname = {literal(column.text)}
              AND NOT attisdropped
       ) AS ok;"""


def has_trigger(table: Table, trigger: Name, *, there: bool = True, what: str = "keeps both equal") -> str:
    """Verify that a trigger fires, or is gone."""
    said = f"the trigger that {what} fires" if there else f"the trigger that {what} is gone"
    enabled = "\n              AND tgenabled = 'O'" if there else ""
    return f"""SELECT '{said}' AS name,
       {"" if there else "NOT "}EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = {table.regclass}
              AND tgname = {literal(trigger.text)}{enabled}
       ) AS ok;"""


def nothing_left(table: Table, condition: str, said: str) -> str:
    """Verify that no row of a table matches a condition."""
    return f"""SELECT '{said}' AS name,
       NOT EXISTS (SELECT FROM {table.sql} WHERE {condition}) AS ok;"""


def trigger_function(name: Table, body: str, comment: str, *, definer: bool = False, expressions: bool = False) -> str:
    """CREATE FUNCTION for a trigger, its search path pinned.

    With `expressions` of the author's in it, types and functions are found as well that live beside the table: what
    the batches call without a schema has to mean the same in the trigger.
    """
    beside = [name.schema.sql if name.schema else "public", "public"] if expressions else []
    path = ", ".join(dict.fromkeys(["pg_catalog", *beside, "pg_temp"]))
    security = "\nSECURITY DEFINER" if definer else ""
    text = f"""CREATE FUNCTION {name.sql}() RETURNS trigger
LANGUAGE plpgsql{security}
SET search_path = {path}
AS $$
{body}
$$;"""
    # Whoever may execute a trigger function may hang it on a table of their own; with the rights of its owner it would
    # write for them.
    revoked = f"REVOKE EXECUTE ON FUNCTION {name.sql}() FROM PUBLIC;" if definer else ""
    return join(text, comment_on("FUNCTION", f"{name.sql}()", comment), revoked)
