"""Batched steps: from one UPDATE, DELETE or INSERT … SELECT and a directive to the bounded statements that are sent.

The texts are cut from the author's own bytes, never printed from a tree: what was reviewed is what runs, plus a range.
The range is `(key > $1 OR $1 IS NULL) AND key <= $2`. Planned with its values (psycopg: prepare=False, or
plan_cache_mode = force_custom_plan) PostgreSQL folds the NULL test away and reads the key's index on both sides.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from changecontrol.rules.directives import CTID, Directive
from changecontrol.rules.lexer import Token, significant
from changecontrol.rules.objects import relation_name
from changecontrol.rules.parser import Raw, choice, find, kind_of, parse_one, same, unwrap
from changecontrol.rules.plan import Batch
from changecontrol.rules.text import RefusedAt


class BatchInsideTransaction(RefusedAt):
    """{place}: a batched step commits after every batch, so it cannot stand between BEGIN and COMMIT. Move it behind
    the COMMIT.
    """


class NotBatchable(RefusedAt):
    """{place}: only UPDATE, DELETE and INSERT … SELECT can run in batches. Remove the instruction before this
    statement.
    """


class CannotBound(RefusedAt):
    """{place}: this statement cannot be cut into batches safely: {why}"""


AGGREGATES = frozenset(
    {
        *("count", "sum", "min", "max", "avg", "every", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"),
        *("string_agg", "array_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "xmlagg"),
        *("range_agg", "range_intersect_agg", "any_value", "stddev", "variance", "corr"),
        *("mode", "percentile_cont", "percentile_disc"),
    }
)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Where the walked table and its condition stand: byte ranges within the statement's text."""

    relation: Any  # RangeVar whose key is walked
    from_sql: str  # the whole FROM list, for counting
    walk_sql: str  # the walked table alone, with its alias
    where: tuple[int, int]


def bounded(raw: Raw, wish: Directive) -> Batch:
    """Build the batch of one statement. Raises NotBatchable or CannotBound."""
    if raw.kind not in ("UpdateStmt", "DeleteStmt", "InsertStmt"):
        raise NotBatchable(raw.text, raw.start)
    _refuse_unsafe(raw)
    pieces = _insert(raw, wish) if raw.kind == "InsertStmt" else _modify(raw)
    relation = pieces.relation
    if wish.column == CTID and raw.kind == "InsertStmt":
        _refuse(raw, "a row that is changed meanwhile moves, and would be copied twice or not at all. Name a key.")
    if raw.kind == "UpdateStmt" and any(wish.column == unwrap(item).name for item in raw.node.target_list):
        _refuse(raw, "it changes the key that the batches walk along. Choose a key that stays as it is.")
    alias = relation.alias.aliasname if relation.HasField("alias") else relation.relname
    if relation.alias.colnames:
        _refuse(raw, "its table renames columns. Give the table a plain alias.")
    if wish.qualifier not in ("", alias):
        _refuse(raw, f"the key must belong to {alias}, the table that the statement changes or reads from.")
    key = f"{_quote(alias)}.{_quote(wish.column)}"
    sql = raw.text.data[raw.start : raw.end]
    begin, end = pieces.where
    condition = sql[begin:end].decode("utf-8").strip()
    limits = f"({key} > $1 OR $1 IS NULL) AND {key} <= $2"
    head, tail = sql[:begin].decode("utf-8").rstrip(), sql[end:].decode("utf-8").strip()
    batch = Batch(
        table=relation_name(relation),
        key=wish.column,
        size=wish.size,
        expect_positive=wish.expect_positive,
        bounded_sql=f"{head} {limits} AND (\n{condition}\n)" + (f"\n{tail}" if tail else ""),
        bound_sql=_blocks_sql(relation) if wish.column == CTID else _bound_sql(key, pieces),
        count_sql=f"SELECT count(*) FROM {pieces.from_sql}\nWHERE (\n{condition}\n)",  # noqa: S608
        range_count_sql=f"SELECT count(*) FROM {pieces.from_sql}\nWHERE {limits} AND (\n{condition}\n)",  # noqa: S608
        duty=wish.duty,
    )
    _prove(raw, batch)
    return batch


