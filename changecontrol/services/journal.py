"""The journal of one running execution: its events, its heartbeat, and what people ask of it meanwhile.

A thread of its own writes to our database, so that the run on the target never waits for us, and a database of ours
that is down for a while loses nothing: events stay in memory until they can be written.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError
from django.db import IntegrityError, connection

from changecontrol.models import Execution, ExecutionEvent, Target
from changecontrol.rules.lifecycle import State
from changecontrol.services import ledger_copies
from changecontrol.services.recording import WORKER, acting
from changecontrol.targets.ledger import LedgerRow

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What a journal could not write: events, and ledger rows to be copied by target."""

    events: list[dict[str, Any]] = field(default_factory=list)
    copies: list[tuple[Target, list[LedgerRow]]] = field(default_factory=list)

    def write(self, execution_id: int) -> None:
        """Write it, inside acting()."""
        for target, rows in self.copies:
            ledger_copies.copy(target=target, rows=rows)
        if self.events:
            keep(execution_id, self.events)


def keep(execution_id: int, events: Sequence[dict[str, Any]], *, after: int = 0) -> int:
    """Append events behind what an execution has; returns the last number. `after`: up to there all is known.

    An event that is there already is left out: our database may have broken after the COMMIT and before its answer.
    Others write too: the sweep notes that a run is lost, whose worker only could not reach our database.
    """
    there = list(
        ExecutionEvent.objects.filter(execution_id=execution_id, number__gt=after)
        .order_by("number")
        .values_list("number", "at", "kind", "text")
    )
    known = {one[1:] for one in there}
    last = there[-1][0] if there else after
    new = [one for one in events if (one["at"], one["kind"], one["text"]) not in known]
    ExecutionEvent.objects.bulk_create(
        ExecutionEvent(execution_id=execution_id, number=number, **one) for number, one in enumerate(new, last + 1)
    )
    return last + len(new)


class Journal(threading.Thread):
    """Writes events in order, beats, and carries back an abort's reason, a lost lease, our database being down."""

    def __init__(self, execution: Execution, *, clock: Callable[[], datetime]) -> None:
        super().__init__(name=f"journal-{execution.code}", daemon=True)
        self.execution_id = execution.pk
        self.token: uuid.UUID | None = execution.lease_token
        self.clock = clock
        self.phase = ""
        self._written = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._copies: deque[tuple[Target, list[LedgerRow]]] = deque()
        self._bell = threading.Condition()
        self._closing = False
        self._reason: str | None = None
        self._pause: str | None = None
        self._lost = False
        self._down = False

    def write(
        self,
        kind: str,
        text: str,
        *,
        step: int | None = None,
        statement: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Note one event; returns at once."""
        with self._bell:
            self._waiting.append(
                {
                    "at": self.clock(),
                    "kind": kind[:40],
                    "phase": self.phase,
                    "step": step,
                    "statement": statement,
                    "text": text,
                    "data": data or {},
                }
            )
            self._bell.notify()

    def copy(self, target: Target, rows: list[LedgerRow]) -> None:
        """Have ledger rows of a target copied into our database; returns at once."""
        with self._bell:
            self._copies.append((target, rows))
            self._bell.notify()

    def stop(self) -> str | None:
        """Return why the run has to end now: a person's abort, or a lease that somebody else holds; None to go on."""
        return "The claim on this run was lost; another worker may hold it." if self._lost else self._reason

    def hold(self) -> str | None:
        """Return why the run has to pause at its next safe point, as long as a person wants it; None to go on."""
        return self._pause

    def may_continue(self) -> str | None:
        """Return why no further step may start: our own database does not answer. None to go on."""
        if self._down:
            return "Our own database does not answer, so no further step was started; the ledger holds what is done."
        return None

    def run(self) -> None:
        """Write and beat until closed and drained."""
        beaten = True
        while True:
            with self._bell:
                if not self._waiting and not self._copies and not self._closing:
                    beaten = not self._bell.wait(HEARTBEAT_SECONDS)
                if self._closing and not self._waiting and not self._copies:
                    break
            try:
                self._flush()
                if beaten or not self._waiting:
                    self._beat()
                self._down = False
            except IntegrityError:
                continue  # somebody else took a number at the same moment: behind theirs
            except DatabaseError:
                logger.warning("journal of execution %s: our database does not answer", self.execution_id)
                self._down = True
                connection.close()
                with self._bell:
                    if self._closing:
                        break
                    self._bell.wait(0.5)
        connection.close()

    def close(self) -> Unwritten:
        """Stop, and return what could not be written, for the one who settles the run."""
        with self._bell:
            self._closing = True
            self._bell.notify()
        self.join(timeout=30)
        return Unwritten(list(self._waiting), list(self._copies))

    def _flush(self) -> None:
        while self._copies:
            target, rows = self._copies[0]
            ledger_copies.copy(target=target, rows=rows)
            self._copies.popleft()
        with self._bell:
            batch = list(self._waiting)
        if not batch:
            return
        with acting(WORKER):
            self._written = keep(self.execution_id, batch, after=self._written)
        with self._bell:
            for _ in batch:
                self._waiting.popleft()

    def _beat(self) -> None:
        with acting(WORKER):
            mine = Execution.objects.filter(pk=self.execution_id, lease_token=self.token)
            self._lost = not mine.filter(state__in=[State.RUNNING, State.LOST]).update(heartbeat_at=self.clock())
            asked: dict[str, Any] = dict(
                mine.values("abort_asked_at", "abort_reason", "pause_asked_at", "pause_reason").first() or {}
            )
            if asked.get("abort_asked_at"):
                self._reason = asked["abort_reason"]
            self._pause = asked["pause_reason"] if asked.get("pause_asked_at") else None
