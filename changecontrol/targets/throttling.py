"""Whether the batches have to wait for others: replicas, the archive, autovacuum, users, old snapshots."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Throttle
from changecontrol.targets.watching import Watch

_FRESH_S = 0.25  # what was read so shortly before is still true
_WAIT_S = 0.2  # between two looks while something is
_SLOW_TIMES = 3  # a slow answer counts when it comes so often in a row

_READING_SQL = """
SELECT
  (SELECT max(extract(epoch FROM replay_lag))::float8 FROM pg_stat_replication) AS lag_s,
  (SELECT count(*) FROM pg_stat_activity
   WHERE state = 'active' AND backend_type = 'client backend' AND pid <> ALL (%(ours)s)) AS active,
  (SELECT max(extract(epoch FROM clock_timestamp() - since))::float8 FROM (
    SELECT xact_start FROM pg_stat_activity
    WHERE backend_xmin IS NOT NULL AND datname = current_database() AND backend_type = 'client backend'
      AND pid <> ALL (%(ours)s)
    UNION ALL
    SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) AS old (since)) AS xmin_s,
  (SELECT min(p.pid) FROM pg_stat_progress_vacuum p JOIN pg_stat_activity a USING (pid)
   WHERE a.backend_type = 'autovacuum worker' AND p.datname = current_database()
     AND p.relid = ANY (%(oids)s::oid[])) AS autovacuum,
  (SELECT sum(pg_stat_get_dead_tuples(oid))::float8 FROM unnest(%(oids)s::oid[]) AS oid) AS dead
"""
_ARCHIVE_SQL = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
_MAY_ARCHIVE_SQL = (
    "SELECT current_setting('archive_mode') <> 'off' AND has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')"
)


@dataclass(slots=True)
class Reading:
    """What one look showed; None where it cannot be seen."""

    lag_s: float | None = None
    active: int = 0
    xmin_s: float | None = None
    autovacuum: int | None = None  # pid of the worker on our table
    dead: float = 0.0  # rows
    backlog: int = 0  # WAL files that wait for the archive
    took_s: float = 0.0  # how long the server took to answer


@dataclass(slots=True)
class Gauge:
    """Looks around for one batched step. `oids`: its table with all partitions."""

    watch: Watch
    oids: list[int]
    limits: Throttle
    last: Reading = field(default_factory=Reading)
    _found: tuple[str, str] = ("", "")
    _looked_at: float = -_FRESH_S
    _slow: int = 0
    _archives: bool | None = None
    _outwaited: int | None = None  # pid of the autovacuum worker that was waited for long enough

    def look(self) -> None:
        """Look around once; best while the server works on a batch, when it takes no time of ours."""
        self._found = self._reason()

    def wait(self, in_between: Callable[[], None]) -> float:
        """Wait as long as something is in the way; seconds. Ends on an abort and at the deadline.

        `in_between` is called while waiting. Tells `throttled` with the reason when it begins, when the reason
        changes, and when it ends.
        """
        if time.monotonic() - self._looked_at >= _FRESH_S:
            self.look()
        since, told, autovacuum_since = time.monotonic(), "", time.monotonic()
        while not self.watch.asked_to_stop() and self.watch.remaining_s > 0:
            kind, reason = self._found
            waited = round(time.monotonic() - since, 1)
            if not reason:
                break
            if kind == "autovacuum" and time.monotonic() - autovacuum_since > self.limits.autovacuum_s:
                self._outwaited = self.last.autovacuum
                self.look()
                continue
            if kind != told:
                self.watch.emit("throttled", f"Waits: {reason}", reason=reason, kind=kind, waited_s=waited)
                told = kind
            in_between()
            self.watch.pause(_WAIT_S)
            self.look()
        seconds = time.monotonic() - since
        if told:
            text = f"Waited {seconds:.1f} s for others."
            self.watch.emit("throttled", text, reason="", kind="over", waited_s=round(seconds, 1))
        return seconds

    def _reason(self) -> tuple[str, str]:
        found = self.last = self.watch.ask(self._look, Reading())
        self._looked_at = time.monotonic()
        self._slow = self._slow + 1 if found.took_s * 1000 > self.limits.look_ms else 0
        limits = self.limits
        if found.lag_s is not None and found.lag_s > limits.replay_lag_s:
            return "replay lag", f"a replica is {found.lag_s:.1f} s behind."
        if found.backlog > limits.archive_files:
            return "archive", f"{found.backlog} WAL files wait for the archive."
        if found.autovacuum is not None and found.autovacuum != self._outwaited:
            return "autovacuum", f"autovacuum works on the table (pid {found.autovacuum})."
        if found.active > limits.active_sessions:
            return "active sessions", f"{found.active} sessions are active."
        if found.xmin_s is not None and found.xmin_s > limits.oldest_xmin_s:
            text = f"a transaction is {found.xmin_s:.0f} s old; what the batches leave behind cannot be cleaned up."
            return "old snapshot", text
        if self._slow >= _SLOW_TIMES:
            return "latency", f"the server took {found.took_s * 1000:.0f} ms to answer a small question."
        return "", ""

    def _look(self, seen: Session) -> Reading:
        started = time.monotonic()
        ours = [seen.info.backend_pid, self.watch.session.info.backend_pid]
        row = seen.execute(_READING_SQL, {"ours": ours, "oids": self.oids}).fetchone()
        assert row is not None  # one row of aggregates
        found = Reading(row[0], row[1], row[2], row[3], row[4] or 0.0, took_s=time.monotonic() - started)
        found.backlog = self._backlog(seen)
        return found

    def _backlog(self, seen: Session) -> int:
        if self._archives is None:
            allowed = seen.execute(_MAY_ARCHIVE_SQL).fetchone()
            self._archives = bool(allowed and allowed[0])
        if not self._archives:
            return 0
        try:
            row = seen.execute(_ARCHIVE_SQL).fetchone()
        except psycopg.errors.UndefinedFile:
            self._archives = False
            return 0
        return int(row[0]) if row else 0
