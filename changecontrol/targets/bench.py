"""The workplace of one rehearsal: one session on the copy, scripts run on it under limits, everything timed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from changecontrol.rules.observed import Observed
from changecontrol.rules.script import Script, StepKind
from changecontrol.targets import borrowed_roles, ledger
from changecontrol.targets.checking import VerifyResult, verify
from changecontrol.targets.connection import Session, Where
from changecontrol.targets.limiting import CopyLost, Guard, RehearsalLimits, RehearsalStopped
from changecontrol.targets.outcome import Event, Failure, Limits, Order
from changecontrol.targets.probe import Probe
from changecontrol.targets.runner import run
from changecontrol.targets.seats import Seats
from changecontrol.targets.shots import Shot, shoot

_NOBODY = "00000000-0000-0000-0000-000000000000"
_NAME = re.compile(r'"(?:[^"]|"")+"|[a-z_][\w$]*', re.I)
_ROLE_KINDS = frozenset({"CreateRoleStmt", "AlterRoleStmt", "AlterRoleSetStmt", "DropRoleStmt", "GrantRoleStmt"})
_ROLE_WORD = re.compile(r"\b(?:role|user|group)\b", re.I)
#: A block that asks first makes a role only where it is missing: it is shared with other databases, and no rollback's.
_ASKS_FIRST = re.compile(r"\bpg_(?:roles|authid|user|group)\b|\bto_regrole\b|\bduplicate_object\b", re.I)
_OF_A_SESSION = ("temp", "hold", "advisory")
#: What a server says when a trigger, a rule or a script's own question refuses: RAISE EXCEPTION.
RAISED = "P0001"


@dataclass(frozen=True, slots=True)
class Ran:
    """How one script ended. `sentence` is empty when it succeeded. `untouched`: it failed and nothing of it is on."""

    sentence: str = ""
    sqlstate: str = ""
    untouched: bool = False
    observed: tuple[Observed, ...] = ()


class Bench:
    """Runs scripts on a copy. `passes` notes each of them and each fingerprint with its milliseconds."""

    def __init__(
        self,
        where: Where,
        *,
        limits: RehearsalLimits,
        on_event: Callable[[Event], None],
        stop: Callable[[], str | None],
        roles: Collection[str] = (),
        seats: Seats | None = None,
    ) -> None:
        self.on_event, self.roles = on_event, tuple(roles)
        self.passes: list[dict[str, Any]] = []
        self.guard = Guard(where, limits, stop)
        self._seats, self._lent = seats or Seats(where), seats is not None
        self._placed: Session | None = None
        self._migration, self._fence = 0, 0

    def close(self) -> None:
        """Let go of the copy. Seats that were lent stay with their owner."""
        self.guard.close()
        if not self._lent:
            self._seats.close()

    def made_anew(self, restore: Callable[[], None]) -> None:
        """Have the copy restored; nobody may be connected to it meanwhile."""
        self.guard.forget()
        self._seats.close()
        left = 0 if self.guard.reached else self.guard.remaining_s
        with self._timed("restore"):
            restore()
        if left:
            self.guard.allow(left)  # making a copy is our work, not the script's

    @property
    def session(self) -> Session:
        """The session on the copy, opened when it is needed; the ledger is there."""
        return self._seated()

    @property
    def eye(self) -> Session:
        """The session that only looks; the ledger is there."""
        self._seated()
        return self._seats.eye()

    def _seated(self) -> Session:
        """The session that runs scripts; in a fresh one we count on behind what the copy's ledger holds."""
        session = self._seats.work()
        if session is self._placed:
            return session
        if not ledger.exists(session):
            ledger.bootstrap(session, target_uuid=_NOBODY, environment="rehearsal", actor="rehearsal")
        row = session.execute(
            "SELECT coalesce(max(migration), 0) + 1, coalesce(max(fence), 0) FROM changecontrol.ledger"
        ).fetchone()
        assert row is not None  # an aggregate always gives its row
        self.guard.count_from_here(session)
        self._migration, self._fence, self._placed = int(row[0]), int(row[1]), session
        return session

    def shoot(self, name: str, *, since: Shot | None = None, rows: bool = True) -> Shot:
        """Take a fingerprint of catalog and, unless told otherwise, data."""
        session = self.session
        with self._timed(f"fingerprint {name}"):
            session.execute("SELECT pg_stat_force_next_flush()")  # its counters of rows, for the eye to see
            return shoot(self.eye, roles=self.roles, since=since, rows=rows)

    def run(self, script: Script, name: str, *, observe: bool = False) -> Ran:
        """Run one script. Raises RehearsalStopped when somebody asked for it."""
        session = self.session
        self._fence += 1
        probe = Probe(session) if observe else None
        roles = None
        if borrowed_roles.make_roles([script]):
            roles = borrowed_roles.known(session)
            borrowed_roles.announce(session, [script])
        with self._timed(name) as entry:
            outcome = run(
                session,
                script=script,
                order=self._order(script),
                on_event=lambda event: self._told(name, event),
                stop=self.guard.stop,
                limits=Limits(lock_ms=5000, deadline_s=self.guard.remaining_s + 5, look_s=0, rests=False),
                observer=self.eye,
                probe=probe,
            )
            failure = outcome.error
            entry["error"] = self._sentence(script, failure) if failure else ""
        if roles is not None and not session.closed:
            borrowed_roles.mark_new(session, before=roles, scripts=[script])
        if _leaves_something(script) and not session.closed:
            session.execute("DISCARD TEMP; CLOSE ALL; SELECT pg_advisory_unlock_all()")
        if self.guard.asked:
            raise RehearsalStopped(reason=self.guard.asked)
        if failure is not None and session.closed and not self.guard.reached:
            raise CopyLost(sentence=failure.sentence)
        untouched = failure is not None and outcome.steps_done == 0 and _begins_atomic(script)
        observed = tuple(probe.observed) if probe else ()
        return Ran(entry["error"], failure.sqlstate if failure else "", untouched, observed)

    def _told(self, name: str, event: Event) -> None:
        """Say of what happens in which pass it does: forward comes more than once."""
        self.on_event(replace(event, text=f"{name[:1].upper()}{name[1:]}: {event.text}"))

    def verify(self, script: Script, name: str, *, expect_failure: bool = False) -> VerifyResult:
        """Ask the verify script."""
        session = self.session
        with self._timed(f"verify {name}") as entry:
            seconds = max(int(self.guard.remaining_s), 1)
            result = verify(session, script=script, expect_failure=expect_failure, timeout_s=seconds)
            entry["error"] = "" if result.ok else result.sentence
        return result

    def steps(self, script: Script, count: int) -> Script:
        """Give the script's first steps alone."""
        return replace(script, steps=script.steps[:count])

    def _order(self, script: Script) -> Order:
        return Order(
            change_code="rehearsal",
            migration=self._migration,
            direction=script.direction.value,
            script_digest="",
            content_digest="",
            execution_id="rehearsal",
            attempt=1,
            fence=self._fence,
            actor="rehearsal",
            pass_no=self._fence,
            name=script.file[:100],
        )

    def _sentence(self, script: Script, failure: Failure) -> str:
        """The runner's sentence, or the limit that ended the run, with the statement it ended in."""
        if not self.guard.reached:
            return failure.sentence
        at = f"{script.file} line {failure.line}" if failure.line else script.file
        return f"{at}: stopped, because {self.guard.reached}."

    @contextmanager
    def _timed(self, name: str) -> Iterator[dict[str, Any]]:
        entry: dict[str, Any] = {"name": name, "ms": 0.0, "error": ""}
        started = time.monotonic()
        try:
            yield entry
        finally:
            entry["ms"] = round((time.monotonic() - started) * 1000, 1)
            self.passes.append(entry)


def _leaves_something(script: Script) -> bool:
    """Whether what belongs to a session may stay behind. On a target every run has a session of its own."""
    return any(word in one.sql.lower() for one in script.statements for word in _OF_A_SESSION)


def _begins_atomic(script: Script) -> bool:
    """Whether nothing of the script can be on before its first step is."""
    return bool(script.steps) and script.steps[0].kind is StepKind.TRANSACTION


def roles_named(*scripts: Script | None) -> set[str]:
    """Words of statements that make, change, grant or drop a role, or may do so: the names of roles are among them."""
    found: set[str] = set()
    for script in scripts:
        for statement in script.statements if script else ():
            if statement.kind in _ROLE_KINDS or (statement.kind == "DoStmt" and _bears_on_roles(statement.sql)):
                found |= {_folded(name) for name in _NAME.findall(statement.sql)}
    return found


def _bears_on_roles(block: str) -> bool:
    return bool(_ROLE_WORD.search(block)) and not _ASKS_FIRST.search(block)


def _folded(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def explained(error: psycopg.Error) -> str:
    """The server's own message, without the values in its detail."""
    return error.diag.message_primary or "no reason given"
