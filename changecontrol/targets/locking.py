"""One session advisory lock per target database, so that at most one execution works on it.

The lock is polled with try and never waited for: a waiter would hold a snapshot, and CREATE INDEX CONCURRENTLY in
the session that has the lock would then deadlock with it (40P01).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from changecontrol.rules.refusal import Refused
from changecontrol.targets.outcome import Event

#: The lock's name as people read it in pg_locks, and its two halves there (classid and objid).
NAME = b"chg-ctrl"
_CLASS, _OBJECT = int.from_bytes(NAME[:4]), int.from_bytes(NAME[4:])
_KEY = int.from_bytes(NAME)

_POLL_S = 0.2


class TargetBusy(Refused):
    """{target} is in use by another execution ({holder}). Only one may work on a target at a time; try again when it
    has finished."""


class LockAborted(Refused):
    """Waiting for {target} was aborted: {reason}"""


@contextmanager
def lock(
    conn: psycopg.Connection[Any],
    *,
    deadline: float,
    on_event: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
) -> Iterator[None]:
    """Hold the target's advisory lock around the block. `deadline`: seconds to keep trying, 0 for one try.

    Needs an autocommit connection outside a transaction. Emits `waiting` events while another holds it. Raises
    TargetBusy at the deadline and LockAborted when `stop` gives a reason. The server gives the lock free by itself
    when the session ends.
    """
    ends, told = time.monotonic() + deadline, ""
    while not _try(conn):
        holder = holder_of(conn)
        reason = stop()
        if reason:
            raise LockAborted(target=_target(conn), reason=reason)
        if time.monotonic() >= ends:
            raise TargetBusy(target=_target(conn), holder=holder or "it ended just now")
        if holder and holder != told:
            on_event(Event("waiting", None, None, f"Waiting for {holder} to release the target.", {"holder": holder}))
            told = holder
        time.sleep(min(_POLL_S, max(ends - time.monotonic(), 0.01)))
    try:
        yield
    finally:
        if not conn.closed:
            try:
                conn.execute("SELECT pg_advisory_unlock(%s)", (_KEY,))
            except psycopg.Error:
                conn.close()  # closing the session releases the lock whatever state it was in


def lock_is_held(conn: psycopg.Connection[Any]) -> bool:
    """Whether this very session holds the lock."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"
        " AND objsubid = 1 AND pid = pg_backend_pid())",
        (_CLASS, _OBJECT),
    ).fetchone()
    return bool(row and row[0])


def holder_of(conn: psycopg.Connection[Any]) -> str:
    """Who holds the lock, such as 'CR-0042 execution 7, pid 123, as migrator'; empty when nobody does."""
    row = conn.execute(
        "SELECT a.application_name, l.pid, a.usename FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 1"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (_CLASS, _OBJECT),
    ).fetchone()
    return f"{row[0] or 'an unnamed session'}, pid {row[1]}, as {row[2] or 'unknown'}" if row else ""


def _try(conn: psycopg.Connection[Any]) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", (_KEY,)).fetchone()
    return bool(row and row[0])


def _target(conn: psycopg.Connection[Any]) -> str:
    return getattr(getattr(conn, "where", None), "called", "the target")
