"""Who stands in the way: read from a second session while the first one waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from changecontrol.rules.lock_needs import Need
from changecontrol.rules.observed import MODES

#: pg_locks modes from weak to strong, to name the strongest one a session holds.
_STRENGTH = (
    "ARRAY['AccessShareLock','RowShareLock','RowExclusiveLock','ShareUpdateExclusiveLock','ShareLock',"
    "'ShareRowExclusiveLock','ExclusiveLock','AccessExclusiveLock']"
)

_SESSION = """
  coalesce(a.pid, 0) AS pid,
  coalesce(a.usename::text, '') AS "user",
  coalesce(a.application_name, '') AS application,
  coalesce(a.backend_type, '') AS backend_type,
  coalesce(a.state, '') AS state,
  extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS query_age_s,
  extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS xact_age_s
"""

# _STRENGTH and _SESSION are constants of this module; the values that vary are parameters.
_BLOCKERS_SQL = f"""
SELECT {_SESSION}, coalesce(held.mode, '') AS mode, coalesce(held.relation, '') AS relation
FROM unnest(pg_blocking_pids(%(pid)s)) AS blocking (pid)
LEFT JOIN pg_stat_activity a ON a.pid = blocking.pid
LEFT JOIN LATERAL (
  SELECT l.mode, l.relation::regclass::text AS relation
  FROM pg_locks l
  JOIN pg_locks ours ON ours.pid = %(pid)s AND NOT ours.granted AND ours.relation = l.relation
    AND ours.database = l.database
  WHERE l.pid = blocking.pid AND l.granted AND l.locktype = 'relation'
  ORDER BY array_position({_STRENGTH}, l.mode) DESC LIMIT 1
) held ON true
"""  # noqa: S608

# What the named relations reach, each with the modes that stand in the way there: one row per pair.
_EXPAND_SQL = """
WITH RECURSIVE tree AS (
  SELECT to_regclass(n.relation)::oid AS oid, n.conflicts, n.reach
  FROM jsonb_to_recordset(%(needs)s::jsonb) AS n (relation text, conflicts jsonb, reach jsonb)
  UNION
  SELECT more.oid, tree.conflicts, tree.reach FROM tree, LATERAL (
    SELECT inhrelid FROM pg_inherits WHERE inhparent = tree.oid AND tree.reach ? 'children'
    UNION ALL
    SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = tree.oid AND r.ev_class <> tree.oid
      AND tree.reach ? 'dependents'
  ) AS more (oid)
), reached AS (
  SELECT oid, conflicts FROM tree
  UNION SELECT i.inhparent, conflicts FROM tree JOIN pg_inherits i ON i.inhrelid = tree.oid AND reach ? 'parents'
  UNION SELECT p.partdefid, %(all)s::jsonb FROM tree
    JOIN pg_partitioned_table p ON p.partrelid = tree.oid AND p.partdefid <> 0 AND reach ? 'default'
  UNION SELECT p.partdefid, conflicts FROM tree JOIN pg_inherits i ON i.inhrelid = tree.oid AND reach ? 'parents'
    JOIN pg_partitioned_table p ON p.partrelid = i.inhparent AND p.partdefid <> 0
  UNION SELECT x.indrelid, conflicts FROM tree JOIN pg_index x ON x.indexrelid = tree.oid AND reach ? 'table'
  UNION SELECT x.indexrelid, conflicts FROM tree JOIN pg_index x ON x.indrelid = tree.oid AND reach ? 'indexes'
  UNION SELECT unnest(ARRAY[c.conrelid, c.confrelid]), conflicts FROM tree
    JOIN pg_constraint c ON c.contype = 'f' AND tree.oid IN (c.conrelid, c.confrelid) AND reach ? 'neighbors'
  UNION SELECT d.objid, conflicts FROM tree
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = tree.oid AND d.deptype IN ('a', 'i') AND reach ? 'sequences'
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
)
SELECT DISTINCT oid, mode FROM reached, jsonb_array_elements_text(conflicts) AS mode WHERE oid IS NOT NULL
"""

# A session between two transactions holds nothing unless it is doing something all the same.
_WORKING_SQL = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity a
    WHERE a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.pid NOT IN (%(pid)s, pg_backend_pid())
      AND CASE WHEN a.xact_start IS NULL THEN a.state IS DISTINCT FROM 'idle'
        ELSE a.xact_start < clock_timestamp() - make_interval(secs => %(older_s)s) END
  ) OR EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
"""

