"""Reading and writing rows, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.deeds import HARMLESS, reads_only
from changecontrol.rules.wording.queries import query, sources
from changecontrol.rules.wording.tables import select_into
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    counted,
    listed,
    lowered,
    name,
    named,
    relation,
    relations,
)
from changecontrol.rules.wording.written import expression, expressions, options, shown

#: Rows of given values shown one by one.
_ROWS = 3
_WRITES = ("DeleteStmt", "InsertStmt", "MergeStmt", "UpdateStmt")


def assignments(targets: Iterable[Any]) -> str:
    """Say what an UPDATE sets: "`a` to `1` and `b` to its default value"."""
    said: list[str] = []
    together: list[str] = []
    for target in map(parser.unwrap, targets):
        inner = parser.unwrap(target.val)
        if parser.kind_of(inner) != "MultiAssignRef":
            said.append(f"{_column(target)} to {given(target.val)}")
            continue
        together.append(_column(target))
        if inner.colno == inner.ncolumns:
            said.append(f"{listed(together)} to the row {expression(inner.source)}")
            together = []
    return listed(said)


def _column(target: Any) -> str:
    below = "".join(
        f".{parser.unwrap(each).sval}" if parser.kind_of(parser.unwrap(each)) == "String" else "[…]"
        for each in target.indirection
    )
    return name(f"{target.name}{below}")


def given(node: Any) -> str:
    """Give a value of INSERT or UPDATE."""
    kind = parser.kind_of(parser.unwrap(node))
    return "its default value" if kind == "SetToDefault" else expression(node)


def _rows_of(node: Any) -> str:
    if not node.HasField("where_clause"):
        return "in every row"
    where = parser.unwrap(node.where_clause)
    if parser.kind_of(where) == "CurrentOfExpr":
        return f"in the row at the cursor {name(where.cursor_name)}"
    return f"in the rows where {expression(where)}"


def first(node: Any) -> str:
    """Say what a WITH does beside the statement itself; empty when there is none."""
    said = []
    for each in map(parser.unwrap, node.with_clause.ctes):
        inner = parser.unwrap(each.ctequery)
        if parser.kind_of(inner) in _WRITES:
            words = WORDS[parser.kind_of(inner)](inner)
            said.append(f"{lowered(words.text)}; {name(each.ctename)} stands for these rows" if words else "")
        elif parser.kind_of(node) != "SelectStmt":
            said.append(f"reads {query(inner)}; {name(each.ctename)} stands for that")
    return "".join(f" For this, it {part}." for part in said if part)


def update(node: Any) -> Sentence | None:
    """UPDATE: which columns of which rows."""
    source = ""
    if node.from_clause:
        tables = listed(dict.fromkeys(sources(parser.unwrap(each)) for each in node.from_clause))
        source = f", with values from {tables}" if tables else ""
    text = f"Sets {assignments(node.target_list)} in {relation(node.relation)}{source}, {_rows_of(node)}."
    return Sentence(text + first(node), "data")


def delete(node: Any) -> Sentence | None:
    """DELETE."""
    table = relation(node.relation)
    source = listed(dict.fromkeys(sources(parser.unwrap(each)) for each in node.using_clause))
    looking = f", looking at {source}" if source else ""
    if not node.HasField("where_clause"):
        every = "every row of" if not source else "each row with a partner of"
        return Sentence(f"Deletes {every} {table}{looking}.{first(node)}", "data")
    where = _rows_of(node).removeprefix("in ").replace(" where ", f" of {table} where ", 1)
    where = where if " of " in where else f"{where} of {table}"
    return Sentence(f"Deletes {where}{looking}.{first(node)}", "data")


def insert(node: Any) -> Sentence | None:
    """INSERT, of rows written in the script or of rows from a query."""
    table = relation(node.relation)
    columns = [name(parser.unwrap(each).name) for each in node.cols]
    clash = _clash(node.on_conflict_clause) if node.HasField("on_conflict_clause") else ""
    also = clash + first(node)
    inner = parser.unwrap(node.select_stmt)
    if parser.kind_of(inner) != "SelectStmt":
        return Sentence(f"Adds one row of default values to {table}.{also}", "data")
    if inner.values_lists:
        return Sentence(
            f"Adds {counted(len(inner.values_lists), 'row')} to {table}: {_values(inner, columns)}.{also}", "data"
        )
    into = f" (into {listed(columns)})" if columns else ""
    return Sentence(f"Adds rows to {table}{into}, one for each that a query finds: {query(inner)}.{also}", "data")


def _values(select: Any, columns: list[str]) -> str:
    said = []
    for each in select.values_lists[:_ROWS]:
        row = [given(item) for item in parser.unwrap(each).items]
        pairs = [f"{one} = {two}" for one, two in zip(columns, row, strict=False)] if columns else row
        said.append(", ".join(pairs))
    more = len(select.values_lists) - _ROWS
    return "; ".join(said) + (f"; and {more} more like these, in the SQL tab" if more > 0 else "")


def _clash(clause: Any) -> str:
    keys = [parser.unwrap(each) for each in clause.infer.index_elems]
    same = listed(name(each.name) if each.name else expression(each.expr) for each in keys)
    which = f" (same {same})" if same else ""
    which = f" (by the rule {name(clause.infer.conname)})" if clause.infer.conname else which
    if parser.choice(clause, "action") == "ONCONFLICT_NOTHING":
        return f" Rows that exist already{which} are left alone."
    where = f", where {expression(clause.where_clause)}" if clause.HasField("where_clause") else ""
    return f" In rows that exist already{which}, sets {assignments(clause.target_list)} instead{where}."


_MATCHES = {
    "MERGE_WHEN_MATCHED": "where a row of both is found",
    "MERGE_WHEN_NOT_MATCHED_BY_SOURCE": "where a row is only in {table}",
    "MERGE_WHEN_NOT_MATCHED_BY_TARGET": "where a row is missing in {table}",
}


def merge(node: Any) -> Sentence | None:
    """MERGE."""
    table = relation(node.relation)
    source = sources(parser.unwrap(node.source_relation)) or "a query"
    branches = []
    for each in map(parser.unwrap, node.merge_when_clauses):
        when = _MATCHES.get(parser.choice(each, "match_kind"), "where").format(table=table)
        only = f" and {expression(each.condition)}" if each.HasField("condition") else ""
        branches.append(f"{when}{only}, {_branch(each)}")
    on = expression(node.join_condition)
    return Sentence(f"Compares {table} with {source} by {on}: {'; '.join(branches)}.{first(node)}", "data")


def _branch(clause: Any) -> str:
    kind = parser.choice(clause, "command_type")
    if kind == "CMD_UPDATE":
        return f"sets {assignments(clause.target_list)}"
    if kind == "CMD_INSERT":
        columns = [name(parser.unwrap(each).name) for each in clause.target_list]
        values = [given(each) for each in clause.values]
        pairs = [f"{one} = {two}" for one, two in zip(columns, values, strict=False)] if columns else values
        return f"adds a row: {', '.join(pairs) or 'default values'}"
    return {"CMD_DELETE": "deletes it", "CMD_NOTHING": "does nothing"}.get(kind, "does something else")


def truncate(node: Any) -> Sentence | None:
    """TRUNCATE."""
    them = "it" if len(node.relations) == 1 else "them"
    also = f" Tables that refer to {them} are emptied too." if parser.choice(node, "behavior") == "DROP_CASCADE" else ""
    only = any(not parser.unwrap(each).inh for each in node.relations)
    also += f" Tables below {them} keep their rows." if only else ""
    also += " Their numbering starts anew." if node.restart_seqs else ""
    return Sentence(f"Deletes every row of {relations(node.relations)} at once.{also}", "data")


def select(node: Any) -> Sentence | None:
    """SELECT: reads, unless it calls functions that we do not know, locks rows, or writes in its WITH."""
    if node.HasField("into_clause"):
        return select_into(node)
    writing = first(node)
    calls = list(dict.fromkeys(_unknown_calls(node)))
    if not calls:
        changes = "" if writing else "; changes nothing" if reads_only(node) else ""
        return Sentence(f"Reads {query(node)}{changes}.{writing}", "data" if writing else "other")
    alone = not node.from_clause and all(_is_call(each) for each in node.target_list)
    does = [KNOWN_CALLS[each] for each in calls if each in KNOWN_CALLS]
    unknown = listed(name(each) for each in calls if each not in KNOWN_CALLS)
    does += [f"does what {unknown} says, which is not part of this statement"] if unknown else []
    return Sentence(f"{'Calls' if alone else 'Reads'} {query(node)}; this {listed(does)}.{writing}", "data")


def _is_call(target: Any) -> bool:
    return parser.kind_of(parser.unwrap(parser.unwrap(target).val)) == "FuncCall"


#: Functions of the server that a migration calls for their effect.
KNOWN_CALLS = {
    "lo_unlink": "deletes a large object",
    "nextval": "takes the next number of a sequence",
    "pg_cancel_backend": "stops what another session is doing",
    "pg_notify": "sends a message to listening programs",
    "pg_sleep": "waits",
    "pg_terminate_backend": "ends another session",
    "set_config": "changes a setting of the session",
    "setval": "sets the next number of a sequence",
}


def _unknown_calls(node: Any) -> Iterator[str]:
    for call in parser.find(node, "FuncCall"):
        title = parser.names(call.funcname)
        if title[-1] not in HARMLESS:
            yield ".".join(part for part in title if part != "pg_catalog")


def copy(node: Any) -> Sentence | None:
    """COPY between a table and a file, a program or the client."""
    place = "a program on the server" if node.is_program else "a file on the server" if node.filename else "the client"
    place += f" ({shown(node.filename)})" if node.filename else ""
    columns = listed(name(each) for each in parser.names(node.attlist)) if node.attlist else ""
    how = options(node.options)
    also = f" Settings: {how}." if how else ""
    of = f"{columns} of " if columns else ""
    if node.is_from:
        where = f", those where {expression(node.where_clause)}" if node.HasField("where_clause") else ""
        into = f" ({columns})" if columns else ""
        return Sentence(f"Adds rows to {relation(node.relation)}{into} from {place}{where}.{also}", "data")
    what = query(node.query) if node.HasField("query") else f"{of or 'the rows of '}{relation(node.relation)}"
    return Sentence(f"Writes to {place}: {what}.{also}", "other")


def call(node: Any) -> Sentence | None:
    """CALL: the procedure's own code decides what happens."""
    given_ = expressions(node.funccall.args)
    with_ = f" with {given_}" if given_ else ""
    return Sentence(
        f"Runs the procedure {named(node.funccall.funcname)}{with_}; what that does is up to the procedure itself.",
        "data",
    )


WORDS: dict[str, Wording] = {
    "CallStmt": call,
    "CopyStmt": copy,
    "DeleteStmt": delete,
    "InsertStmt": insert,
    "MergeStmt": merge,
    "SelectStmt": select,
    "TruncateStmt": truncate,
    "UpdateStmt": update,
}
