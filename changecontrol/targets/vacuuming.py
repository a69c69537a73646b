"""VACUUM between batches: what they leave behind is used again, and the table does not grow with every batch."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import pq

from changecontrol.rules.figures import duration
from changecontrol.rules.refusal import Refused
from changecontrol.targets import wire
from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Limits
from changecontrol.targets.watching import Watch

_LEAST_ROWS = 1000  # of a smaller table nothing is worth cleaning up
_POLL_S = 0.05
_PATIENCE_S = 60.0  # a VACUUM so slow is left alone, and the table grows
_AHEAD = 0.5  # of a share: so far may batches get ahead of a VACUUM that runs
_AGAIN = 0.25  # of a share: dead rows that a VACUUM could not remove are no reason to try it after every batch

_TABLE_SQL = """
WITH RECURSIVE tree AS (
  SELECT to_regclass(%s)::oid AS oid UNION SELECT inhrelid FROM pg_inherits, tree WHERE inhparent = tree.oid
)
SELECT array_agg(c.oid::bigint), sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)))::float8,
  bool_and(pg_has_role(c.relowner, 'USAGE') OR {maintain})
FROM tree JOIN pg_class c ON c.oid = tree.oid
"""


@dataclass(slots=True)
class Table:
    """The table of a batched step: its name as SQL, itself with all partitions, about how many rows it has."""

    name: str
    oids: list[int]
    rows: float
    may_vacuum: bool


def table_of(session: Session, name: str) -> Table:
    """Look the table up. One that does not exist has no oids."""
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
    newer = session.info.server_version >= 170000
    maintain = "has_table_privilege(c.oid, 'MAINTAIN')" if newer else "false"
    row = session.execute(_TABLE_SQL.format(maintain=maintain).encode(), (quoted,)).fetchone()
    if row is None or row[0] is None:
        return Table(quoted, [], 0.0, False)
    return Table(quoted, [int(oid) for oid in row[0]], row[1], bool(row[2]))


@dataclass(slots=True)
class Maid:
    """Cleans up one table whenever a share of it was changed: by a session of its own, outside of any transaction.

    The batches go on meanwhile; they wait when they get too far ahead, and at the end of the step.
    """

    session: Session
    watch: Watch
    table: Table
    limits: Limits
    changed: int = 0  # rows since the last time
    _own: Session | None = None
    _since: float | None = None  # a VACUUM runs since then
    _refused: bool = False

    def tidy(self, changed: int, dead: float) -> None:
        """Count the rows of a batch; begin to clean up when it is time. `dead`: rows to be cleaned up, as counted."""
        self.changed += changed
        share = max(self.table.rows * self.limits.vacuum_share, _LEAST_ROWS)
        due = self.changed >= share or (dead > share and self.changed >= share * _AGAIN)
        if self.changed >= share * _AHEAD:
            self.finish(_PATIENCE_S)  # what it makes free is needed by now, or the table grows
        if self._look() or not due or self._refused or self.limits.vacuum_share <= 0:
            return
        self.changed = 0
        if self.table.may_vacuum:
            self._begin()
            return
        self._refused = True
        said = f"This login may not VACUUM {self.table.name}: autovacuum alone cleans up behind the batches."
        self.watch.emit("notice", said, severity="WARNING")

    def finish(self, at_most_s: float = math.inf) -> None:
        """Wait for the VACUUM that runs; when the run ends it is stopped, and nothing of ours is locked any more."""
        since = time.monotonic()
        while self._look() and time.monotonic() - since < at_most_s:
            if self.watch.asked_to_stop() or self.watch.remaining_s <= 0:
                self.stop()
                return
            self.watch.pause(_POLL_S)

    def stop(self) -> None:
        """Cancel the VACUUM that runs; what it has cleaned up stays."""
        if self._own is not None and self._since is not None:
            with suppress(psycopg.Error):
                self._own.cancel_safe(timeout=5)
                while self._own.pgconn.get_result() is not None:
                    pass
            self._since = None

    def close(self) -> None:
        """Stop, and end the second session."""
        self.stop()
        if self._own is not None:
            self._own.close()
            self._own = None

    def _begin(self) -> None:
        # SKIP_LOCKED: never behind an autovacuum worker or anybody else; TRUNCATE would take a strong lock
        text = f"VACUUM (TRUNCATE FALSE, SKIP_LOCKED, PARALLEL 0) {self.table.name}"
        try:
            if self._own is None:
                self._own = self.session.twin("vacuum")
                wire.send(self._own, "SET statement_timeout = 0")
            self._own.pgconn.send_query(text.encode())
            self._own.pgconn.flush()
            self._since = time.monotonic()
        except (Refused, psycopg.Error) as error:
            self._broken(error.sentence if isinstance(error, Refused) else str(error))

    def _look(self) -> bool:
        """Whether a VACUUM runs; tells how far it is, and when it has ended."""
        if self._own is None or self._since is None:
            return False
        connection = self._own.pgconn
        try:
            connection.consume_input()
            if connection.is_busy():
                self.watch.tell_progress(self._own.info.backend_pid)
                return True
            results = []
            while (result := connection.get_result()) is not None:
                results.append(result)
        except psycopg.Error as error:
            self._broken(str(error))
            return False
        ms = round((time.monotonic() - self._since) * 1000, 1)
        self._since = None
        failed = [one for one in results if one.status == pq.ExecStatus.FATAL_ERROR]
        if failed:
            self._broken(failed[0].get_error_message())
        else:
            self.watch.emit(
                "vacuumed", f"Cleaned up {self.table.name} (VACUUM) in {duration(ms)}.", table=self.table.name, ms=ms
            )
        return False

    def _broken(self, reason: str) -> None:
        self._since = None
        if self._own is not None:
            self._own.close()
            self._own = None
        said = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
        self.watch.emit("notice", f"VACUUM {self.table.name} did not work: {said}", severity="WARNING")
