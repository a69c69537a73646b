"""Who stands in the way: read from a second session while the first one waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

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

_HOLDERS_SQL = f"""
SELECT {_SESSION}, held.mode, held.relation
FROM (
  SELECT DISTINCT ON (l.pid) l.pid, l.mode, l.relation::regclass::text AS relation
  FROM pg_locks l
  WHERE l.locktype = 'relation' AND l.granted AND l.pid <> %(pid)s AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.relation IN (SELECT to_regclass(t)::oid FROM unnest(%(tables)s::text[]) t)
  ORDER BY l.pid, array_position({_STRENGTH}, l.mode) DESC
) held
JOIN pg_stat_activity a ON a.pid = held.pid
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


def holders(
    conn: psycopg.Connection[Any], tables: Iterable[str], *, not_pid: int, older_s: float = 0.02
) -> tuple[Blocker, ...]:
    """The other sessions whose transaction is older than `older_s` and holds any lock on one of the tables.

    An age this login may not see counts as old. Tables that do not exist are passed over.
    """
    named = list(tables)
    if not named:
        return ()
    cursor = conn.cursor(row_factory=class_row(Blocker))
    return tuple(cursor.execute(_HOLDERS_SQL, {"pid": not_pid, "tables": named, "older_s": older_s}))


def is_gone(conn: psycopg.Connection[Any], *, pid: int, started: str) -> bool:
    """Whether a backend has ended, so that what it did is decided. `started` as Session.started."""
    row = conn.execute(
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE pid = %s AND extract(epoch FROM backend_start)::text = %s)",
        (pid, started),
    ).fetchone()
    return bool(row and row[0])