def _bound_sql(key: str, pieces: _Pieces) -> str:
    return (
        f"SELECT (SELECT bound FROM (SELECT {key} AS bound FROM {pieces.walk_sql}\n"  # noqa: S608 (cut from the script)
        f"WHERE {key} > $1 OR $1 IS NULL ORDER BY {key} LIMIT $2) AS ahead ORDER BY bound DESC LIMIT 1)"
    )


def _blocks_sql(relation: Any) -> str:
    """The blocks of the largest table of the tree: each range takes the same blocks of every partition."""
    name = ".".join(_quote(part) for part in (relation.schemaname, relation.relname) if part).replace("'", "''")
    return (
        f"WITH RECURSIVE tree AS (SELECT '{name}'::regclass::oid AS oid UNION SELECT inhrelid FROM pg_inherits, tree\n"  # noqa: S608
        "WHERE inhparent = tree.oid) SELECT max(pg_relation_size(oid)) / current_setting('block_size')::int FROM tree"
    )


def _refuse(raw: Raw, why: str) -> None:
    raise CannotBound(raw.text, raw.start, why=why)


def _refuse_unsafe(raw: Raw) -> None:
    node = raw.node
    if node.HasField("with_clause"):
        _refuse(raw, "it begins with WITH. Write the query into the statement itself.")
    if node.HasField("returning_clause"):
        _refuse(raw, "RETURNING gives rows that nobody reads. Remove it.")
    for kind, why in (
        ("ParamRef", "it uses $1-like parameters, which the batches use for their range."),
        ("CurrentOfExpr", "WHERE CURRENT OF needs a cursor."),
    ):
        if next(find(node, kind), None) is not None:
            _refuse(raw, why)
    if any(found.HasField("limit_count") or found.HasField("limit_offset") for found in find(node, "SelectStmt")):
        _refuse(raw, "LIMIT or OFFSET picks other rows in every batch. Remove it; the batch is the limit.")


def _top_level(raw: Raw) -> list[Token]:
    """The statement's tokens outside of all parentheses, with offsets within the statement."""
    depth, found = 0, []
    for token in significant(raw.text.data[raw.start : raw.end]):
        if token.text in (b"(", b"["):
            depth += 1
        if depth == 0:
            found.append(token)
        if token.text in (b")", b"]"):
            depth -= 1
    return found


def _keyword(found: Sequence[Token], *words: str, after: int = 0) -> Token | None:
    """The first of these words behind an offset, leaving out IS DISTINCT FROM."""
    before = ""
    for token in found:
        if token.start >= after and token.word in words and not (token.word == "FROM" and before == "DISTINCT"):
            return token
        before = token.word
    return None


def _modify(raw: Raw) -> _Pieces:
    sql, found = raw.text.data[raw.start : raw.end], _top_level(raw)
    is_update = raw.kind == "UpdateStmt"
    where = _keyword(found, "WHERE")
    if where is None or not raw.node.HasField("where_clause"):
        _refuse(raw, "it has no WHERE. Say in WHERE which rows are left to do, so that a repeated batch does no harm.")
    assert where is not None
    first = _keyword(found, "UPDATE" if is_update else "FROM")
    stop = _keyword(found, "SET") if is_update else _keyword(found, "USING", "WHERE")
    assert first is not None and stop is not None
    walk_sql = sql[first.end : stop.start].decode("utf-8").strip()
    more = _keyword(found, "FROM" if is_update else "USING", after=stop.start)
    others = sql[more.end : where.start].decode("utf-8").strip() if more and more.start < where.start else ""
    from_sql = f"{walk_sql}\n, {others}" if others else walk_sql
    return _Pieces(raw.node.relation, from_sql, walk_sql, (where.end, len(sql)))


