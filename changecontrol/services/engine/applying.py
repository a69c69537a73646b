"""Taking a folder's migrations to a development database, one after the other, in the order of their numbers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changecontrol.repository.foreign import Gathered
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.services.engine.base import CODE, Folder, OnEvent, Report, newest_fence, opened, read_folder
from changecontrol.services.engine.standing import Standing, stand
from changecontrol.targets import ledger, runner
from changecontrol.targets.connection import Session
from changecontrol.targets.folding import LedgerRow
from changecontrol.targets.outcome import Limits, Order

#: What a migration came to, told as it happens: number, name, state, sentence, milliseconds.
OnMigration = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Work:
    """One call of the engine on one database."""

    session: Session
    actor: str
    limits: Limits
    on_event: OnEvent
    stop: Callable[[], str | None]
    fence: int
    execution: str
    observer: Session | None = None

    def run(self, migration: Gathered, script: Script) -> runner.Outcome:
        """Run one script under an order of its own."""
        self.fence += 1
        order = Order(
            change_code=CODE,
            migration=migration.number or 0,
            direction=script.direction.value,
            script_digest=migration.script_digest,
            content_digest=migration.forward_digest,
            execution_id=self.execution,
            attempt=1,
            fence=self.fence,
            actor=self.actor,
            name=migration.name,
        )
        return runner.run(
            self.session,
            script=script,
            order=order,
            on_event=self.on_event,
            stop=self.stop,
            limits=self.limits,
            observer=self._observed_by(),
        )

    def _observed_by(self) -> Session | None:
        """One second session looks around for all scripts of this call."""
        if self.observer is None or self.observer.closed:
            self.observer = None
            with suppress(Refused):  # without it we only cannot say who blocks
                self.observer = self.session.twin("watch", lasting=True)
        return self.observer

    def close(self) -> None:
        """Close the second session."""
        if self.observer is not None:
            self.observer.close()


@contextmanager
def working(
    session: Session, fence: int, *, actor: str, limits: Limits, on_event: OnEvent, stop: Callable[[], str | None]
) -> Iterator[Work]:
    """The work of one call; its fence lies above every row of the ledger."""
    work = Work(session, actor, limits, on_event, stop, fence, uuid.uuid4().hex[:12])
    try:
        yield work
    finally:
        work.close()


def apply(
    *,
    folder: Path,
    dsn: str,
    actor: str,
    to: int | None = None,
    verify: bool = True,
    limits: Limits | None = None,
    wait_s: float = 0.0,
    on_migration: OnMigration = lambda told: None,
    on_event: OnEvent = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
) -> Report:
    """Apply what is pending, up to and including `to`. Stops at the first that fails; a later call resumes there.

    What the ledger holds from the same file is passed over; a file that changed since ends the call before anything
    runs. Raises the refusals of reading the folder and of opening the database.
    """
    found = read_folder(folder, to=to)
    told: list[dict[str, Any]] = []

    def tell(one: dict[str, Any]) -> None:
        told.append(one)
        on_migration(one)

    with opened(dsn, deadline_s=wait_s, on_event=on_event, stop=stop) as session:
        rows = ledger.rows(session)
        states = _within(found, rows, to)
        in_the_way = [place for one, place in states if place.state in ("changed", "refused") and one.number]
        for place in in_the_way:
            tell({"number": place.number, "name": place.name, "state": place.state, "said": place.said})
        if in_the_way:
            return Report({"migrations": told}, False)
        patience, fence = limits or Limits(end_may_be_lost=True), newest_fence(rows)
        with working(session, fence, actor=actor, limits=patience, on_event=on_event, stop=stop) as work:
            fine = all(_one(work, migration, place, verify, tell) for migration, place in states)
    return Report({"migrations": told}, fine)


def _within(found: Folder, rows: Sequence[LedgerRow], to: int | None) -> list[tuple[Gathered, Standing]]:
    standing = {one.name: one for one in stand(found, rows)}
    within = [one for one in found.migrations if to is None or (one.number is not None and one.number <= to)]
    return [(one, standing[one.name]) for one in within]


def _one(work: Work, migration: Gathered, place: Standing, verify: bool, tell: OnMigration) -> bool:
    """Whether the next one may follow."""
    if migration.number is None:  # nobody knows when it would be its turn: it is never run
        told: dict[str, Any] = {"number": None, "name": place.name, "state": "ignored", "said": place.said}
    elif place.state == "applied":
        told = {"number": migration.number, "name": migration.name, "state": "skipped", "said": ""}
    else:
        told = _apply(work, migration, verify)
    tell(told)
    return told["state"] in ("applied", "skipped", "ignored")


def _apply(work: Work, migration: Gathered, verify: bool) -> dict[str, Any]:
    assert isinstance(migration.forward, Script)  # refused ones ended the call before
    started = time.monotonic()
    outcome = work.run(migration, migration.forward)
    ms = round((time.monotonic() - started) * 1000, 1)
    state: str = "applied" if outcome.state == "succeeded" else outcome.state
    said = outcome.error.sentence if outcome.error else ""
    if state == "applied" and verify and migration.verify is not None:
        state, said = _verified(work, migration.verify)
    return {
        "number": migration.number,
        "name": migration.name,
        "state": state,
        "said": said,
        "ms": ms,
        "steps_done": outcome.steps_done,
        "steps_total": outcome.steps_total,
        "left": list(outcome.left),
    }


def _verified(work: Work, verify: Script | Refused) -> tuple[str, str]:
    if isinstance(verify, Refused):
        return "verify_failed", verify.sentence
    result = runner.verify(work.session, script=verify)
    return ("applied", "") if result.ok else ("verify_failed", result.sentence)
