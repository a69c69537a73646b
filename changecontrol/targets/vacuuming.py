"""VACUUM between batches: what they leave behind is used again, and the table does not grow with every batch."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from changecontrol.rules.refusal import Refused
from changecontrol.targets import wire
from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Limits
from changecontrol.targets.watching import Watch

_LEAST_ROWS = 1000  # of a smaller table nothing is worth cleaning up
_AGAIN = 0.25  # of a share: dead rows that a VACUUM could not remove are no reason to try it after every batch

_TABLE_SQL = """
WITH RECURSIVE tree AS (
  SELECT to_regclass(%s)::oid AS oid UNION SELECT inhrelid FROM pg_inherits, tree WHERE inhparent = tree.oid
)
SELECT array_agg(c.oid::bigint), sum(greatest(c.reltuples, 0))::float8,
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
    """Cleans up one table by a session of its own, outside of any transaction, whenever a share of it was changed."""

    session: Session
    watch: Watch
    table: Table
    limits: Limits
    changed: int = 0  # rows since the last time
    _own: Session | None = None
    _refused: bool = False

    def tidy(self, changed: int, dead: float) -> None:
        """Count the rows of a batch; clean up when it is time."""
        self.changed += changed
        share = max(self.table.rows * self.limits.vacuum_share, _LEAST_ROWS)
        due = self.changed >= share or (dead > share and self.changed >= share * _AGAIN)
        if not due or self._refused or self.limits.vacuum_share <= 0:
            return
        self.changed = 0
        if not self.table.may_vacuum:
            self._refused = True
            said = f"This login may not VACUUM {self.table.name}: autovacuum alone cleans up behind the batches."
            self.watch.emit("notice", said, severity="WARNING")
            return
        self._vacuum()

    def close(self) -> None:
        """End the second session."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _vacuum(self) -> None:
        started = time.monotonic()
        try:
            if self._own is None:
                self._own = self.session.twin("vacuum")
                wire.send(self._own, "SET statement_timeout = 0")
            # SKIP_LOCKED: never behind an autovacuum worker or anybody else; TRUNCATE would take a strong lock
            text = f"VACUUM (TRUNCATE FALSE, SKIP_LOCKED, PARALLEL 0) {self.table.name}"
            wire.send(self._own, text, tick=self._tick)
        except (Refused, psycopg.Error) as error:
            self.close()
            if not self.watch.canceled:
                reason = error.sentence if isinstance(error, Refused) else str(error).strip().splitlines()[0]
                self.watch.emit("notice", f"VACUUM {self.table.name} did not work: {reason}", severity="WARNING")
            return
        ms = round((time.monotonic() - started) * 1000, 1)
        self.watch.emit("vacuumed", f"VACUUM {self.table.name} in {ms} ms.", table=self.table.name, ms=ms)

    def _tick(self) -> None:
        """Progress, an abort and the deadline while it runs."""
        if self._own is None:
            return
        self.watch.tell_progress(self._own.info.backend_pid)
        if self.watch.asked_to_stop() or self.watch.remaining_s <= 0:
            with suppress(psycopg.Error):
                self._own.cancel_safe(timeout=5)
