"""Indexes, statistics and housekeeping, in plain words."""

from __future__ import annotations

from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.columns import storage
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    listed,
    name,
    named,
    relation,
    relations,
    unless_there,
)
from changecontrol.rules.wording.written import expression, given, options, value

_PEOPLE = "while people keep working"


def index(node: Any) -> Sentence | None:
    """CREATE INDEX."""
    over = listed(_element(parser.unwrap(each)) for each in node.index_params)
    waiting = _PEOPLE if node.concurrent else "while writers wait"
    unique = " From then on the same values may not occur twice." if node.unique else ""
    unique = unique.replace("may not", "(empty ones included) may not") if node.nulls_not_distinct else unique
    some = f", for the rows where {expression(node.where_clause)}" if node.HasField("where_clause") else ""
    title = f" {name(node.idxname)}" if node.idxname else ""
    also = listed(name(parser.unwrap(each).name) for each in node.index_including_params)
    also = f", which also holds {also}" if also else ""
    method = f" ({node.access_method})" if node.access_method not in ("", "btree") else ""
    where = f" in the tablespace {name(node.table_space)}" if node.table_space else ""
    only = "" if node.relation.inh else " alone (not of its partitions)"
    return Sentence(
        f"Builds the index{title}{method} over {over} of {relation(node.relation)}{only}{also}{some}{where}"
        f"{unless_there(node)}, {waiting}.{unique}{storage(node.options)}",
        "index",
    )


def _element(part: Any) -> str:
    text = name(part.name) if part.name else expression(part.expr)
    text += f" (sorted by {named(part.collation)})" if part.collation else ""
    text += f" (by {named(part.opclass)})" if part.opclass else ""
    return text + (" downwards" if parser.choice(part, "ordering") == "SORTBY_DESC" else "")


_REINDEX = {
    "REINDEX_OBJECT_DATABASE": "every index of the database",
    "REINDEX_OBJECT_INDEX": "the index",
    "REINDEX_OBJECT_SCHEMA": "every index in the schema",
    "REINDEX_OBJECT_SYSTEM": "the indexes of the system tables of the database",
    "REINDEX_OBJECT_TABLE": "the indexes of",
}


def reindex(node: Any) -> Sentence | None:
    """REINDEX."""
    waiting = _PEOPLE if parser.switched_on(node, "params", "concurrently") else "while writers wait"
    what = relation(node.relation) if node.relation.relname else name(node.name) if node.name else ""
    kind = _REINDEX.get(parser.choice(node, "kind"), "the indexes of")
    there = given(node, "params", "tablespace")
    where = f" in the tablespace {name(there)}" if there else ""
    return Sentence(f"Builds {kind}{' ' if what else ''}{what} anew{where} {waiting}.", "index")


def cluster(node: Any) -> Sentence | None:
    """CLUSTER."""
    if not node.relation.relname:
        return Sentence(
            "Writes every table that has a remembered order anew in that order, while everybody waits.", "data"
        )
    order = f"the index {name(node.indexname)}" if node.indexname else "the index remembered for it"
    return Sentence(f"Writes {relation(node.relation)} anew in the order of {order}, while everybody waits.", "data")


def vacuum(node: Any) -> Sentence | None:
    """VACUUM and ANALYZE."""
    tables = listed(_table(parser.unwrap(each)) for each in node.rels) or "every table"
    how = options(node.options, without=("full", "analyze", "verbose"))
    also = f" Settings: {how}." if how else ""
    counts = (
        ", and counts their values anew for the query planner" if parser.switched_on(node, "options", "analyze") else ""
    )
    if not node.is_vacuumcmd:
        return Sentence(f"Counts values of {tables} anew for the query planner.{also}", "other")
    if parser.switched_on(node, "options", "full"):
        return Sentence(f"Writes {tables} anew without gaps, while everybody waits{counts}.{also}", "data")
    return Sentence(f"Clears away what deleted rows left behind in {tables}, {_PEOPLE}{counts}.{also}", "other")


def _table(node: Any) -> str:
    columns = listed(name(each) for each in parser.names(node.va_cols)) if node.va_cols else ""
    return f"{columns} of {relation(node.relation)}" if columns else relation(node.relation)


_KINDS = {
    "dependencies": "which follow from each other",
    "mcv": "which combinations are frequent",
    "ndistinct": "how many combinations there are",
}


def statistics(node: Any) -> Sentence | None:
    """CREATE STATISTICS."""
    parts = [parser.unwrap(each) for each in node.exprs]
    over = listed(name(part.name) if part.name else expression(part.expr) for part in parts)
    kinds = listed(_KINDS.get(each, each) for each in parser.names(node.stat_types)) if node.stat_types else ""
    title = f" (statistics {named(node.defnames)})" if node.defnames else ""
    how = f": {kinds}" if kinds else ""
    return Sentence(
        f"Lets the query planner watch how {over} of {relations(node.relations)} belong together{how}{title}"
        f"{unless_there(node)}. No row is changed.",
        "other",
    )


def alter_statistics(node: Any) -> Sentence | None:
    """ALTER STATISTICS … SET STATISTICS."""
    level = value(node.stxstattarget) if node.HasField("stxstattarget") else ""
    level = f" (level {level})" if level not in ("", "-1") else " (the usual level)"
    there = ", if there" if node.missing_ok else ""
    return Sentence(
        f"Changes how closely the query planner looks at the statistics {named(node.defnames)}{level}{there}.", "other"
    )


_MODES = {
    1: "against being changed in its form (others may read and write)",
    2: "against being changed in its form (others may read and write)",
    3: "against indexes being built on it (others may read and write)",
    4: "against further maintenance (others may read and write)",
    5: "against writing (others may read)",
    6: "against writing (others may read)",
    7: "against writing (others may read)",
    8: "against everybody else, readers included",
}


def lock(node: Any) -> Sentence | None:
    """LOCK TABLE."""
    at_once = ", and stops if that takes waiting" if node.nowait else ""
    mode = _MODES.get(node.mode, "")
    return Sentence(f"Holds {relations(node.relations)} locked {mode}, until the step commits{at_once}.", "other")


WORDS: dict[str, Wording] = {
    "AlterStatsStmt": alter_statistics,
    "ClusterStmt": cluster,
    "CreateStatsStmt": statistics,
    "IndexStmt": index,
    "LockStmt": lock,
    "ReindexStmt": reindex,
    "VacuumStmt": vacuum,
}
