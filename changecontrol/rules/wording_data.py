"""Reading and writing rows, and housekeeping, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.deeds import reads_only
from changecontrol.rules.wording import Sentence, clause, counted, listed, name, relation


def update(node: Any, sql: str) -> Sentence | None:
    """UPDATE: which columns of which rows."""
    if node.HasField("with_clause"):
        return None
    columns = listed(dict.fromkeys(name(parser.unwrap(target).name) for target in node.target_list))
    source = ""
    if node.from_clause:
        tables = listed(dict.fromkeys(relation(each) for part in node.from_clause for each in _tables(part)))
        source = f", from {tables}" if tables else ""
    return Sentence(f"Changes {columns} in {relation(node.relation)}{source}, {_rows(node, sql)}.", "data")


def _tables(node: Any) -> list[Any]:
    return list(parser.find(parser.unwrap(node), "RangeVar"))


def _rows(node: Any, sql: str) -> str:
    if not node.HasField("where_clause"):
        return "in every row"
    return f"in the rows where {clause(sql, 'WHERE', 'RETURNING')}"


def delete(node: Any, sql: str) -> Sentence | None:
    """DELETE."""
    if node.HasField("with_clause"):
        return None
    table = relation(node.relation)
    if not node.HasField("where_clause"):
        return Sentence(f"Deletes every row of {table}.", "data")
    return Sentence(f"Deletes the rows of {table} where {clause(sql, 'WHERE', 'RETURNING')}.", "data")


def insert(node: Any, sql: str) -> Sentence | None:
    """INSERT, of rows written in the script or of rows from a query."""
    if node.HasField("with_clause"):
        return None
    table = relation(node.relation)
    query = parser.unwrap(node.select_stmt)
    clash = ""
    if node.HasField("on_conflict_clause"):
        skips = parser.choice(node.on_conflict_clause, "action") == "ONCONFLICT_NOTHING"
        clash = " Rows that exist already are left alone." if skips else " Rows that exist already are changed instead."
    if parser.kind_of(query) != "SelectStmt":
        return Sentence(f"Adds one row of default values to {table}.{clash}", "data")
    if query.values_lists:
        return Sentence(f"Adds {counted(len(query.values_lists), 'row')} to {table}.{clash}", "data")
    sources = listed(dict.fromkeys(relation(each) for each in parser.find(query, "RangeVar")))
    calls = [parser.names(call.funcname) for each in parser.find(query, "RangeFunction") for call in _calls(each)]
    sources = sources or listed(dict.fromkeys(name(*call) for call in calls))
    return Sentence(f"Adds rows to {table}, one for each that a query finds{_from(sources)}.{clash}", "data")


def _calls(node: Any) -> list[Any]:
    return list(parser.find(node, "FuncCall"))


def _from(sources: str) -> str:
    return f" in {sources}" if sources else ""


_MERGES = {
    "CMD_DELETE": "deletes rows",
    "CMD_INSERT": "adds rows",
    "CMD_NOTHING": "leaves rows alone",
    "CMD_UPDATE": "changes rows",
}


def merge(node: Any, sql: str) -> Sentence | None:
    """MERGE."""
    branches = (parser.choice(each, "command_type") for each in parser.find(node, "MergeWhenClause"))
    acts = listed(dict.fromkeys(_MERGES.get(branch, "does something else") for branch in branches))
    return Sentence(f"Compares {relation(node.relation)} with a query, row by row, and {acts}.", "data")


def truncate(node: Any, sql: str) -> Sentence | None:
    """TRUNCATE."""
    tables = listed(relation(parser.unwrap(each)) for each in node.relations)
    them = "it" if len(node.relations) == 1 else "them"
    also = f" Tables that refer to {them} are emptied too." if parser.choice(node, "behavior") == "DROP_CASCADE" else ""
    return Sentence(f"Deletes every row of {tables} at once.{also}", "data")


def select(node: Any, sql: str) -> Sentence | None:
    """SELECT without functions that we do not know: it only reads."""
    if not reads_only(node):
        return None
    tables = listed(dict.fromkeys(relation(each) for each in parser.find(node, "RangeVar")))
    return Sentence(f"Reads {tables or 'settings of the server'}; changes nothing.", "other")


def copy(node: Any, sql: str) -> Sentence | None:
    """COPY from and to a file of the server."""
    if node.is_program or not node.filename or not node.relation.relname:
        return None
    if node.is_from:
        return Sentence(f"Adds rows to {relation(node.relation)} from a file on the server.", "data")
    return Sentence(f"Writes the rows of {relation(node.relation)} to a file on the server.", "other")


def lock(node: Any, sql: str) -> Sentence | None:
    """LOCK TABLE."""
    tables = listed(relation(parser.unwrap(each)) for each in node.relations)
    return Sentence(f"Holds {tables} locked until the step commits.", "other")


def vacuum(node: Any, sql: str) -> Sentence | None:
    """VACUUM and ANALYZE."""
    tables = listed(relation(parser.unwrap(each).relation) for each in node.rels) or "every table"
    if not node.is_vacuumcmd:
        return Sentence(f"Counts values of {tables} anew for the planner.", "other")
    if parser.option(node, "options", "full"):
        return Sentence(f"Writes {tables} anew without gaps, while everybody waits.", "data")
    return Sentence(f"Clears away what deleted rows left behind in {tables}, while people keep working.", "other")


def cluster(node: Any, sql: str) -> Sentence | None:
    """CLUSTER."""
    if not node.relation.relname:
        return None
    return Sentence(f"Writes {relation(node.relation)} anew in the order of an index, while everybody waits.", "data")


def refresh(node: Any, sql: str) -> Sentence | None:
    """REFRESH MATERIALIZED VIEW."""
    waiting = "while people keep reading it" if node.concurrent else "while its readers wait"
    return Sentence(f"Fills the materialized view {relation(node.relation)} anew, {waiting}.", "data")


WORDS: dict[str, Callable[[Any, str], Sentence | None]] = {
    "ClusterStmt": cluster,
    "CopyStmt": copy,
    "DeleteStmt": delete,
    "InsertStmt": insert,
    "LockStmt": lock,
    "MergeStmt": merge,
    "RefreshMatViewStmt": refresh,
    "SelectStmt": select,
    "TruncateStmt": truncate,
    "UpdateStmt": update,
    "VacuumStmt": vacuum,
}