def _insert(raw: Raw, wish: Directive) -> _Pieces:
    select = unwrap(raw.node.select_stmt) if raw.node.HasField("select_stmt") else None
    if select is None or select.values_lists or not select.from_clause:
        raise NotBatchable(raw.text, raw.start)
    _refuse_shapes(raw, select)
    sql, found = raw.text.data[raw.start : raw.end], _top_level(raw)
    chosen = _keyword(found, "SELECT")
    if chosen is None:
        _refuse(raw, "its SELECT stands in parentheses. Remove them.")
    assert chosen is not None
    source, where = _keyword(found, "FROM", after=chosen.start), _keyword(found, "WHERE", after=chosen.start)
    conflicts = (a.start for a, b in itertools.pairwise(found) if (a.word, b.word) == ("ON", "CONFLICT"))
    end = next(conflicts, len(sql))
    if source is None or where is None or where.start > end:
        _refuse(raw, "it has no WHERE. Say which rows are left to do, for example WHERE NOT EXISTS (…).")
    assert source is not None and where is not None
    from_sql = sql[source.end : where.start].decode("utf-8").strip()
    relation = _walked(raw, select, wish)
    if relation.relname == raw.node.relation.relname and relation.schemaname == raw.node.relation.schemaname:
        _refuse(raw, "it reads the table that it fills, and would go on with rows that its own batches have added.")
    alias = f" AS {_quote(relation.alias.aliasname)}" if relation.HasField("alias") else ""
    name = ".".join(_quote(part) for part in (relation.catalogname, relation.schemaname, relation.relname) if part)
    return _Pieces(relation, from_sql, f"{'' if relation.inh else 'ONLY '}{name}{alias}", (where.end, end))


def _refuse_shapes(raw: Raw, select: Any) -> None:
    for field, what in (
        ("group_clause", "GROUP BY"),
        ("distinct_clause", "DISTINCT"),
        ("sort_clause", "ORDER BY"),
        ("window_clause", "WINDOW"),
        ("locking_clause", "FOR UPDATE"),
    ):
        if getattr(select, field):
            _refuse(raw, f"{what} looks at all rows together, a batch only at its own. Write it without.")
    if select.HasField("having_clause") or select.larg.ByteSize() or select.HasField("with_clause"):
        _refuse(raw, "HAVING, UNION and WITH look at all rows together, a batch only at its own.")
    for item in select.target_list:
        for call in find(item, "FuncCall"):
            name = unwrap(call.funcname[-1]).sval
            if name in AGGREGATES or call.HasField("over") or call.agg_star:
                _refuse(raw, f"{name}() looks at all rows together, a batch only at its own.")


def _walked(raw: Raw, select: Any, wish: Directive) -> Any:
    """Find the table whose key is walked: the one the key is qualified with, or the only one there is."""
    tables = [found for item in select.from_clause for found in _whole_tables(unwrap(item))]
    if wish.qualifier:
        tables = [item for item in tables if wish.qualifier == (item.alias.aliasname or item.relname)]
    if len(tables) != 1:
        _refuse(
            raw, "it is not clear which table the key belongs to. Write key=alias.column with an alias of its FROM."
        )
    return tables[0]


def _whole_tables(node: Any) -> list[Any]:
    """Tables none of whose rows an outer join replaces by NULLs: a NULL key would fall out of every range."""
    if kind_of(node) == "JoinExpr":
        sides = {"JOIN_INNER": (node.larg, node.rarg), "JOIN_LEFT": (node.larg,), "JOIN_RIGHT": (node.rarg,)}
        return [found for side in sides.get(choice(node, "jointype"), ()) for found in _whole_tables(unwrap(side))]
    return [node] if kind_of(node) == "RangeVar" else []


def copies_blindly(batch: Batch) -> bool:
    """Whether an INSERT cannot know what was copied already: it never looks at the table that it fills."""
    node = parse_one(batch.bounded_sql)
    return node is None or all(one.relname != node.relation.relname for one in find(node.select_stmt, "RangeVar"))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _prove(raw: Raw, batch: Batch) -> None:
    """Parse what was cut together: it must be the author's statement with the range and nothing else changed."""
    built = parse_one(batch.bounded_sql)
    count, bound = parse_one(batch.count_sql), parse_one(batch.bound_sql)
    fits = built is not None and count is not None and bound is not None and kind_of(built) == raw.kind
    if fits:
        original, changed = raw.node, type(raw.node)()
        changed.CopyFrom(built)
        holder = unwrap(changed.select_stmt) if raw.kind == "InsertStmt" else changed
        where = unwrap(holder.where_clause)
        condition = where.args[2] if kind_of(where) == "BoolExpr" and len(where.args) == 3 else None
        counted = count.where_clause if count is not None else None
        if condition is not None and same(condition, counted):
            alone = type(condition)()
            alone.CopyFrom(condition)
            holder.where_clause.CopyFrom(alone)
        fits = condition is not None and same(changed, original) and same(condition, counted)
    if not fits:
        _refuse(raw, "its text could not be bounded without changing its meaning. Write it more plainly.")
