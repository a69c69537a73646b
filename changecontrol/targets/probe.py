"""The probe of a rehearsal: sees what each statement of a run does, on the run's own session.

A transaction step is read after each statement inside its transaction, exactly. A single step is sampled from a second
session every 2 ms (sampling.py), and its files are compared afterwards; a batched step is one statement as a whole.
Rehearsals only: a run on production has no probe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import psycopg
from psycopg import pq

from changecontrol.rules.observed import Observed, strongest
from changecontrol.rules.script import Statement, Step, StepKind
from changecontrol.targets import readings, wire
from changecontrol.targets.connection import Session
from changecontrol.targets.readings import STORED, TOLD, Reading

T = TypeVar("T")

#: What PostgreSQL would hide: its own remarks, and what parallel workers read.
_SETTINGS_SQL = (
    "SET client_min_messages = debug1; SET max_parallel_maintenance_workers = 0;"
    " SET max_parallel_workers_per_gather = 0"
)
#: Before these a transaction has no snapshot yet, and SET TRANSACTION may still follow.
_QUIET = frozenset({"VariableSetStmt", "VariableShowStmt", "ConstraintsSetStmt"})


class Probe:
    """Give it to `runner.run` and read `observed` afterwards. One probe for one run: what is there when it is made was
    there before the script.

    Names are those of the time before; relations that the script made are never in `locks`, `rewrites` and `indexes`,
    but are counted in `scans` and `rows`.
    """

    def __init__(self, session: Session) -> None:
        self.observed: list[Observed] = []
        self._session = session
        self._before = readings.catalog(session)
        self._files = {oid: relation.file for oid, relation in self._before.items()}
        self._normal = readings.settings(session)
        self._made: dict[int, str] = {}
        self._step: Step | None = None
        self._last: Reading | None = None
        self._says: list[str] = []
        self._open: list[tuple[int, float, float]] = []  # place in `observed`, when it began, our own cost until then
        self._own_s = 0.0  # what reading has cost: no part of how long a lock is held
        session.add_notice_handler(self._hear)

    def close(self) -> None:
        """Listen no longer."""
        with suppress(ValueError):
            self._session.remove_notice_handler(self._hear)

    def begin(self, step: Step) -> None:
        """A step is about to begin, or to begin again: what a try that was rolled back showed is forgotten."""
        self.observed[:] = [seen for seen in self.observed if seen.step != step.number]
        self._step, self._last, self._open = step, None, []
        wire.send(self._session, _SETTINGS_SQL)
        if step.kind is StepKind.TRANSACTION:
            readings.prepare(self._session)

    def observe(self, statement: Statement, send: Callable[[], T]) -> T:
        """Send a statement and keep what it did, whether it succeeds or not."""
        assert self._step is not None  # the runner begins every step
        if self._step.kind is StepKind.TRANSACTION:
            return self._exactly(statement, send)
        return self._as_a_whole(statement, send)

    def committed(self) -> None:
        """The transaction is over: what its statements locked was held until now."""
        now = time.monotonic()
        for place, began, own_s in self._open:
            held = round((now - began - (self._own_s - own_s)) * 1000, 3)
            seen = self.observed[place]
            self.observed[place] = replace(seen, held_ms=dict.fromkeys(seen.locks, held))
        self._open = []

    def _exactly(self, statement: Statement, send: Callable[[], T]) -> T:
        if self._last is None and statement.kind not in _QUIET:
            with self._at_own_cost():
                self._last = readings.start(self._session)
        self._says = []
        own_s, began = self._own_s, time.monotonic()
        try:
            answer = send()
        except psycopg.Error as error:
            seen = self._new(statement, began, error=_said(error))
            self._keep(self._failed(seen), began, own_s)
            self.committed()
            raise
        seen = self._new(statement, began)
        with self._at_own_cost():
            seen = self._read(statement, seen)
        self._keep(seen, began, own_s)
        return answer

    def _as_a_whole(self, statement: Statement, send: Callable[[], T]) -> T:
        self._says = []
        began = time.monotonic()
        error = ""
        try:
            return send()
        except Exception as raised:
            error = _said(raised)
            raise
        finally:
            self.observed.append(replace(self._new(statement, began, error=error), exact=False))

    def _new(self, statement: Statement, began: float, *, error: str = "") -> Observed:
        assert self._step is not None
        return Observed(
            step=self._step.number,
            statement=statement.number,
            ms=round((time.monotonic() - began) * 1000, 3),
            line=statement.line,
            column=statement.column,
            sql=statement.sql,
            kind=statement.kind,
            file=statement.source,
            says=tuple(self._says),
            error=error,
        )

    def _keep(self, seen: Observed, began: float, own_s: float) -> None:
        self._open.append((len(self.observed), began, own_s))
        self.observed.append(seen)

    def _at_own_cost(self) -> _Cost:
        return _Cost(self)

    def _read(self, statement: Statement, seen: Observed) -> Observed:
        """Compare the transaction with how it was before the statement."""
        if self._last is None:  # only SET so far
            return replace(seen, settings=self._left_changed({}, readings.settings(self._session)))
        before, after = self._last, readings.read(self._session)
        self._last = after
        found = replace(
            seen,
            locks=self._locks(before, after),
            rewrites=tuple(self._rewrites(after)),
            indexes=tuple(self._indexes(after)),
            scans=self._counted(before.scanned, after.scanned, after),
            rows=self._counted(before.changed, after.changed, after),
            new=tuple(self._new_ones(after)),
            settings=self._left_changed(before.settings, after.settings),
            wal_bytes=max(after.lsn - before.lsn, 0),
        )
        self._files.update({oid: relation.file for oid, relation in after.relations.items()})
        return found

    def _failed(self, seen: Observed) -> Observed:
        """After an error the locks are gone; the counts can still be read."""
        session = self._session
        if session.closed or session.info.transaction_status != pq.TransactionStatus.INERROR or not self._last:
            return seen
        try:
            after = readings.counts_after_error(session)
        except psycopg.Error:
            return seen
        return replace(seen, scans=self._counted(self._last.scanned, after.scanned, after))

    def _locks(self, before: Reading, after: Reading) -> dict[str, str]:
        locks = {}
        for oid, modes in after.modes.items():
            relation = self._before.get(oid)
            mode = strongest(*(modes - before.modes.get(oid, frozenset())))
            if relation and mode and relation.kind in TOLD:
                locks[relation.name] = mode
        return dict(sorted(locks.items()))

    def _rewrites(self, after: Reading) -> Iterator[str]:
        for oid, now in after.relations.items():
            was = self._before.get(oid)
            if was and was.kind in STORED and now.file != self._files[oid]:
                yield was.name

    def _indexes(self, after: Reading) -> list[str]:
        """A new index over an old one's file is the old one: ALTER TYPE keeps the files that still fit."""
        known = set(self._files.values())
        return sorted(
            self._before[oid].name if oid in self._before else now.name
            for oid, now in after.relations.items()
            if now.kind == "i" and now.table in self._before and now.file and now.file not in known
        )

    def _counted(self, before: Mapping[int, int], after: Mapping[int, int], reading: Reading) -> dict[str, int]:
        counts = {}
        for oid, count in after.items():
            now, was = reading.relations.get(oid), self._before.get(oid)
            kind = now.kind if now else was.kind if was else ""
            if kind in STORED and count > before.get(oid, 0):
                name = was.name if was else now.name if now else ""
                counts[name] = count - before.get(oid, 0)
        return dict(sorted(counts.items()))

    def _new_ones(self, after: Reading) -> list[str]:
        found = {
            oid: now.name
            for oid, now in after.relations.items()
            if now.kind in TOLD and oid not in self._before and oid not in self._made
        }
        self._made.update(found)
        return sorted(found.values())

    def _left_changed(self, before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
        return {
            name: value
            for name, value in after.items()
            if value != self._normal[name] and value != before.get(name, self._normal[name])
        }

    def _hear(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Keep what the server itself remarks; what a script raises is its own word."""
        if diagnostic.source_function != "exec_stmt_raise" and diagnostic.message_primary:
            self._says.append(diagnostic.message_primary)


class _Cost:
    """Time that reading takes, so that no statement and no lock is charged for it."""

    def __init__(self, probe: Probe) -> None:
        self._probe, self._began = probe, 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._probe._own_s += time.monotonic() - self._began


def _said(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        text = error.diag.message_primary or str(error).strip().partition("\n")[0]
        return f"{error.sqlstate or ''} {text}".strip()
    return str(error)
