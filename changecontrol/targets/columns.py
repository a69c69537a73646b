"""What generating rows must know of tables: columns and their types, keys, checks, foreign keys, partitions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from changecontrol.targets.connection import Session
from changecontrol.targets.wishes import Wishes

_CLOSURE_SQL = """
WITH RECURSIVE wanted AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE format('%%I.%%I', n.nspname, c.relname) = ANY (%s) AND c.relkind IN ('r', 'p')
  UNION
  SELECT more.oid FROM wanted w, LATERAL (
    SELECT confrelid AS oid FROM pg_constraint WHERE conrelid = w.oid AND contype = 'f'
    UNION ALL SELECT inhrelid FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
      WHERE i.inhparent = w.oid AND p.relkind = 'p') more
)
SELECT c.oid::bigint, format('%%I.%%I', n.nspname, c.relname), c.relkind::text,
  CASE WHEN c.relispartition THEN pg_get_partition_constraintdef(c.oid) END,
  c.relhasrules OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.condeferrable
    AND k.contype IN ('p', 'u', 'x'))
FROM wanted JOIN pg_class c ON c.oid = wanted.oid JOIN pg_namespace n ON n.oid = c.relnamespace
"""
_COLUMNS_SQL = """
SELECT a.attrelid::bigint, a.attname::text, a.attnum::int, a.atttypid::bigint, a.atttypmod,
  format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, a.attgenerated::text,
  coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY (%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""
_CONSTRAINTS_SQL = """
SELECT conrelid::bigint, contype::text, conkey::int[], confrelid::bigint, confkey::int[],
  CASE WHEN contype = 'c' THEN pg_get_expr(conbin, conrelid) END
FROM pg_constraint WHERE conrelid = ANY (%s::oid[]) AND contype IN ('c', 'f', 'p', 'u')
ORDER BY cardinality(conkey) DESC, conname
"""
_TYPES_SQL = """
SELECT t.oid::bigint, t.typname::text, t.typtype::text, t.typbasetype::bigint, t.typtypmod, t.typelem::bigint,
  t.typcategory::text, t.typnotnull, coalesce(r.rngsubtype, m.rngsubtype)::bigint,
  ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
  ARRAY(SELECT pg_get_expr(k.conbin, 0) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'),
  ARRAY(SELECT a.atttypid::bigint FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
    AND NOT a.attisdropped ORDER BY a.attnum)
FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid LEFT JOIN pg_range m ON m.rngmultitypid = t.oid
WHERE t.oid = ANY (%s::oid[])
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type as values are made for it. `kind`: b base, e enum, d domain (already looked through), r range, c row."""

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    element: Kind | None = None  # of an array
    parts: tuple[Kind, ...] = ()  # of a row; the subtype of a range
    not_null: bool = False  # a domain that says so
    checks: tuple[str, ...] = ()  # of the domains it went through


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `own`: the server gives its value, by DEFAULT; `skipped`: it may not even be named."""

    name: str
    number: int
    kind: Kind
    modifier: int
    written: str
    not_null: bool
    own: bool
    skipped: bool


@dataclass(slots=True)
class Table:
    """One table. `plain`: INSERT takes no ON CONFLICT here. `keys`: column names that are unique together; `links`:
    (columns, table, its columns)."""

    oid: int
    name: str
    partitioned: bool
    plain: bool
    columns: list[Column] = field(default_factory=list)
    keys: list[tuple[str, ...]] = field(default_factory=list)
    links: list[tuple[tuple[str, ...], int, tuple[int, ...]]] = field(default_factory=list)
    wishes: Wishes = field(default_factory=lambda: Wishes({}, []))


def read(session: Session, names: Collection[str]) -> dict[int, Table]:
    """Look at the tables, all they refer to, and their partitions; by OID."""
    found = session.execute(_CLOSURE_SQL, (list(names),)).fetchall()
    tables = {oid: Table(oid, name, kind == "p", plain) for oid, name, kind, _bounds, plain in found}
    rows = session.execute(_COLUMNS_SQL, (list(tables),)).fetchall()
    kinds = _kinds(session, {row[3] for row in rows})
    for relation, *told in rows:
        tables[relation].columns.append(_column(kinds, *told))
    for relation, *told in session.execute(_CONSTRAINTS_SQL, (list(tables),)).fetchall():
        _constrain(tables[relation], *told)
    for oid, _name, _kind, bounds, _plain in found:
        if bounds:
            tables[oid].wishes.add(bounds)
    return tables


def _column(
    kinds: dict[int, tuple[Any, ...]],
    name: str,
    number: int,
    type_oid: int,
    modifier: int,
    written: str,
    not_null: bool,
    identity: str,
    generated: str,
    default: str,
) -> Column:
    kind, modifier = _kind(kinds, type_oid, modifier)
    own = identity == "d" or default.startswith("nextval(")
    skipped = identity == "a" or bool(generated)
    return Column(name, number, kind, modifier, written, not_null or kind.not_null, own, skipped)


def _constrain(table: Table, kind: str, key: list[int], other: int, other_key: list[int], check: str | None) -> None:
    names = {column.number: column.name for column in table.columns}
    columns = tuple(names.get(number, "") for number in key or ())
    if kind in "pu":
        table.keys.append(columns)
    elif kind == "f":
        table.links.append((columns, other, tuple(other_key)))
    elif check:
        table.wishes.add(check)


def _kinds(session: Session, wanted: set[int]) -> dict[int, tuple[Any, ...]]:
    """The types and everything they are made of."""
    known: dict[int, tuple[Any, ...]] = {}
    while missing := wanted - known.keys():
        for oid, *told in session.execute(_TYPES_SQL, (list(missing),)).fetchall():
            known[oid] = tuple(told)
            wanted |= {other for other in (told[2], told[4], told[7], *told[10]) if other}
        wanted &= known.keys() | wanted
        for oid in missing - known.keys():
            known[oid] = ("?", "p", 0, -1, 0, "X", False, None, [], [], [])
    return known


def _kind(kinds: dict[int, tuple[Any, ...]], oid: int, modifier: int, depth: int = 0) -> tuple[Kind, int]:
    name, kind, base, base_modifier, element, category, not_null, subtype, labels, checks, parts = kinds[oid]
    if depth > 8:  # a type that holds itself
        return Kind("?", "p"), -1
    if kind == "d":
        below, modifier = _kind(kinds, base, base_modifier, depth + 1)
        found = Kind(below.name, below.kind, below.labels, below.element, below.parts, not_null or below.not_null,
                     (*checks, *below.checks))  # fmt: skip
        return found, modifier
    inner = _kind(kinds, element, modifier, depth + 1)[0] if category == "A" and element else None
    fields = [subtype] if subtype else parts if kind == "c" else []
    made = tuple(_kind(kinds, one, -1, depth + 1)[0] for one in fields)
    return Kind(name, kind, tuple(labels), inner, made, not_null), modifier
