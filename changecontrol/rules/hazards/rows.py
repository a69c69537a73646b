"""Rows that a script writes itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import quoted
from changecontrol.rules.hazards.around import Around, relation
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.parser import choice, find, kind_of, names, unwrap

_BATCH = (
    "-- changecontrol: batch key=… size=1000 before the statement: the runner commits range by range and goes on where"
    " it was cut off."
)

RULES = {
    "update-all": Rule(
        "error",
        "UPDATE without WHERE writes every row of {table} in one transaction: each is locked until the commit, and the"
        " table doubles in size.",
        _BATCH,
    ),
    "update-many": Rule(
        "warning",
        "How many rows of {table} this {what} touches, the text does not tell; they all are locked until the commit.",
        _BATCH,
        Proof.ROWS,
    ),
    "delete-all": Rule(
        "error",
        "DELETE without WHERE removes every row of {table} in one transaction.",
        "Name the rows in a WHERE, and give it -- changecontrol: batch key=… size=1000.",
    ),
    "locks-every-row": Rule(
        "warning",
        "SELECT {what} without WHERE locks every row of {table}: whoever writes one of these rows waits until this"
        " transaction ends, and each locked row is written to once.",
        "Name the rows in a WHERE, or leave {what} away: a change that needs the rows locks them itself, batch by batch"
        " with -- changecontrol: batch key=… size=1000.",
    ),
    "insert-select": Rule(
        "error",
        "INSERT … SELECT copies rows of {other} into {table} in one transaction, as many as there are.",
        _BATCH,
        Proof.ROWS,
    ),
    "backfill-in-one-transaction": Rule(
        "error",
        "This loop writes to {table} batch by batch, but nothing is committed between them: every row stays locked"
        " until the end.",
        "Write the UPDATE alone, with -- changecontrol: batch key=… size=1000 before it: the runner commits each"
        " range.",
        Proof.ROWS,
    ),
    "protected-rows": Rule(
        "critical",
        "{what} changes records under regulation in {table} behind the program that keeps their history.",
        "Record a correction as a new event, the way the program does. If values must be filled in, say in the change"
        " whose they are and why.",
    ),
    "hashed-column-written": Rule(
        "critical",
        "A hash or signature covers {column} of {table}: rows stored earlier look tampered with once it is written.",
        "Leave {table}.{column} as it was recorded; keep the new value in a column of its own.",
    ),
    "sequence-set": Rule(
        "error",
        "setval() moves a sequence: numbers may be given twice, or a gap stays that nobody can explain. A rollback does"
        " not undo it.",
        "Leave the sequence alone.",
    ),
}

#: Row locks behind which writers wait; FOR KEY SHARE lets all of them pass but those that delete or change a key.
_LOCKS = {
    "LCS_FORUPDATE": "FOR UPDATE",
    "LCS_FORNOKEYUPDATE": "FOR NO KEY UPDATE",
    "LCS_FORSHARE": "FOR SHARE",
}
_WRITES = {"UpdateStmt": "UPDATE", "DeleteStmt": "DELETE", "MergeStmt": "MERGE"}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find rows that are written or locked, also in WITH queries and ON CONFLICT."""
    if kind_of(node) not in ("SelectStmt", "InsertStmt", "ExplainStmt", *_WRITES):
        return
    for kind, what in _WRITES.items():
        for found in find(node, kind):
            yield from _written(found, what, around)
    for found in find(node, "InsertStmt"):
        yield from _inserted(found, around)
    for found in find(node, "SelectStmt"):
        yield from _locked(found, node, around)
    for call in find(node, "FuncCall"):
        if names(call.funcname)[-1] == "setval":
            yield Hit("sequence-set", {})


