"""Columns and constraints in words: type, whether it may be empty, default, checks, keys, references."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from changecontrol.rules import parser, unparser
from changecontrol.rules.wording.words import listed, name, named, relation
from changecontrol.rules.wording.written import expression, options, shown, type_name, value

_ACTIONS = {
    "c": "is deleted too",
    "d": "gets its default value",
    "n": "is emptied",
}
_MATCH = {"f": ", with all of its columns filled or none"}
_STORAGE = {"e": "external", "m": "main", "p": "plain", "x": "extended"}


def column(definition: Any, filled: Collection[str] = ()) -> str:
    """Give "`a` (integer, never empty, `5` unless given)"; `filled` names columns that a key of the table fills."""
    return f"{name(definition.colname)} ({', '.join(_parts(definition, definition.colname in filled))})"


def _parts(definition: Any, filled: bool) -> Iterator[str]:
    rules = [parser.unwrap(each) for each in definition.constraints]
    kinds = [parser.choice(rule, "contype") for rule in rules]
    if definition.HasField("type_name"):
        yield type_name(definition.type_name)
    if definition.HasField("coll_clause"):
        yield f"sorted by {named(definition.coll_clause.collname)}"
    yield "never empty" if filled or _never_empty(kinds, definition) else "may be empty"
    for rule, kind in zip(rules, kinds, strict=True):
        if said := column_rule(rule, kind):
            yield said
    if definition.compression:
        yield f"compressed by {definition.compression}"
    if definition.storage_name or definition.storage:
        yield f"stored {definition.storage_name or _STORAGE.get(definition.storage, definition.storage)}"
    if definition.fdwoptions:
        yield f"with {options(definition.fdwoptions)}"


def _never_empty(kinds: list[str], definition: Any) -> bool:
    keyed = {"CONSTR_NOTNULL", "CONSTR_PRIMARY", "CONSTR_IDENTITY"} & set(kinds)
    return bool(keyed) or _is_serial(definition)


def _is_serial(definition: Any) -> bool:
    return definition.HasField("type_name") and "serial" in type_name(definition.type_name)


def column_rule(rule: Any, kind: str) -> str:
    """Give one constraint of a column; empty for those that say nothing of their own."""
    later = "" if rule.is_enforced or kind not in ("CONSTR_CHECK", "CONSTR_FOREIGN") else ", not enforced"
    if kind == "CONSTR_DEFAULT":
        return f"{expression(rule.raw_expr)} unless given"
    if kind == "CONSTR_IDENTITY":
        return numbered(rule)
    if kind == "CONSTR_GENERATED":
        when = "when read" if rule.generated_kind == "v" else "when written"
        return f"computed as {expression(rule.raw_expr)} {when}"
    if kind == "CONSTR_CHECK":
        return f"always {expression(rule.raw_expr)}{later}"
    if kind == "CONSTR_PRIMARY":
        return "the primary key"
    if kind == "CONSTR_UNIQUE":
        return "no value twice"
    if kind == "CONSTR_FOREIGN":
        return f"must exist in {_referred(rule)}{actions(rule)}{later}"
    return ""


def numbered(rule: Any) -> str:
    """Say how an identity column is numbered."""
    always = ", refusing given numbers" if rule.generated_when == "a" else " unless given"
    how = options(rule.options)
    return f"numbered automatically{always}{f', with {how}' if how else ''}"


def actions(rule: Any) -> str:
    """Say what happens to a row when the row it refers to goes or changes its key."""
    text = _MATCH.get(rule.fk_matchtype, "")
    if rule.fk_del_action in _ACTIONS:
        columns = listed(name(each) for each in parser.names(rule.fk_del_set_cols)) if rule.fk_del_set_cols else ""
        what = "this row" if rule.fk_del_action == "c" else columns or "this value"
        text += f", and when that row is deleted, {what} {_ACTIONS[rule.fk_del_action]}"
    if rule.fk_upd_action in _ACTIONS:
        act = "changes with it" if rule.fk_upd_action == "c" else _ACTIONS[rule.fk_upd_action]
        text += f", and when that key changes, this value {act}"
    return text


def _referred(rule: Any) -> str:
    keys = listed(name(each) for each in parser.names(rule.pk_attrs)) if rule.pk_attrs else ""
    return f"{keys} of {relation(rule.pktable)}" if keys else relation(rule.pktable)


def deferral(rule: Any) -> str:
    """Say that a constraint is looked at late."""
    if rule.initdeferred:
        return " It is checked when a transaction commits."
    return " It can be checked as late as at commit, where a transaction asks for that." if rule.deferrable else ""


def keys(rule: Any) -> str:
    """Give the columns of a key or of a NOT NULL constraint."""
    found = [name(key) for key in parser.names(rule.keys)]
    if rule.without_overlaps:
        found[-1] += " (ranges that may not overlap)"
    return listed(found)


def table_rule(rule: Any) -> str:
    """Give a table constraint as a clause: "no two rows have the same `a`"."""
    kind = parser.choice(rule, "contype")
    later = "" if rule.is_enforced or kind not in ("CONSTR_CHECK", "CONSTR_FOREIGN") else " (not enforced)"
    title = f" (rule {name(rule.conname)})" if rule.conname else ""
    if kind == "CONSTR_CHECK":
        return f"{expression(rule.raw_expr)} always holds{later}{title}"
    if kind == "CONSTR_PRIMARY":
        return f"{keys(rule)} is the primary key{title}"
    if kind == "CONSTR_UNIQUE":
        nulls = ", empty ones included" if rule.nulls_not_distinct else ""
        return f"no two rows have the same {keys(rule)}{nulls}{title}"
    if kind == "CONSTR_FOREIGN":
        return f"{reference(rule)}{later}{title}"
    if kind == "CONSTR_NOTNULL":
        return f"{keys(rule)} is never empty{title}"
    if kind == "CONSTR_EXCLUSION":
        return f"no two rows clash, that is {clash(rule)}{title}"
    return ""


def reference(rule: Any) -> str:
    """Say a foreign key."""
    columns = listed(name(key) for key in parser.names(rule.fk_attrs))
    return f"{columns} must exist in {_referred(rule)}{actions(rule)}"


def clash(rule: Any) -> str:
    """Say when two rows clash under an exclusion constraint."""
    pairs = []
    for each in rule.exclusions:
        element, operators = parser.unwrap(each).items
        inner = parser.unwrap(element)
        what = inner.name or (unparser.written(inner.expr) or "…")
        pairs.append(
            f"{what} {parser.names(operators)[-1]} {f'other.{what}' if inner.name else 'the same of the other'}"
        )
    some = f", among the rows where {expression(rule.where_clause)}" if rule.HasField("where_clause") else ""
    return f"{shown(' AND '.join(pairs))}{some}"


def storage(nodes: Iterable[Any]) -> str:
    """Give WITH (…) of a table or index."""
    said = options(nodes)
    return f" Its storage settings: {said}." if said else ""


def bound(node: Any) -> str:
    """Say which rows a partition holds."""
    if node.is_default:
        return "the rows that fit no other partition"
    if node.strategy == "h":
        return f"the rows whose key leaves the remainder {node.remainder} when hashed and divided by {node.modulus}"
    if node.strategy == "l":
        return f"the rows whose key is {listed((_datum(each) for each in node.listdatums), 'or')}"
    lower, upper = (", ".join(_datum(each) for each in datums) for datums in (node.lowerdatums, node.upperdatums))
    if len(node.lowerdatums) > 1:
        lower, upper = f"({lower})", f"({upper})"
    return f"the rows whose key is at least {lower} and below {upper}"


def _datum(node: Any) -> str:
    words = {"minvalue": "anything", "maxvalue": "no limit"}
    inner = parser.unwrap(node)
    if parser.kind_of(inner) == "ColumnRef":
        return words.get(parser.names(inner.fields)[-1].lower(), expression(inner))
    return expression(inner) if parser.kind_of(inner) != "String" else name(value(inner))


_STRATEGIES = {
    "PARTITION_STRATEGY_HASH": "by a hash of",
    "PARTITION_STRATEGY_LIST": "by the value of",
    "PARTITION_STRATEGY_RANGE": "by ranges of",
}


def partitioned(node: Any) -> str:
    """Say how a table is split into partitions."""
    parts = [parser.unwrap(each) for each in node.part_params]
    over = listed(name(each.name) if each.name else expression(each.expr) for each in parts)
    return f" Its rows are kept in partitions, {_STRATEGIES.get(parser.choice(node, 'strategy'), 'by')} {over}."
