"""A database at one moment of a rehearsal: catalog, data, sequences. What did not change since is not read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from changecontrol.targets import snapshot, surroundings
from changecontrol.targets.data_digests import TableDigest, data, lost, sequences

#: What tells that nothing wrote to a table: its file, its counters of changed rows, its columns. Rows that were there
#: cannot go or change without one of these moving.
_MARKS_SQL = """
SELECT format('%I.%I', n.nspname, c.relname), c.oid::bigint, pg_relation_filenode(c.oid)::bigint,
  pg_relation_size(c.oid) > 0, pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
  pg_stat_get_tuples_deleted(c.oid),
  (SELECT array_agg(ARRAY[a.attnum::bigint, a.atttypid::bigint, a.atttypmod] ORDER BY a.attnum)::text
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('changecontrol', 'pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.deptype = 'e')
"""

Mark = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """`data` holds the tables that have rows; `marks` every table, to tell later which of them was written to; `beside`
    what is no part of the catalog's fingerprint."""

    catalog: snapshot.Catalog
    marks: Mapping[str, Mark] = field(default_factory=dict)
    data: Mapping[str, TableDigest] = field(default_factory=dict)
    sequences: Mapping[str, int | None] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def objects(self) -> dict[str, str]:
        """The catalog's objects, and what is beside them."""
        return {**self.catalog.objects, **self.beside}

    def differences(self, later: Shot) -> snapshot.Differences:
        """What sets the later moment's objects apart from these."""
        was, now = (replace(one.catalog, objects=one.objects) for one in (self, later))
        return snapshot.differences(was, now)

    def written(self, later: Shot) -> set[str]:
        """Tables of this moment that were written to, altered or dropped until the later one."""
        return {name for name, mark in self.marks.items() if later.marks.get(name) != mark}


def shoot(
    conn: psycopg.Connection[Any], *, roles: Collection[str] = (), since: Shot | None = None, rows: bool = True
) -> Shot:
    """Read the moment; whoever wrote has flushed its counters of rows. `roles` belong to the cluster: only those that a
    script names are looked at.

    `since`: an earlier moment, whose digests stay true for every table that was not written to meanwhile. Without
    `rows` no row is read.
    """
    catalog = snapshot.catalog(conn)
    beside = surroundings.read(conn, roles)
    marks = marked(conn)
    if not rows:
        return Shot(catalog, marks, beside=beside)
    filled = {name for name, mark in marks.items() if mark[2]}
    kept = {name for name in filled if since is not None and since.marks.get(name) == marks[name]}
    known = {name: since.data[name] for name in kept if since and name in since.data}
    fresh = data(conn, by_column=True, tables=filled - kept) if filled - kept else {}
    found_rows = {name: digest for name, digest in {**known, **fresh}.items() if digest.rows}
    return Shot(catalog, marks, found_rows, sequences(conn), beside)


def marked(conn: psycopg.Connection[Any]) -> dict[str, Mark]:
    """Each table's mark: (oid, file, has pages, inserted, updated, deleted, columns)."""
    return {row[0]: tuple(row[1:]) for row in conn.execute(_MARKS_SQL).fetchall()}


def lost_between(before: Shot, after: Shot) -> tuple[str, ...]:
    """Sentences for the rows and values of `before` that are not in `after`, and for rows that came in addition."""
    gone: dict[str, TableDigest] = {
        name: after.data.get(name) or TableDigest(0, "", was.columns)
        for name, was in before.data.items()
        if name in after.marks
    }
    said = list(lost(before.data, gone))
    for name, now in after.data.items():
        if name in before.marks and name not in before.data:
            said.append(f"Table {name} was empty and holds {now.rows} {'row' if now.rows == 1 else 'rows'} now.")
    return tuple(said)


def moved(before: Shot, after: Shot) -> tuple[str, ...]:
    """Sentences for sequences that stand elsewhere than before; they move even in transactions that are undone."""
    return tuple(
        f"Sequence {name} stands at {now if now is not None else 'its start'}, "
        f"before at {was if was is not None else 'its start'}."
        for name, was in sorted(before.sequences.items())
        if name in after.sequences and (now := after.sequences[name]) != was
    )
