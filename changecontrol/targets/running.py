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

from changecontrol.rules.lock_needs import needs
from changecontrol.rules.script import LockClass, Script, Statement, Step
from changecontrol.targets import errors, ledger, wire
from changecontrol.targets.connection import Session
from changecontrol.targets.folding import InFlight, Net
from changecontrol.targets.outcome import Failure, Limits, Order, State
from changecontrol.targets.pacing import Pace, pace
from changecontrol.targets.probe import Probe
from changecontrol.targets.watching import Watch

T = TypeVar("T")

_BACKOFF, _LONGEST = 1.2, 5.0  # every further try waits longer before it, up to so many times the first pause
_HURRIED_MS = 20
#: Statements that evaluate nothing of the script's which could change a timeout.
_LEAVES_SETTINGS = frozenset(
    {"AlterTableStmt", "CommentStmt", "CreatePolicyStmt", "CreateSeqStmt", "CreateStmt", "CreateTrigStmt", "DropStmt",
     "GrantStmt", "IndexStmt", "RenameStmt", "ViewStmt"}
)  # fmt: skip
_GIVES_WAY_SQL = (
    "SELECT setting::int + 500, has_parameter_privilege('deadlock_timeout', 'SET')"
    " FROM pg_settings WHERE name = 'deadlock_timeout'"
)


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
    may_hurry: bool = False  # we may shorten our own deadlock_timeout, after which autovacuum gives way
    holds_strong: bool = False  # the transaction has a strong lock: others wait behind whatever it waits for
    paced: Pace = field(default_factory=lambda: Pace(0, 0, 0, 0))
    told_blind: bool = False  # that looking first is not possible here

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
        self.watch.begin()
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
        if self.probe:
            self.probe.tell_rows(reply.rows)
        ms = round((time.monotonic() - started) * 1000, 1)
        self.watch.emit("statement_done", f"{reply.tag or statement.kind} in {ms} ms", ms=ms, rows=reply.rows)

    def pace(self, lock: LockClass, *, local: bool, first: str = "") -> None:
        """Set the timeouts for the next statement by what its lock does to others. Takes no snapshot.

        `first` is sent before, in the same message: BEGIN.
        """
        text = self.pacing(lock, local=local)
        wire.send(self.session, f"{first}; {text}" if first else text)

    def pacing(self, lock: LockClass, *, local: bool) -> str:
        """The text that sets them."""
        self.paced = found = pace(
            self.limits,
            lock,
            remaining_s=self.watch.remaining_s,
            yield_ms=self.yield_ms if self.yielding else 0,
            holds_strong=self.holds_strong,
            expected_ms=self.limits.expected_ms.get(self.current.number) if self.current else None,
        )
        self.watch.together_s = found.together_ms / 1000
        scope = "LOCAL" if local else "SESSION"
        text = f"SET {scope} lock_timeout = {found.lock_ms}; SET {scope} statement_timeout = {found.statement_ms}"
        if local and self.session.info.server_version >= 170000:
            text += f"; SET LOCAL transaction_timeout = {found.transaction_ms}"
        return text

    def begin(self, step: Step) -> None:
        """Open the step's transaction, paced for its first statement, in one round trip."""
        first = step.statements[0]
        self.current = first
        text = step.begin_sql or "BEGIN"
        if self.yielding and self.may_hurry:  # a worker gives way after our deadlock_timeout
            text += f"; SET LOCAL deadlock_timeout = {_HURRIED_MS}"
        wire.send(self.session, f"{text}; {self.pacing(first.lock, local=True)}")

    def pace_behind(self, before: Statement, statement: Statement) -> None:
        """Pace the next statement of a transaction, unless the one before it left the very timeouts that it needs."""
        was = self.paced
        text = self.pacing(statement.lock, local=True)
        if before.kind in _LEAVES_SETTINGS and self.paced.resembles(was):
            self.paced = was  # still what the server has
        else:
            wire.send(self.session, text)

    def own_role(self) -> bool:
        """Inside a transaction: back to our own role, so that the ledger row is ours whatever the script set.

        Whether the transaction is READ ONLY.
        """
        role = self.session.where.set_role.replace('"', '""')
        back = f'SET LOCAL ROLE "{role}"' if role else "RESET ROLE"
        text = f"RESET SESSION AUTHORIZATION; {back}; SET LOCAL lock_timeout = 3000; SHOW transaction_read_only"
        return wire.send(self.session, text).values[0][0] == "on"

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
            self.watch.fresh_try()
            try:
                return once(attempt)
            except psycopg.Error as error:
                lost = self.session.closed
                if not lost:
                    roll_back(self.session)
                self._judge(step, error, lost=lost)
                self._announce(error, attempt)
            longer = min(_BACKOFF ** (attempt - 1), _LONGEST)
            self.watch.pause(self.limits.pause_ms / 1000 * longer * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
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
        found = self.watch.blockers or self.watch.holders(self.watch.conflicts(needs(statement.sql)))
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
        if error.sqlstate == "57014" and (self.watch.crowded or (self.paced.bounded and self.watch.blockers)):
            return  # it waited for several locks, one after the other: the same as a lock that was not free
        if error.sqlstate == "57014" and self.paced.bounded and self.current is not None:
            raise Halt("failed", self._overran(step, self.current)) from error
        if error.sqlstate not in errors.RETRYABLE:
            raise Halt("failed", errors.explain(error, step=step.number, statement=self.current)) from error

    def _overran(self, step: Step, statement: Statement) -> Failure:
        expected = round(self.limits.expected_ms.get(statement.number, 0))
        text = (
            f"{statement.source} line {statement.line}: canceled after {self.paced.statement_ms} ms. The rehearsal "
            f"lets expect {expected} ms, and others wait for its lock. It is rolled back. Rehearse it on current data, "
            "or choose a quieter time."
        )
        place = (statement.number, statement.line, statement.column)
        return Failure(text, "57014", step.number, *place)

    def _announce(self, error: psycopg.Error, attempt: int) -> None:
        found = self.watch.blockers
        if not found and self.current is not None:
            found = self.watch.holders(self.watch.conflicts(needs(self.current.sql)), older_s=0)
            self.watch.tell(found)
        # An autovacuum worker is canceled only by a waiter older than deadlock_timeout: one long try, announced.
        self.yielding = bool(found) and not self.yielding and all(blocker.is_autovacuum for blocker in found)
        what = {
            "55P03": "the lock was not free",
            "40P01": "a deadlock",
            "40001": "a concurrent change",
            "57014": f"its locks together were not free within {self.paced.together_ms} ms",
        }
        text = (
            f"Try {attempt} ended: {what.get(error.sqlstate or '', 'it may succeed again')}; rolled back, trying again"
        )
        if self.yielding:
            shown = wire.send(self.session, _GIVES_WAY_SQL)
            self.yield_ms, self.may_hurry = int(shown.values[0][0] or 0), shown.values[0][1] == "t"
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
