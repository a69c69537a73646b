"""The limits of a rehearsal: how long it may take and how much disk it may fill before it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from changecontrol.rules.refusal import Refused
from changecontrol.targets.connection import Session, Where, connect

_LOOK_EVERY_S = 0.5
#: How long a statement may ignore that it was canceled, before its session is ended.
_PATIENCE_S = 10.0

#: The database's files, and the temporary files of its sessions where the login may see them.
_SIZE_SQL = """
SELECT pg_database_size(current_database())
"""
_TEMPORARY_SQL = """
SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_tmpdir()
WHERE substring(name FROM '^pgsql_tmp(\\d+)')::int IN
  (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
"""


class RehearsalStopped(Refused):
    """The rehearsal was stopped: {reason}"""


class CopyLost(Refused):
    """The connection to the copy broke, so this rehearsal says nothing about the migration: {sentence} Rehearse
    again."""


@dataclass(frozen=True, slots=True)
class RehearsalLimits:
    """What a rehearsal may take: seconds for everything it runs, bytes that its database grows by and its temporary
    files fill, and how many rows are generated for a table that has none."""

    seconds: float = 900.0
    bytes: int = 8 << 30
    rows: int = 24


class Guard:
    """Watches the limits over a session of its own, which it opens only when something takes long.

    `stop` is made for `runner.run`: it is asked every moment in the caller's own thread. `reached` is the sentence of
    the limit that was reached, `asked` the reason somebody else gave.
    """

    def __init__(self, where: Where, limits: RehearsalLimits, stop: Callable[[], str | None]) -> None:
        self.where, self.limits = where, limits
        self.asked = ""
        self._there = 0  # what the copy took before anything ran on it
        self._stop, self._session = stop, None
        self._looked = time.monotonic()
        self.allow(limits.seconds)

    _session: Session | None
    _timer: threading.Timer | None = None

    def allow(self, seconds: float) -> None:
        """Let what runs from now on take so long, whatever was reached before."""
        if self._timer is not None:
            self._timer.cancel()
        self.reached = ""
        self._ends = time.monotonic() + seconds
        self._timer = threading.Timer(seconds + _PATIENCE_S, self._end_sessions)
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        """End the watching."""
        if self._timer is not None:
            self._timer.cancel()
        self.forget()

    def forget(self) -> None:
        """Close the watching session: the database behind it is about to be made anew."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def count_from_here(self, session: Session) -> None:
        """Only what the database grows by from now on counts: a restored copy is large from the beginning."""
        row = session.execute(_SIZE_SQL.encode()).fetchone()
        self._there = int(row[0]) if row else 0

    @property
    def remaining_s(self) -> float:
        """Seconds left; not below 0."""
        return max(self._ends - time.monotonic(), 0.0)

    def stop(self) -> str | None:
        """Give the reason to stop, if there is one."""
        if not self.asked:
            self.asked = self._stop() or ""
        if not self.asked and not self.reached:
            self._look()
        return self.asked or self.reached or None

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._ends:
            self.reached = f"it took longer than the {self.limits.seconds:g} s a rehearsal may take"
        elif now - self._looked >= _LOOK_EVERY_S:
            size = self._size()
            self._looked = time.monotonic()
            if size > self.limits.bytes:
                self.reached = (
                    f"it filled {_mb(size)} of disk, more than the {_mb(self.limits.bytes)} a rehearsal may use"
                )

    def _size(self) -> int:
        """0 when nobody can be asked: then the limit of time remains."""
        try:
            if self._session is None:
                self._session = connect(self.where, application_name="rehearsal guard")
            total = self._number(_SIZE_SQL) - self._there
        except (Refused, psycopg.Error):
            self.forget()
            return 0
        with suppress(psycopg.errors.InsufficientPrivilege):
            total += self._number(_TEMPORARY_SQL)
        return total

    def _number(self, query: str) -> int:
        assert self._session is not None  # the caller opened it
        row = self._session.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    def _end_sessions(self) -> None:
        """A script that catches its own cancellation: its session is ended."""
        with suppress(Refused, psycopg.Error):
            with connect(self.where, application_name="rehearsal guard") as session:
                session.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


def _mb(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MB"
