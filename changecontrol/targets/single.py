"""What a statement outside a transaction works on, and what the catalog says became of it after it was cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from changecontrol.rules.script import Statement

Kind = Literal["create index", "drop index", "reindex", "detach", "repeatable", "other"]

#: absent: nothing of it is there. done: it is finished. cut: something half made is left. open: not finished, and
#: nothing half made. unknown: the catalog cannot tell.
State = Literal["absent", "done", "cut", "open", "unknown"]

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|(?P<quoted>"(?:[^"]|"")+")|(?P<word>[^\W\d][\w$]*)|(?P<other>.)""", re.S
)


@dataclass(frozen=True, slots=True)
class Task:
    """A single step by its names as written in the statement; `index` and `table` as SQL identifiers."""

    kind: Kind
    index: str = ""
    table: str = ""
    scope: str = ""  # of REINDEX: index, table, schema, database, system
    unique: bool = False
    only_if: bool = False  # IF NOT EXISTS or IF EXISTS
    unnamed: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What the catalog shows. `left` names what is half made, for people; `cleanup` removes it; `oids` its parts."""

    state: State
    left: str = ""
    cleanup: tuple[str, ...] = ()
    oids: tuple[int, ...] = ()


def task_of(statement: Statement) -> Task:
    """Read the names a single step works on from its text."""
    words = list(_words(statement.sql))
    upper = [word.upper() if not word.startswith('"') else word for word in words]
    match statement.kind:
        case "IndexStmt":
            return _create(words, upper)
        case "DropStmt" if "INDEX" in upper[:2]:
            start, only_if = _behind(upper, "CONCURRENTLY", ("IF", "EXISTS"))
            return Task("drop index", index=_name(words, start)[0], only_if=only_if)
        case "ReindexStmt":
            scope = next((w for w in upper if w in ("INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM")), "")
            start, _ = _behind(upper, "CONCURRENTLY", ())
            return Task("reindex", index=_name(words, start)[0], scope=scope.lower())
        case "AlterTableStmt" if "DETACH" in upper:
            start, only_if = _behind(upper, "TABLE", ("IF", "EXISTS"))
            start += upper[start : start + 1] == ["ONLY"]
            child, _ = _behind(upper, "PARTITION", ())
            return Task("detach", table=_name(words, start)[0], index=_name(words, child)[0], only_if=only_if)
        case "VacuumStmt" | "ClusterStmt" | "CheckPointStmt" | "SelectStmt":
            return Task("repeatable")
    return Task("other")


def look(conn: psycopg.Connection[Any], task: Task, *, known: tuple[int, ...] = ()) -> Look:
    """Ask the catalog. `known` are half-made indexes that were there before the statement began: not ours."""
    match task.kind:
        case "create index":
            return _look_create(conn, task)
        case "drop index":
            return _look_drop(conn, task)
        case "reindex":
            return _look_reindex(conn, task, known)
        case "detach":
            return _look_detach(conn, task)
        case "repeatable":
            return Look("open")
    return Look("unknown")


def _create(words: list[str], upper: list[str]) -> Task:
    start, only_if = _behind(upper, "CONCURRENTLY", ("IF", "NOT", "EXISTS"))
    unique = "UNIQUE" in upper[:2]
    if upper[start] == "ON":
        return Task("create index", unnamed=True)
    index, start = _name(words, start)
    start += 1  # ON
    start += upper[start] == "ONLY"
    return Task("create index", index=index, table=_name(words, start)[0], unique=unique, only_if=only_if)


def _behind(upper: list[str], word: str, optional: tuple[str, ...]) -> tuple[int, bool]:
    """The place behind a word and the optional words following it, and whether these were there."""
    start = upper.index(word) + 1 if word in upper else len(upper)
    there = bool(optional) and tuple(upper[start : start + len(optional)]) == optional
    return start + (len(optional) if there else 0), there


def _name(words: list[str], start: int) -> tuple[str, int]:
    """A possibly qualified name and the place behind it."""
    parts = words[start : start + 1]
    start += 1
    while words[start : start + 1] == ["."]:
        parts += words[start : start + 2]
        start += 2
    return "".join(parts), start


def _words(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield match.group()


def _look_create(conn: psycopg.Connection[Any], task: Task) -> Look:
    """An index lives in its table's schema, wherever the search_path finds the table."""
    row = conn.execute(
        "SELECT x.indisvalid, x.indisunique, x.indrelid = to_regclass(%(table)s), i.oid, i.oid::regclass::text,"
        " quote_ident(n.nspname) || '.' || quote_ident(i.relname)"
        " FROM pg_class t JOIN pg_class i"
        " ON i.relnamespace = t.relnamespace AND i.relname = (parse_ident(%(index)s))[1]"
        " JOIN pg_namespace n ON n.oid = i.relnamespace JOIN pg_index x ON x.indexrelid = i.oid"
        " WHERE t.oid = to_regclass(%(table)s)",
        {"table": task.table, "index": task.index},
    ).fetchone()
    if row is None:
        return Look("absent")
    valid, unique, same_table, oid, shown, qualified = row
    if not same_table or unique != task.unique:
        return Look("unknown", left=f"an index {shown} that this statement did not define", oids=(oid,))
    if valid:
        return Look("done", oids=(oid,))
    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}"
    return Look("cut", left=f"the INVALID index {shown}", cleanup=(drop,), oids=(oid,))


def _look_drop(conn: psycopg.Connection[Any], task: Task) -> Look:
    row = conn.execute(
        "SELECT indisvalid, indexrelid::regclass::text FROM pg_index WHERE indexrelid = to_regclass(%s)",
        (task.index,),
    ).fetchone()
    if row is None:
        return Look("done")
    return Look("open") if row[0] else Look("open", left=f"the index {row[1]}, INVALID by now")


def _look_reindex(conn: psycopg.Connection[Any], task: Task, known: tuple[int, ...]) -> Look:
    """REINDEX CONCURRENTLY that was cut leaves copies named ..._ccnew or ..._ccold behind."""
    rows = conn.execute(
        "SELECT x.indexrelid, x.indexrelid::regclass::text, quote_ident(n.nspname) || '.' || quote_ident(i.relname)"
        " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace"
        " WHERE NOT x.indisvalid AND i.relname ~ '_cc(new|old)\\d*$' AND n.nspname <> 'pg_toast'"
        " AND NOT x.indexrelid = ANY (%(known)s::oid[]) AND (%(scope)s NOT IN ('index', 'table')"
        "  OR x.indrelid = to_regclass(%(name)s)"
        "  OR x.indrelid = (SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass(%(name)s)))",
        {"known": list(known), "scope": task.scope, "name": task.index},
    ).fetchall()
    if not rows:
        return Look("open")
    left = ", ".join(f"the INVALID index {row[1]}" for row in rows)
    cleanup = tuple(f"DROP INDEX CONCURRENTLY IF EXISTS {row[2]}" for row in rows)
    return Look("cut", left=left, cleanup=cleanup, oids=tuple(row[0] for row in rows))


def _look_detach(conn: psycopg.Connection[Any], task: Task) -> Look:
    row = conn.execute(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(%s) AND inhparent = to_regclass(%s)",
        (task.index, task.table),
    ).fetchone()
    if row is None:
        return Look("done")
    if not row[0]:
        return Look("open")
    finalize = f"ALTER TABLE {task.table} DETACH PARTITION {task.index} FINALIZE"
    return Look("cut", left=f"the partition {task.index}, half detached", cleanup=(finalize,))
