"""Creating tables, views and foreign tables, in plain words."""

from __future__ import annotations

from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.columns import bound, column, partitioned, storage, table_rule
from changecontrol.rules.wording.queries import query
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    counted,
    listed,
    name,
    named,
    nouns,
    relation,
    relations,
    unless_there,
)
from changecontrol.rules.wording.written import options

_LIKE = (
    (1, "comments"),
    (2, "compression"),
    (4, "rules"),
    (8, "defaults"),
    (16, "computed columns"),
    (32, "numbering"),
    (64, "indexes"),
    (128, "statistics"),
    (256, "storage"),
)


_FILLING = ("CONSTR_NOTNULL", "CONSTR_PRIMARY")


def table(node: Any) -> Sentence | None:
    """CREATE TABLE with all its columns and rules."""
    parts = [parser.unwrap(each) for each in node.table_elts]
    columns = [each for each in parts if parser.kind_of(each) == "ColumnDef"]
    rules = [parser.unwrap(each) for each in node.constraints]
    rules += [each for each in parts if parser.kind_of(each) == "Constraint"]
    likes = [each for each in parts if parser.kind_of(each) == "TableLikeClause"]
    text = f"Creates {_lasting(node.relation)} {relation(node.relation)}{_place(node)}{unless_there(node)}"
    if node.HasField("of_typename"):
        text += f" with the fields of the type {named(node.of_typename.names)}"
    filled = {key for each in rules if parser.choice(each, "contype") in _FILLING for key in parser.names(each.keys)}
    said = "; ".join(column(each, filled) for each in columns)
    if columns and not node.HasField("partbound") and not node.HasField("of_typename"):
        text += f" with {counted(len(columns), 'column')}: {said}"
    elif columns:
        text += f", with {said}"
    elif not (node.inh_relations or likes or node.HasField("of_typename")):
        text += " without columns"
    return Sentence(f"{text}.{_like(likes)}{_rules(rules)}{_kept(node)}", "schema")


def _rules(rules: list[Any]) -> str:
    said = [text for text in map(table_rule, rules) if text]
    return f" In it, {'; '.join(said)}." if said else ""


def _lasting(target: Any) -> str:
    if target.relpersistence == "t":
        return "the temporary table (it goes with the session)"
    if target.relpersistence == "u":
        return "the empty table (its rows are lost when the server crashes)"
    return "the empty table"


def _place(node: Any) -> str:
    if not node.inh_relations:
        return ""
    if node.HasField("partbound"):
        return f" as the partition of {relations(node.inh_relations)} for {bound(node.partbound)}"
    return f", which inherits the columns of {relations(node.inh_relations)} and is read with it,"


def _like(likes: list[Any]) -> str:
    text = ""
    for each in likes:
        with_it = listed(word for bit, word in _LIKE if each.options & bit)
        text += f" It gets the columns of {relation(each.relation)}{f' with their {with_it}' if with_it else ''}."
    return text


_ON_COMMIT = {
    "ONCOMMIT_DELETE_ROWS": " It is emptied at each commit.",
    "ONCOMMIT_DROP": " It is removed when the step commits.",
}


def _kept(node: Any) -> str:
    text = partitioned(node.partspec) if node.HasField("partspec") else ""
    text += storage(node.options)
    text += f" It lies in the tablespace {name(node.tablespacename)}." if node.tablespacename else ""
    text += f" Its rows are kept by the access method {name(node.access_method)}." if node.access_method else ""
    return text + _ON_COMMIT.get(parser.choice(node, "oncommit"), "")


def foreign_table(node: Any) -> Sentence | None:
    """CREATE FOREIGN TABLE."""
    base = node.base_stmt
    columns = [parser.unwrap(each) for each in base.table_elts if parser.kind_of(parser.unwrap(each)) == "ColumnDef"]
    how = options(node.options)
    text = f"Creates the foreign table {relation(base.relation)}{_place(base)}{unless_there(base)}"
    text += f" with {counted(len(columns), 'column')}: {'; '.join(map(column, columns))}" if columns else ""
    return Sentence(
        f"{text}. Its rows stay on the foreign server {name(node.servername)}{f' ({how})' if how else ''}.", "schema"
    )


_CHECKS = {
    "CASCADED_CHECK_OPTION": " Rows written through it must be visible in it and in the views below it.",
    "LOCAL_CHECK_OPTION": " Rows written through it must be visible in it.",
}


def view(node: Any) -> Sentence | None:
    """CREATE VIEW."""
    words = "Creates or replaces" if node.replace else "Creates"
    titles = nouns("column", (name(each) for each in parser.names(node.aliases))) if node.aliases else ""
    text = f"{words} the {'temporary ' if node.view.relpersistence == 't' else ''}view {relation(node.view)}"
    text += f" with {titles}" if titles else ""
    how = options(node.options)
    text += f", which shows {query(node.query)}. No data is copied."
    text += f" Its settings: {how}." if how else ""
    return Sentence(f"{text}{_CHECKS.get(parser.choice(node, 'with_check_option'), '')}", "schema")


def table_as(node: Any) -> Sentence | None:
    """CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    stored = parser.choice(node, "objtype") == "OBJECT_MATVIEW"
    noun = "materialized view" if stored else "table"
    into = node.into
    text = f"Creates the {noun} {relation(into.rel)}{unless_there(node)}"
    if parser.kind_of(parser.unwrap(node.query)) == "ExecuteStmt":
        return Sentence(f"{text} and fills it from the prepared statement {name(_prepared(node))}.", "data")
    what = query(node.query)
    if into.skip_data:
        return Sentence(f"{text} for {what}, without filling it.{storage(into.options)}", "schema")
    kept = " It stays as it is until it is refreshed." if stored else ""
    return Sentence(f"{text} and fills it with {what}.{kept}{storage(into.options)}", "data")


def _prepared(node: Any) -> str:
    return str(parser.unwrap(node.query).name)


def select_into(node: Any) -> Sentence | None:
    """SELECT … INTO, which is CREATE TABLE AS."""
    return Sentence(f"Creates the table {relation(node.into_clause.rel)} and fills it with {query(node)}.", "data")


def refresh(node: Any) -> Sentence | None:
    """REFRESH MATERIALIZED VIEW."""
    waiting = "while people keep reading it" if node.concurrent else "while its readers wait"
    if node.skip_data:
        return Sentence(
            f"Empties the materialized view {relation(node.relation)}; reading it fails until it is filled again.",
            "data",
        )
    return Sentence(f"Fills the materialized view {relation(node.relation)} anew, {waiting}.", "data")


def schema(node: Any) -> str:
    """CREATE SCHEMA; what it holds is put into words by `summary`."""
    whose = f", owned by {name(node.authrole.rolename)}" if node.HasField("authrole") and node.schemaname else ""
    title = name(node.schemaname or node.authrole.rolename)
    there = " unless it is there already" if node.if_not_exists else ""
    return f"Creates the schema {title}, a folder for tables{whose}{there}."


WORDS: dict[str, Wording] = {
    "CreateForeignTableStmt": foreign_table,
    "CreateStmt": table,
    "CreateTableAsStmt": table_as,
    "RefreshMatViewStmt": refresh,
    "ViewStmt": view,
}
