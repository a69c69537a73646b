"""What every kind of step needs from its run: patience, sending, retrying, recording, committing."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg

from changecontrol.rules.script import LockClass, Script, Statement, Step
from changecontrol.targets import errors, ledger, wire
from changecontrol.targets.connection import Session
from changecontrol.targets.folding import InFlight, Net
from changecontrol.targets.outcome import Failure, Limits, Order, State
from changecontrol.targets.probe import Probe
from changecontrol.targets.watching import Watch

T = TypeVar("T")


class Halt(Exception):
    """Ends the run: with a state and why."""

    def __init__(self, state: State, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.state, self.failure = state, failure


class CommitUnclear(Exception):
    """The connection broke during COMMIT. `xid` is asked afterwards."""

    def __init__(self, xid: int, cause: psycopg.Error) -> None:
        super().__init__(str(xid))
        self.xid, self.cause = xid, cause


@dataclass(slots=True)
class Run:
    """One run in progress."""

    session: Session
    script: Script
    order: Order
    limits: Limits
    watch: Watch
    net: Net
    backend_pid: int  # the session's, remembered for when it is broken
    probe: Probe | None = None  # in a rehearsal: sees what every statement does
    current: Statement | None = None
    done: set[int] = field(default_factory=set)
    single_began: int | None = None  # the single step this run began and has not finished
    began_detail: dict[str, object] = field(default_factory=dict)  # what its `began` row noted
    yielding: bool = False  # the next try waits long enough for an autovacuum worker to give way
    yield_ms: int = 1500

    def flight(self, step: Step) -> InFlight | None:
        """What an earlier run left of this step."""
        flight = self.net.in_flight
        if flight and (flight.step, flight.direction) == (step.number, self.order.direction):
            return flight
        return None

    def send(
        self,
        text: str,
        *,
        params: Sequence[str | None] | None = None,
    ) -> wire.Reply:
        """Send under watch; of an answer's rows the first is kept."""
        self.watch.blockers = ()
        try:
            return wire.send(self.session, text, tick=self.watch.tick, params=params, keep=1)
        finally:
            self.watch.flush()

    def run_statement(self, statement: Statement) -> wire.Reply:
        """Send a statement's own text, tell how long it took."""
        self.current, self.watch.statement = statement, statement.number
        if self.watch.asked_to_stop():
            raise self.aborted()
        started = time.monotonic()
        reply = self.observed(statement, lambda: self.send(statement.sql))
        self.told(statement, reply, started)
        return reply

    def observed(self, statement: Statement, send: Callable[[], T]) -> T:
        """Send under the probe's eyes where there is one."""
        return send() if self.probe is None else self.probe.observe(statement, send)

    def told(self, statement: Statement, reply: wire.Reply, started: float) -> None:
        """Emit `statement_done`."""
        ms = round((time.monotonic() - started) * 1000, 1)
        self.watch.emit("statement_done", f"{reply.tag or statement.kind} in {ms} ms", ms=ms, rows=reply.rows)

    def pace(self, lock: LockClass, *, local: bool) -> None:
        """Set the timeouts for the next statement by what its lock does to others. Takes no snapshot."""
        wait = {LockClass.STRONG: self.limits.lock_ms, LockClass.PATIENT: 0}.get(lock, self.limits.dml_lock_ms)
        if self.yielding and lock is LockClass.STRONG:
            wait = self.yield_ms
        whole = self.limits.statement_ms or int(max(self.watch.remaining_s, 0) * 1000) + 5000
        if lock is LockClass.PATIENT and not self.limits.statement_ms:
            whole = 0  # a timeout would leave an INVALID index; the watch cancels at the deadline
        elif whole <= wait:
            whole = wait + 1000
        scope = "LOCAL" if local else "SESSION"
        wire.send(self.session, f"SET {scope} lock_timeout = {wait}; SET {scope} statement_timeout = {whole}")

    def own_role(self) -> None:
        """Inside a transaction: back to our own role, so that the ledger row is ours whatever the script set."""
        role = self.session.where.set_role.replace('"', '""')
        back = f'SET LOCAL ROLE "{role}"' if role else "RESET ROLE"
        wire.send(self.session, f"RESET SESSION AUTHORIZATION; {back}; SET LOCAL lock_timeout = 3000")

    def record(self, kind: str, step: Step | None, **detail: object) -> int:
        """Write a ledger row in the current transaction. Gives the transaction's id."""
        number = step.number if step else None
        if step:
            detail = {"step_digest": step_digest(step), **detail}
        _, xid = ledger.write(self.session, self.order, kind, step=number, steps=len(self.script.steps), detail=detail)
        return xid

    def commit(self, xid: int) -> None:
        """COMMIT. Raises CommitUnclear when the connection broke and only the server knows."""
        try:
            reply = self.send("COMMIT")
        except psycopg.Error as error:
            if self.session.closed:
                raise CommitUnclear(xid, error) from error
            raise
        if reply.tag != "COMMIT":
            raise psycopg.errors.InFailedSqlTransaction("the server rolled the transaction back at COMMIT")

    def retrying(self, step: Step, once: Callable[[int], T]) -> T:
        """Try a step until it succeeds, fails for good, is aborted, or the deadline passes.

        The whole step is rolled back before each further try. Raises Halt.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return once(attempt)
            except psycopg.Error as error:
                lost = self.session.closed
                if not lost:
                    roll_back(self.session)
                self._judge(step, error, lost=lost)
                self._announce(error, attempt)
            self.watch.pause(self.limits.pause_ms / 1000 * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
            if self.watch.asked_to_stop():
                raise self.aborted()
            if self.watch.remaining_s <= 0:
                raise Halt("failed", self.too_late(step))

    def aborted(self) -> Halt:
        """The Halt of an abort that was asked for."""
        step, statement = self.watch.step, self.current
        return Halt(
            "aborted",
            Failure(
                sentence=f"Aborted: {self.watch.reason}",
                step=step,
                statement=statement.number if statement else None,
                line=statement.line if statement else None,
                column=statement.column if statement else None,
            ),
        )

    def too_late(self, step: Step) -> Failure:
        """The Failure of the deadline: names the tables and who blocked."""
        statement = self.current or step.statements[0]
        tables = ", ".join(dict.fromkeys(statement.tables)) or "its tables"
        found = self.watch.blockers or self.watch.holders(list(statement.tables))
        who = " Blocked by " + "; ".join(str(blocker) for blocker in found) + "." if found else ""
        waited = f"the deadline of {self.limits.deadline_s:g} s passed"
        text = f"{statement.source} line {statement.line}: {waited} before {tables} could be locked and changed."
        if not found:
            text = f"{statement.source} line {statement.line}: {waited} while this statement was running on {tables}."
        return Failure(
            sentence=f"{text}{who} End what blocks it, or try again at a quieter time.",
            sqlstate="55P03" if found else "57014",
            step=step.number,
            statement=statement.number,
            line=statement.line,
            column=statement.column,
        )

    def _judge(self, step: Step, error: psycopg.Error, *, lost: bool) -> None:
        if lost:
            failure = errors.lost_connection(error, step=step.number, statement=self.current)
            raise Halt("failed", failure) from error
        if self.watch.reason:
            raise self.aborted() from error
        if self.watch.late:
            raise Halt("failed", self.too_late(step)) from error
        if error.sqlstate not in errors.RETRYABLE:
            raise Halt("failed", errors.explain(error, step=step.number, statement=self.current)) from error

    def _announce(self, error: psycopg.Error, attempt: int) -> None:
        found = self.watch.blockers
        if not found and self.current is not None:
            found = self.watch.holders(list(self.current.tables), older_s=0)
            self.watch.tell(found)
        # An autovacuum worker is canceled only by a waiter older than deadlock_timeout: one long try, announced.
        self.yielding = bool(found) and not self.yielding and all(blocker.is_autovacuum for blocker in found)
        what = {"55P03": "the lock was not free", "40P01": "a deadlock", "40001": "a concurrent change"}
        text = (
            f"Try {attempt} ended: {what.get(error.sqlstate or '', 'it may succeed again')}; rolled back, trying again"
        )
        if self.yielding:
            shown = wire.send(
                self.session, "SELECT setting::int + 500 FROM pg_settings WHERE name = 'deadlock_timeout'"
            )
            self.yield_ms = int(shown.values[0][0] or 0)
            text += ", long enough for autovacuum to give way"
        self.watch.emit("retry", f"{text}.", attempt=attempt, sqlstate=error.sqlstate or "")


def roll_back(session: Session) -> None:
    """Leave whatever transaction is open. A late cancel may hit the first ROLLBACK."""
    for _ in range(2):
        if session.closed or session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            return
        with suppress(psycopg.Error):
            wire.send(session, "ROLLBACK")


def step_digest(step: Step) -> str:
    """SHA-256 over what a step sends, so that a revision with equal first steps can resume behind them."""
    parts = [step.kind.value, step.begin_sql, *(statement.sql for statement in step.statements)]
    if step.batch is not None:
        parts += [step.batch.key, step.batch.bounded_sql]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