_HOLDERS_SQL = f"""
SELECT {_SESSION}, held.mode, held.relation
FROM (
  SELECT DISTINCT ON (l.virtualtransaction) l.pid, l.mode, l.relation::regclass::text AS relation
  FROM pg_locks l
  JOIN unnest(%(oids)s::oid[], %(modes)s::text[]) AS conflicting (oid, mode)
    ON conflicting.oid = l.relation AND conflicting.mode = l.mode
  WHERE l.locktype = 'relation' AND l.granted
    AND l.pid IS DISTINCT FROM %(pid)s AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  ORDER BY l.virtualtransaction, array_position({_STRENGTH}, l.mode) DESC
) held
LEFT JOIN pg_stat_activity a ON a.pid = held.pid
WHERE a.xact_start IS NULL OR a.xact_start < clock_timestamp() - make_interval(secs => %(older_s)s)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds what we wait for. `mode` and `relation` are empty for a row or transaction lock.

    Ages are seconds, None where this login may not see them. pid 0 is a prepared transaction.
    """

    pid: int
    user: str
    application: str
    backend_type: str
    state: str
    query_age_s: float | None
    xact_age_s: float | None
    mode: str
    relation: str

    @property
    def is_autovacuum(self) -> bool:
        """An autovacuum worker gives way by itself, but only to a waiter older than deadlock_timeout."""
        return self.backend_type == "autovacuum worker"

    def __str__(self) -> str:
        if self.pid == 0:
            return "a prepared transaction"
        who = f"pid {self.pid}" + (f", user {self.user}" if self.user else "")
        who += f', application "{self.application}"' if self.application else ""
        who += f", {self.mode} on {self.relation}" if self.mode else ""
        return who + (f", in its transaction for {self.xact_age_s:.1f} s" if self.xact_age_s is not None else "")

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)


def blockers(conn: psycopg.Connection[Any], pid: int) -> tuple[Blocker, ...]:
    """The sessions the given backend waits for right now; () when it does not wait."""
    return tuple(conn.cursor(row_factory=class_row(Blocker)).execute(_BLOCKERS_SQL, {"pid": pid}))


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Relations with the lock modes that stand in the way there, as two lists of equal length; may be empty."""

    oids: tuple[int, ...] = ()
    modes: tuple[str, ...] = ()


def conflicts(conn: psycopg.Connection[Any], needs: Iterable[Need]) -> Conflicts:
    """What stands in the way of these needs on this target. Relations that do not exist are passed over."""
    named = [{"relation": n.relation, "conflicts": n.conflicts, "reach": sorted(n.reach)} for n in needs]
    if not named:
        return Conflicts()
    values = {"needs": Jsonb(named), "all": Jsonb(list(MODES))}
    found = conn.execute(_EXPAND_SQL, values).fetchall()
    return Conflicts(tuple(row[0] for row in found), tuple(row[1] for row in found))


def holders(
    conn: psycopg.Connection[Any], looked_for: Conflicts, *, not_pid: int, older_s: float = 0.02
) -> tuple[Blocker, ...]:
    """The other sessions whose transaction is older than `older_s` and holds one of the conflicting locks.

    An age this login may not see counts as old, and so does a prepared transaction.
    """
    if not looked_for.oids:
        return ()
    cursor = conn.cursor(row_factory=class_row(Blocker))
    values = {"pid": not_pid, "older_s": older_s, "oids": list(looked_for.oids), "modes": list(looked_for.modes)}
    return tuple(cursor.execute(_HOLDERS_SQL, values))


def somebody_works(conn: psycopg.Connection[Any], *, not_pid: int, older_s: float = 0.02) -> bool:
    """Whether any other session here can hold a lock in a transaction older than `older_s`: a cheap first look."""
    row = conn.execute(_WORKING_SQL, {"pid": not_pid, "older_s": older_s}).fetchone()
    return row is None or bool(row[0])


def sees_ages(conn: psycopg.Connection[Any]) -> bool:
    """Whether this login may see how old the transactions of others are."""
    row = conn.execute("SELECT pg_has_role('pg_read_all_stats', 'USAGE')").fetchone()
    return bool(row and row[0])


def behind(conn: psycopg.Connection[Any], pid: int, longer_s: float) -> int:
    """How many sessions have waited longer for a lock that the given backend holds or asked for before them."""
    row = conn.execute(
        "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid <> %(pid)s"
        " AND clock_timestamp() - waitstart > make_interval(secs => %(longer_s)s)"
        " AND %(pid)s = ANY (pg_blocking_pids(pid))",
        {"pid": pid, "longer_s": longer_s},
    ).fetchone()
    return int(row[0]) if row else 0


def is_gone(conn: psycopg.Connection[Any], *, pid: int, started: str) -> bool:
    """Whether a backend has ended, so that what it did is decided. `started` as Session.started."""
    row = conn.execute(
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE pid = %s AND extract(epoch FROM backend_start)::text = %s)",
        (pid, started),
    ).fetchone()
    return bool(row and row[0])
