"""Creating tables, and identifiers that PostgreSQL cuts off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import last, quoted
from changecontrol.rules.hazards.around import Around, relation
from changecontrol.rules.hazards.rule import Hit, Rule
from changecontrol.rules.hazards.types import is_json, is_small_integer, type_name
from changecontrol.rules.lexer import TokenKind, significant
from changecontrol.rules.parser import choice, kind_of, names, unwrap

RULES = {
    "create-table-not-repeatable": Rule(
        "error",
        "Run a second time, CREATE TABLE {name} fails where it was half done before: it is not repeatable.",
        "CREATE TABLE IF NOT EXISTS {name} (…); and let the verify script check its columns. Where the ledger alone"
        " decides what runs, give this rule another severity in changecontrol.toml.",
    ),
    "table-without-primary-key": Rule(
        "error",
        "{name} has no primary key: logical replication refuses its UPDATE and DELETE, and no batched step can walk"
        " it.",
        "Add {plain}_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY to {name}.",
    ),
    "integer-primary-key": Rule(
        "error",
        "{column} numbers {name} with {type}: after 2.1 billion rows, or 32,767 for smallint, every INSERT fails.",
        "{column} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    ),
    "identifier-too-long": Rule(
        "error",
        "PostgreSQL keeps 63 bytes of a name: {name} is cut to {cut}, and two names can become the same.",
        "Choose a name of at most 63 bytes.",
    ),
    "unlogged-table": Rule(
        "error",
        "{name} is UNLOGGED: it is empty after a crash, and not on any replica or in any archive of the log.",
        "CREATE TABLE {name} without UNLOGGED.",
    ),
    "inherits": Rule("warning", "{name} inherits from a table in use: queries on the parent read it as well."),
}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find what is wrong with a new table."""
    kind = kind_of(node)
    if kind == "CreateTableAsStmt" and choice(node, "objtype") == "OBJECT_TABLE":
        yield from _copied(relation(node.into.rel), node.into.rel.relpersistence, node.if_not_exists)
    elif kind == "SelectStmt" and node.HasField("into_clause") and not around.inside:
        yield from _copied(relation(node.into_clause.rel), node.into_clause.rel.relpersistence, False)
    elif kind == "CreateStmt" and node.relation.relpersistence != "t":
        yield from _created(node, around)


def _copied(name: str, persistence: str, repeatable: bool) -> Iterator[Hit]:
    if persistence == "t":
        return
    said = {"name": name, "table": name, "plain": last(name)}
    if not repeatable:
        yield Hit("create-table-not-repeatable", said)
    yield Hit("table-without-primary-key", said)


def _created(node: Any, around: Around) -> Iterator[Hit]:
    name = relation(node.relation)
    said = {"name": name, "table": name, "plain": last(name)}
    columns = [one for one in map(unwrap, node.table_elts) if kind_of(one) == "ColumnDef"]
    constraints = [one for one in map(unwrap, node.table_elts) if kind_of(one) == "Constraint"]
    if not node.if_not_exists:
        yield Hit("create-table-not-repeatable", said)
    if node.relation.relpersistence == "u":
        yield Hit("unlogged-table", said)
    keys = [one for one in constraints if choice(one, "contype") == "CONSTR_PRIMARY"]
    keyed = [
        one for one in columns if any(choice(unwrap(item), "contype") == "CONSTR_PRIMARY" for item in one.constraints)
    ]
    borrowed = node.HasField("partbound") or node.HasField("of_typename") or _like_all(node)
    if not keys and not keyed and not borrowed and name not in around.keyed:
        yield Hit("table-without-primary-key", said)
    if node.inh_relations and not node.HasField("partbound"):
        yield Hit("inherits", said)
    alone = tuple(names(keys[0].keys)) if keys else ()
    for column in columns:
        if is_json(column.type_name):
            yield Hit("json-column", {**said, "column": quoted(column.colname)})
        if (column in keyed or alone == (column.colname,)) and is_small_integer(column.type_name):
            yield Hit(
                "integer-primary-key", {**said, "column": quoted(column.colname), "type": type_name(column.type_name)}
            )


def _like_all(node: Any) -> bool:
    """LIKE … INCLUDING INDEXES takes the key along."""
    return any(kind_of(one) == "TableLikeClause" and one.options & 32 for one in map(unwrap, node.table_elts))


def too_long(sql: str) -> Iterator[Hit]:
    """Find the names in a statement's own text that PostgreSQL would cut off; the parser has cut them already."""
    for token in significant(sql.encode("utf-8")):
        if token.kind is TokenKind.WORD or (token.kind is TokenKind.QUOTED and token.text.startswith(b'"')):
            name = token.text.strip(b'"').replace(b'""', b'"')
            if len(name) > 63:
                cut = name[:63].decode("utf-8", "ignore")
                yield Hit("identifier-too-long", {"name": name.decode("utf-8", "replace"), "cut": cut})
