"""Queries in words: what they show, from where, which rows; and whether they only read."""

from __future__ import annotations

from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.words import listed, name, number, relation
from changecontrol.rules.wording.written import expression

#: Columns named one by one; of more, the count is said.
_MANY = 12
_SETS = {"SETOP_EXCEPT": "without", "SETOP_INTERSECT": "but only those also in", "SETOP_UNION": "together with"}
_LOCKS = {
    "LCS_FORKEYSHARE": "locking these rows against deletion",
    "LCS_FORNOKEYUPDATE": "locking these rows against changes by others",
    "LCS_FORSHARE": "locking these rows against changes",
    "LCS_FORUPDATE": "locking these rows against changes by others",
}
_VALUES = {
    "A_ArrayExpr": "a list",
    "A_Const": "",
    "CaseExpr": "a value chosen by cases",
    "SubLink": "a value from a further query",
}


def sources(node: Any) -> str:
    """Give the relations that a query reads, each once, those of its WITH by the names given there; empty for none."""
    inside = [
        each
        for kind in ("WithClause", "IntoClause")
        for part in parser.find(node, kind)
        for each in parser.find(part, "RangeVar")
    ]
    found = dict.fromkeys(relation(each) for each in parser.find(node, "RangeVar") if not _among(each, inside))
    return listed(found)


def _among(node: Any, others: list[Any]) -> bool:
    return any(node.location == each.location and node.relname == each.relname for each in others)


def query(node: Any) -> str:
    """Say what a query gives: "`a` and `b` from `t`, where `c > 1`"."""
    inner = parser.unwrap(node)
    if parser.kind_of(inner) != "SelectStmt":
        return "what a query gives"
    kind = parser.choice(inner, "op")
    if kind in _SETS:
        return f"{query(inner.larg)}, {_SETS[kind]} {query(inner.rarg)}{_tail(inner)}{_standing(inner)}"
    if inner.values_lists:
        return f"{number(len(inner.values_lists))} row{'s' if len(inner.values_lists) > 1 else ''} of given values"
    text = shown(inner)
    tables = _reads(inner)
    text += f" from {tables}" if tables else ""
    text += f", where {expression(inner.where_clause)}" if inner.HasField("where_clause") else ""
    if inner.group_clause:
        text += f", one row for each {listed(_value(each) or 'of them' for each in inner.group_clause)}"
    text += f", if {expression(inner.having_clause)}" if inner.HasField("having_clause") else ""
    return text + _tail(inner) + _standing(inner)


def _standing(node: Any) -> str:
    """Say what the names given by WITH stand for, where they only read."""
    text = ""
    for each in map(parser.unwrap, node.with_clause.ctes):
        inner = parser.unwrap(each.ctequery)
        if parser.kind_of(inner) == "SelectStmt":
            again = ", again and again until nothing new is found" if node.with_clause.recursive else ""
            text += f", where {name(each.ctename)} stands for ({query(inner)}{again})"
    return text


def _reads(node: Any) -> str:
    tables = sources(node)
    calls = [
        parser.names(call.funcname)
        for each in parser.find(node, "RangeFunction")
        for call in parser.find(each, "FuncCall")
    ]
    return tables or listed(dict.fromkeys(name(*call) for call in calls))


def _tail(node: Any) -> str:
    text = ""
    if node.HasField("limit_count"):
        limit = expression(node.limit_count)
        text += f", at most {limit} rows" if limit != "`NULL`" else ""
    if node.HasField("limit_offset"):
        text += f", behind the first {expression(node.limit_offset)}"
    for each in node.locking_clause:
        text += f", {_LOCKS.get(parser.choice(parser.unwrap(each), 'strength'), 'locking these rows')}"
    return text


def shown(node: Any) -> str:
    """Say which columns a SELECT gives."""
    once = "only different rows of " if node.distinct_clause else ""
    targets = [parser.unwrap(each) for each in node.target_list]
    if not targets:
        return "rows without columns"
    if len(targets) > _MANY:
        return f"{once}{number(len(targets))} columns"
    return once + listed(_target(each) for each in targets)


def _target(target: Any) -> str:
    title = f" as {name(target.name)}" if target.name else ""
    return f"{_value(target.val)}{title}"


def _value(node: Any) -> str:
    inner = parser.unwrap(node)
    if parser.kind_of(inner) == "ColumnRef":
        fields = [parser.unwrap(each) for each in inner.fields]
        if parser.kind_of(fields[-1]) == "A_Star":
            of = name(*parser.names(inner.fields[:-1])) if len(fields) > 1 else ""
            return f"every column of {of}" if of else "every column"
    return _VALUES.get(parser.kind_of(inner)) or expression(inner)
