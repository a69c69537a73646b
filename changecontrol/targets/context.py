"""What a database holds, for rules that ask beyond the text of a script: a handful of catalog queries."""
# ruff: noqa: S608 -- the pieces put together here are constants of this module

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import psycopg

from changecontrol.rules.context import Column, Constraint, Context, Function, Index, Table
from changecontrol.targets.snapshot import reading

_OURS = "n.nspname NOT IN ('changecontrol', 'pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"

_TABLES_SQL = f"""
SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind::text,
  CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint
    ELSE coalesce(pg_stat_get_live_tuples(c.oid), 0) END,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) ELSE 0 END,
  pg_get_userbyid(c.relowner)::text,
  coalesce((SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid AND c.relispartition), ''),
  c.relispartition AND pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.relrowsecurity, c.relforcerowsecurity,
  coalesce((SELECT inhparent::regclass::text FROM pg_inherits
    WHERE inhrelid = c.oid AND NOT c.relispartition ORDER BY inhseqno LIMIT 1), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {_OURS}
"""

_COLUMNS_SQL = f"""
SELECT a.attrelid, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  coalesce(pg_get_expr(f.adbin, f.adrelid), ''),
  CASE WHEN t.typtype = 'd' THEN a.atttypid::regtype::text ELSE '' END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f') AND {_OURS} ORDER BY a.attrelid, a.attnum
"""

_CONSTRAINTS_SQL = f"""
SELECT k.conrelid, k.conname::text, k.contype::text, pg_get_constraintdef(k.oid),
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY u.place),
  k.convalidated, CASE WHEN k.confrelid <> 0 THEN k.confrelid::regclass::text ELSE '' END
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND {_OURS}
"""

_INDEXES_SQL = f"""
SELECT x.indrelid, i.relname::text,
  ARRAY(SELECT coalesce(a.attname::text, '') FROM unnest(x.indkey) WITH ORDINALITY AS u (attnum, place)
    LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.attnum AND u.attnum > 0
    WHERE u.place <= x.indnkeyatts ORDER BY u.place),
  x.indisunique, x.indisvalid, x.indpred IS NOT NULL, pg_get_indexdef(x.indexrelid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS}
"""

_TRIGGERS_SQL = f"""
SELECT t.tgrelid, t.tgname::text, t.tgenabled::text
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND {_OURS}
"""

_VIEWS_SQL = f"""
SELECT DISTINCT d.refobjid, r.ev_class::regclass::text
FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.refclassid = 'pg_class'::regclass AND d.deptype = 'n' AND r.ev_class <> d.refobjid AND {_OURS} ORDER BY 2
"""

_FUNCTIONS_SQL = f"""
SELECT format('%I.%I', n.nspname, p.proname), l.lanname::text, coalesce(p.prosrc, ''), p.provolatile::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE {_OURS} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
  AND d.deptype = 'e') ORDER BY p.oid
"""

_DOMAINS_SQL = f"""
SELECT format('%I.%I', n.nspname, t.typname),
  ARRAY(SELECT DISTINCT a.attrelid::regclass::text FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
    WHERE a.atttypid = t.oid AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'm') ORDER BY 1)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'd' AND {_OURS}
"""

_ENUMS_SQL = f"""
SELECT format('%I.%I', n.nspname, t.typname), array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
WHERE {_OURS} GROUP BY 1
"""


def read(conn: psycopg.Connection[Any]) -> Context:
    """Read the context in one READ ONLY snapshot. The connection must be outside a transaction."""
    with reading(conn):
        tables = _rows(conn, _TABLES_SQL)
        columns = _by_table(_rows(conn, _COLUMNS_SQL), Column)
        constraints = _by_table(_rows(conn, _CONSTRAINTS_SQL), _constraint)
        indexes = _by_table(_rows(conn, _INDEXES_SQL), _index)
        triggers = _by_table(_rows(conn, _TRIGGERS_SQL), str)
        views: dict[int, list[str]] = {}
        for oid, view in _rows(conn, _VIEWS_SQL):
            views.setdefault(oid, []).append(view)
        functions: dict[str, tuple[Function, ...]] = {}
        for name, *rest in _rows(conn, _FUNCTIONS_SQL):
            functions[name] = (*functions.get(name, ()), Function(*rest))
        domains = {name: tuple(used) for name, used in _rows(conn, _DOMAINS_SQL)}
        enums = {name: tuple(labels) for name, labels in _rows(conn, _ENUMS_SQL)}
    return Context(
        server_major=conn.info.server_version // 10000,
        tables={
            name: replace(
                Table(*rest),
                columns=columns.get(oid, {}),
                constraints=constraints.get(oid, {}),
                indexes=indexes.get(oid, {}),
                triggers=triggers.get(oid, {}),
                views=tuple(views.get(oid, ())),
            )
            for oid, name, *rest in tables
        },
        functions=functions,
        domains=domains,
        enums=enums,
    )


def _rows(conn: psycopg.Connection[Any], query: str) -> list[Any]:
    return conn.execute(query.encode()).fetchall()


def _by_table(rows: Iterable[Any], make: Any) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for oid, name, *rest in rows:
        found.setdefault(oid, {})[name] = make(*rest)
    return found


def _constraint(kind: str, definition: str, columns: list[str], validated: bool, refers: str) -> Constraint:
    return Constraint(kind, definition, tuple(columns), validated, refers)


def _index(columns: list[str], unique: bool, valid: bool, partial: bool, definition: str) -> Index:
    return Index(tuple(columns), unique, valid, partial, definition)
