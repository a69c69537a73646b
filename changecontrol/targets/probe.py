"""The probe of a rehearsal: sees what each statement of a run does, on the run's own session.

A transaction step is read after each statement inside its transaction, exactly (readings.py). A single step is sampled
from a second session (sampling.py) and its files are compared afterwards; a batched step is one statement as a whole.
Rehearsals only: a run on production has no probe.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

import psycopg
from psycopg import pq

from changecontrol.rules.observed import Observed
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Statement, Step, StepKind
from changecontrol.targets import readings, wire
from changecontrol.targets.comparing import Known
from changecontrol.targets.connection import Session
from changecontrol.targets.readings import Reading
from changecontrol.targets.sampled import Sampled

T = TypeVar("T")

#: What PostgreSQL would hide: its own remarks, and what parallel workers read.
_SETTINGS_SQL = (
    "SET client_min_messages = debug1; SET max_parallel_maintenance_workers = 0;"
    " SET max_parallel_workers_per_gather = 0"
)
#: These take no snapshot, so that SET TRANSACTION may still follow; our own reading would take one.
_QUIET = frozenset({"VariableSetStmt", "VariableShowStmt", "ConstraintsSetStmt"})
#: Code may DEALLOCATE what is prepared, and a reading that fails would fail the script.
_CODE = frozenset({"DoStmt", "SelectStmt", "CallStmt", "ExecuteStmt"})
_WORTH_PREPARING = 2
_names = itertools.count(1)
#: So many remarks of the server are kept of a statement: a loop in a function can cause any number.
_SAYS = 200
_SET_TRANSACTION = re.compile(r"SET\s+TRANSACTION\b", re.I)


class Probe:
    """Give it to `runner.run` and read `observed` afterwards: one Observed for each statement sent, in order.

    One probe for one run: what is there when it is made was there before the script.
    """

    def __init__(self, session: Session) -> None:
        self.observed: list[Observed] = []
        self._session = session
        self._known = Known(readings.catalog(session), readings.settings(session))
        self._prepared = ""  # the reading's name on the session, where it is prepared
        self._eye: Session | None = None  # looks at single steps from outside
        self._step: Step | None = None
        self._last: Reading | None = None
        self._says: list[str] = []
        self._rows = 0
        self._quiet_to = 0  # the number of the statement behind which a snapshot may be taken
        self._open: list[tuple[int, float, float]] = []  # place in `observed`, when it began, our own cost until then
        self._own_s = 0.0  # what reading has cost: no part of how long a lock is held
        session.add_notice_handler(self._hear)

    def close(self) -> None:
        """Look and listen no longer."""
        if self._eye is not None:
            self._eye.close()
        with suppress(ValueError):
            self._session.remove_notice_handler(self._hear)

    def begin(self, step: Step) -> None:
        """A step is about to begin, or to begin again: what a try that was rolled back showed is forgotten."""
        self.observed[:] = [seen for seen in self.observed if seen.step != step.number]
        self._known.forget()
        self._step, self._last, self._open, self._rows = step, None, [], 0
        self._quiet_to = max((one.number for one in step.statements if _SET_TRANSACTION.match(one.sql)), default=0)
        wire.send(self._session, _SETTINGS_SQL)
        if step.kind is StepKind.TRANSACTION and len(step.statements) > _WORTH_PREPARING and not self._prepared:
            self._prepared = f"cc_reading_{next(_names)}"
            readings.prepare(self._session, self._prepared)

    def observe(self, statement: Statement, send: Callable[[], T]) -> T:
        """Send a statement and keep what it did, whether it succeeds or not."""
        assert self._step is not None  # the runner begins every step
        self._says = []
        if self._step.kind is StepKind.TRANSACTION:
            return self._exactly(statement, send)
        return self._as_a_whole(self._step, statement, send)

    def tell_rows(self, rows: int) -> None:
        """What the server reported of all batches of a batched step."""
        self._rows = rows

    def committed(self) -> None:
        """The transaction is over: what its statements locked was held until now."""
        self._settle()
        self._known.keep()

    def failed_to_commit(self, error: psycopg.Error) -> None:
        """The server refused the COMMIT: a deferred constraint, whose statement nobody can tell any more."""
        if self.observed and self._step and self.observed[-1].step == self._step.number:
            self.observed[-1] = replace(self.observed[-1], error=f"{_said(error)} (at COMMIT)")

    def _settle(self) -> None:
        now = time.monotonic()
        for place, began, own_s in self._open:
            held = round((now - began - (self._own_s - own_s)) * 1000, 3)
            seen = self.observed[place]
            self.observed[place] = replace(seen, held_ms=dict.fromkeys(seen.locks, held))
        self._open = []

    def _exactly(self, statement: Statement, send: Callable[[], T]) -> T:
        if self._last is None and statement.kind not in _QUIET and statement.number > self._quiet_to:
            with self._at_own_cost():
                self._last = readings.start(self._session)
        if statement.kind in _CODE:
            self._prepared = ""
        own_s, began = self._own_s, time.monotonic()
        try:
            answer = send()
        except psycopg.Error as error:
            seen = self._new(statement, began, error)
            self._keep(self._read_after_error(seen), began, own_s)
            self._settle()
            raise
        seen = self._new(statement, began, None)
        with self._at_own_cost():
            seen = self._read(seen, reported=getattr(answer, "rows", 0))
        self._keep(seen, began, own_s)
        return answer

    def _keep(self, seen: Observed, began: float, own_s: float) -> None:
        self._open.append((len(self.observed), began, own_s))
        self.observed.append(seen)

    def _as_a_whole(self, step: Step, statement: Statement, send: Callable[[], T]) -> T:
        if self._eye is None:
            with suppress(Refused, psycopg.Error):  # without a second session only what is certain is known
                self._eye = self._session.twin("probe")
        sampled = Sampled(self._session, self._eye, self._known, step, statement)
        error: Exception | None = None
        try:
            with sampled:
                began = time.monotonic()
                return send()
        except Exception as raised:
            error = raised
            raise
        finally:
            seen = self._new(statement, began, error)
            self.observed.append(sampled.complete(seen, rows=self._rows))
            self._known.keep()

    def _new(self, statement: Statement, began: float, error: Exception | None) -> Observed:
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
            says=tuple(dict.fromkeys(self._says))[:_SAYS],
            error=_said(error) if error else "",
        )

    def _read(self, seen: Observed, *, reported: int) -> Observed:
        """Compare the transaction with how it was before the statement."""
        before = self._last
        if before is None:  # only SET so far, and perhaps LOCK, whose locks are seen with the next statement
            return replace(seen, settings=self._known.left_changed({}, readings.settings(self._session)))
        after = self._last = readings.read(self._session, before, prepared=self._prepared)
        found = self._known.compare(before, after)
        tables = self._known.worked_through(found, after.relations)
        return replace(seen, **found, sizes=self._known.sizes(self._session, tables), reported=reported)

    def _read_after_error(self, seen: Observed) -> Observed:
        """After an error the locks are gone; the counts can still be read."""
        session, before = self._session, self._last
        if before is None or session.closed or session.info.transaction_status != pq.TransactionStatus.INERROR:
            return seen
        with suppress(psycopg.Error):
            scanned = readings.scanned_after_error(session)
            return replace(seen, scans=self._known.counted(before.scanned, scanned, before.relations))
        return seen

    @contextmanager
    def _at_own_cost(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._own_s += time.monotonic() - began

    def _hear(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Keep what the server itself remarks; what a script raises is its own word."""
        if diagnostic.source_function != "exec_stmt_raise" and diagnostic.message_primary:
            self._says.append(diagnostic.message_primary)


def _said(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        text = error.diag.message_primary or str(error).strip().partition("\n")[0]
        return f"{error.sqlstate or ''} {text}".strip()
    return str(error)
