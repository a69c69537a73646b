"""Changing the type of a column; and how types are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import quoted
from changecontrol.rules.hazards.around import Around, alters_table, commands, definition, relation
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.parser import find, kind_of, names, unwrap

RULES = {
    "change-type": Rule(
        "error",
        "Changing {column} of {table} to {type} writes the table anew, or its indexes, while ACCESS EXCLUSIVE keeps"
        " every reader and writer out.",
        "ALTER TABLE {table} ADD COLUMN {plain}_new {type}; a trigger keeps it in step, a batched step fills it;"
        " release the version that reads it; drop {column} in a later migration.",
        Proof.REWRITE,
    ),
    "change-type-using": Rule(
        "critical",
        "USING computes every value of {column} in {table} anew: what was recorded is replaced by the result of an"
        " expression, and the way back does not know the old values.",
        "Keep {table}.{column}. Add {plain}_new {type} beside it, fill it with a batched step, and let the program read"
        " the new one.",
    ),
}

_SPELLED = {"int2": "smallint", "int4": "integer", "int8": "bigint", "bool": "boolean", "varchar": "varchar",
            "bpchar": "char", "float4": "real", "float8": "double precision"}  # fmt: skip
_SERIAL = ("serial", "serial2", "serial4", "serial8", "smallserial", "bigserial")
_SMALL = ("int2", "int4", "serial", "serial2", "serial4", "smallserial")


def type_name(node: Any) -> str:
    """A type as a person writes it."""
    written = names(node.names)
    if not written:
        return "…"
    base = _SPELLED.get(written[-1], written[-1]) if written[0] == "pg_catalog" else quoted(*written)
    numbers = [str(unwrap(item).ival.ival) for item in node.typmods if kind_of(unwrap(item)) == "A_Const"]
    return base + (f"({', '.join(numbers)})" if numbers else "") + "[]" * len(node.array_bounds)


def is_json(node: Any) -> bool:
    """Whether the type is json, not jsonb."""
    return bool(node.names) and names(node.names)[-1] == "json"


def serial(node: Any) -> bool:
    """Whether the type is serial in one of its sizes."""
    return len(node.names) == 1 and names(node.names)[0] in _SERIAL


def is_small_integer(node: Any) -> bool:
    """Whether the type numbers with 32 bits or fewer."""
    return bool(node.names) and names(node.names)[-1] in _SMALL and not node.array_bounds


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find ALTER COLUMN … TYPE."""
    if not alters_table(node):
        return
    table = relation(node.relation)
    for kind, command in commands(node):
        if kind != "AT_AlterColumnType" or around.is_new(table):
            continue
        column = definition(command)
        said = {
            "table": table,
            "column": quoted(command.name),
            "plain": command.name,
            "type": type_name(column.type_name),
        }
        if is_json(column.type_name):
            yield Hit("json-column", said)
        if column.HasField("raw_default"):
            yield Hit("change-type-using", said)
        elif not _is_wider(table, command.name, column, around):
            yield Hit("change-type", said)


def _is_wider(table: str, name: str, column: Any, around: Around) -> bool:
    """Whether the catalog shows that the new type only takes more than the old one: no rewrite (measured)."""
    known = around.table(table)
    if known is None or name not in known.columns or next(find(column, "CollateClause"), None) is not None:
        return False
    old, new = known.columns[name].type, type_name(column.type_name)
    was = re.fullmatch(r"(character varying|numeric)(?:\((\d+)(?:,(\d+))?\))?", old)
    if old == "text":
        return new in ("text", "varchar")
    if was is None:
        return old == new
    becomes = re.fullmatch(r"(varchar|numeric)(?:\((\d+)(?:, (\d+))?\))?", new)
    if was[1] == "character varying" and new == "text":
        return True
    if becomes is None or (was[1] == "numeric") != (becomes[1] == "numeric"):
        return False
    if becomes[2] is None:
        return True
    return was[2] is not None and int(becomes[2]) >= int(was[2]) and (was[3] or "0") == (becomes[3] or "0")