def _written(node: Any, what: str, around: Around) -> Iterator[Hit]:
    table = relation(node.relation)
    if around.is_new(table):
        return
    said = {"table": table, "what": what}
    yield from guarded_rows(node, table, what, around)
    if around.batched:
        return
    bare = what != "MERGE" and not node.HasField("where_clause")
    if around.looped:
        yield Hit("backfill-in-one-transaction", said)
    elif bare:
        yield Hit("update-all" if what == "UPDATE" else "delete-all", said)
    elif what == "MERGE" or not _by_key(node):
        yield Hit("update-many", said)


def guarded_rows(node: Any, table: str, what: str, around: Around) -> Iterator[Hit]:
    """What is wrong with writing to this table at all."""
    if around.protects(table):
        yield Hit("protected-rows", {"table": table, "what": what})
    if what != "DELETE":
        targets = [unwrap(item) for found in (node, *find(node, "MergeWhenClause")) for item in _targets(found)]
        for name in dict.fromkeys(target.name for target in targets):
            if around.hashes(table, name):
                yield Hit("hashed-column-written", {"table": table, "column": quoted(name)})


def _targets(node: Any) -> Any:
    return (
        getattr(node, "target_list", ())
        if kind_of(node) in ("UpdateStmt", "MergeWhenClause", "OnConflictClause")
        else ()
    )


def _by_key(node: Any) -> bool:
    """Whether the WHERE pins something to constants: an equality, or a list of values."""
    for found in find(node.where_clause, "A_Expr"):
        kind = choice(found, "kind")
        operator = names(found.name)[-1] if found.name else ""
        plain = kind_of(unwrap(found.lexpr)) == "ColumnRef" if found.HasField("lexpr") else False
        constant = found.HasField("rexpr") and next(find(found.rexpr, "ColumnRef"), None) is None
        if plain and constant and operator == "=" and kind in ("AEXPR_OP", "AEXPR_IN"):
            return True
    return False


def _inserted(node: Any, around: Around) -> Iterator[Hit]:
    table = relation(node.relation)
    if around.is_new(table) or around.batched:
        return
    if node.HasField("on_conflict_clause") and choice(node.on_conflict_clause, "action") == "ONCONFLICT_UPDATE":
        yield from guarded_rows(node.on_conflict_clause, table, "ON CONFLICT DO UPDATE", around)
    if not node.HasField("select_stmt"):
        return
    select = unwrap(node.select_stmt)
    sources = [relation(one) for one in find(select, "RangeVar")]
    calls = [names(one.funcname)[-1] for one in find(select, "RangeFunction") for one in find(one, "FuncCall")]
    if (sources or "generate_series" in calls) and not select.HasField("limit_count"):
        yield Hit("insert-select", {"table": table, "other": ", ".join(sources) or "a series"})


def _locked(node: Any, whole: Any, around: Around) -> Iterator[Hit]:
    """Whole tables that a SELECT locks row by row."""
    queries = {query.ctename for query in find(whole, "CommonTableExpr")}
    for item in node.locking_clause:
        clause = unwrap(item)
        what = _LOCKS.get(choice(clause, "strength"))
        chosen = {unwrap(one).relname for one in clause.locked_rels}
        for alias, table in _wholly(node) if what else ():
            if (not chosen or alias in chosen) and table not in queries and not around.is_new(table):
                yield Hit("locks-every-row", {"table": table, "what": what or ""})


def _wholly(select: Any) -> Iterator[tuple[str, str]]:
    """The tables whose rows a SELECT takes without a WHERE, a LIMIT or a join that chooses: as it calls them, names."""
    if select.HasField("where_clause") or select.HasField("limit_count"):
        return
    waiting = [unwrap(item) for item in select.from_clause]
    for one in waiting:
        kind = kind_of(one)
        if kind == "JoinExpr" and choice(one, "jointype") == "JOIN_LEFT":
            waiting.append(unwrap(one.larg))
        elif kind == "RangeSubselect":
            yield from ((one.alias.aliasname, table) for _alias, table in _wholly(unwrap(one.subquery)))
        elif kind == "RangeVar":
            yield one.alias.aliasname or one.relname, relation(one)
