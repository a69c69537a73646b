"""Expressions as people give them to a pattern: checked by PostgreSQL's own grammar, rewritten for a trigger's row."""

# writes SQL files for people to read; every name in it is checked and quoted
from __future__ import annotations

import re
from typing import Any

from changecontrol.rules.batches import AGGREGATES
from changecontrol.rules.parser import find, kind_of, parse_one, unwrap
from changecontrol.rules.patterns.names import IDENTIFIER, Name, commented
from changecontrol.rules.refusal import Refused

_DAY, _TIME = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
_MOMENT = rf"(?:{_DAY}[ T])?{_TIME}(?:[+-]\d\d(?::?\d\d)?|Z)"


class BadExpression(Refused):
    """“{value}” cannot be used for {what}: {why}"""


def expression(value: str, what: str) -> str:
    """Check an expression over one row's columns. Raises BadExpression."""
    _tree(value, what)
    return value.strip()


def constant(value: str, what: str) -> str:
    """Check that a value is the same for every row, so that adding it to a column rewrites nothing."""
    node = _tree(value, what)
    for kind in ("ColumnRef", "FuncCall", "SQLValueFunction"):
        if next(find(node, kind), None) is not None:
            why = "only a constant costs no rewrite of the table. Give it as --expression instead."
            raise BadExpression(value=value, what=what, why=why)
    if is_null(value):
        raise BadExpression(value=value, what=what, why="NULL is no value. Leave it out.")
    return value.strip()


def same_everywhere(value: str, type_: str, what: str) -> None:
    """Check that a default means the same in every session: a trigger reads it in that of the writer.

    Raises BadExpression: '2026-01-05' is another moment in another time zone, and 'now' another one each time.
    """
    bare = type_.lower().split("(")[0].split()[0]
    zoned = bare in ("timestamptz", "timetz") or "with time zone" in type_.lower()
    if not (zoned or bare in ("date", "time", "timestamp")):
        return
    moment = _MOMENT if zoned else rf"{_MOMENT}|{_DAY}|{_TIME}|{_DAY}[ T]{_TIME}"
    for node in find(_tree(value, what), "A_Const"):
        if node.HasField("sval") and not re.fullmatch(f"-?infinity|{moment}", node.sval.sval):
            why = "it means another moment in another session. Write it in full, such as '2026-01-05 00:00:00+00'."
            raise BadExpression(value=value, what=what, why=why)


def is_null(value: str) -> bool:
    """Whether an expression is NULL as it stands, or cast to a type."""
    node = parse_one(f"SELECT {value}")
    found = unwrap(unwrap(node.target_list[0]).val) if node is not None else None
    while found is not None and kind_of(found) == "TypeCast":
        found = unwrap(found.arg)
    return found is not None and kind_of(found) == "A_Const" and found.isnull


def columns_of(value: str, what: str) -> list[tuple[tuple[str, ...], str]]:
    """Give (qualifier, column) for every column that an expression names, folded. Raises BadExpression."""
    found = []
    for node in find(_tree(value, what), "ColumnRef"):
        parts = [unwrap(item) for item in node.fields]
        texts = [part.sval for part in parts if kind_of(part) == "String"]
        if len(texts) == len(parts):
            found.append((tuple(texts[:-1]), texts[-1]))
    return found


def columns_in(value: str, what: str) -> list[tuple[int, int, str]]:
    """Give (start, end, column) in bytes for every column that an expression names."""
    prefix = len(_HEAD)
    data = value.strip().encode()
    found = []
    for node in find(_tree(value, what), "ColumnRef"):
        parts = [unwrap(item) for item in node.fields]
        if kind_of(parts[-1]) != "String":
            raise BadExpression(value=value, what=what, why="name each column instead of writing an asterisk.")
        start = node.location - prefix
        match = re.match(rf"{IDENTIFIER}(?:\s*\.\s*{IDENTIFIER})*", data[start:].decode())
        assert match is not None
        found.append((start, start + len(match.group().encode()), parts[-1].sval))
    return sorted(found)


def over_row(value: str, row: str, what: str) -> str:
    """Rewrite an expression so that its columns are those of a row variable: lower(name) becomes lower(NEW.name)."""
    data = value.strip().encode()
    for start, end, column in reversed(columns_in(value, what)):
        data = data[:start] + f"{row}.{Name(column).sql}".encode() + data[end:]
    return data.decode()


def grouped(value: str) -> str:
    """Give an expression so that it can stand beside any operator: in parentheses unless it holds together alone."""
    node = parse_one(f"SELECT {value}")
    inner = unwrap(unwrap(node.target_list[0]).val) if node is not None else None
    alone = ("ColumnRef", "FuncCall", "TypeCast", "A_Const", "CoalesceExpr")
    # PL/pgSQL would take the THEN of a bare CASE for its own
    holds = inner is not None and kind_of(inner) in alone and next(find(inner, "CaseExpr"), None) is None
    return value if holds else f"({value})"


_HEAD = "SELECT (\n"


def _tree(value: str, what: str) -> Any:
    text = value.strip()
    node = parse_one(f"{_HEAD}{text}\n)") if text else None
    bare = parse_one(f"SELECT {text}") if text else None
    if node is None or bare is None or kind_of(node) != "SelectStmt" or commented(text):
        raise BadExpression(value=value, what=what, why="it is no expression of PostgreSQL.")
    if len(node.target_list) != 1 or len(bare.target_list) != 1 or node.from_clause or bare.from_clause:
        raise BadExpression(value=value, what=what, why="it has to be one expression.")
    if next(find(node, "SubLink"), None) is not None:
        raise BadExpression(value=value, what=what, why="a query in it could read other rows. Write it by hand.")
    for call in find(node, "FuncCall"):
        called = str(unwrap(call.funcname[-1]).sval)
        if called in AGGREGATES or call.HasField("over") or call.agg_star or call.agg_order:
            raise BadExpression(value=value, what=what, why=f"{called}() looks at several rows at once.")
    return node
