"""Hunts: victims killed one after the other in the windows of one migration, each resuming what the last one left."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from changecontrol.targets import ledger
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.outcome import Order
from tests.factories import header
from tests.kill.stage import (
    BATCHES,
    FIRST,
    FORWARD,
    HOLDS,
    INDEX_A,
    INDEX_B,
    INDEXED,
    LAST,
    ROLLBACK,
    ROWS,
    SECOND,
    Stage,
    mark,
    wait_until,
)
from tests.kill.victims import File, Point, Running, Victim

UUID = "3d1f6a52-7c1b-4a6e-9a55-5f0f2c9f3a10"


class Moment(StrEnum):
    """When a victim of a run dies."""

    BEFORE = "transaction, before COMMIT"
    AFTER = "transaction, after COMMIT, before our write"
    INSIDE = "batched, inside a batch"
    BETWEEN = "batched, between batches"
    WORKING = "single, at work"
    UNRECORDED = "single, finished and not recorded"


#: one forward migration, and the rollback behind it: window and step
FORTH = (
    (Moment.BEFORE, FIRST),
    (Moment.AFTER, FIRST),
    (Moment.BEFORE, SECOND),
    (Moment.AFTER, SECOND),
    *((Moment.INSIDE, BATCHES), (Moment.BETWEEN, BATCHES)) * 3,
    (Moment.WORKING, INDEX_A),
    (Moment.UNRECORDED, INDEX_A),
    (Moment.WORKING, INDEX_B),
    (Moment.WORKING, INDEX_B),  # of the removal of the INVALID index
    (Moment.UNRECORDED, INDEX_B),
    (Moment.BEFORE, LAST),
    (Moment.AFTER, LAST),
)
BACK = ((Moment.WORKING, 1), (Moment.UNRECORDED, 2), (Moment.BEFORE, 3), (Moment.AFTER, 3))


@dataclass(slots=True)
class Hunt:
    """Hunts on one stage. `met` counts the kills that fell into their window, by facts; `kills` counts all."""

    stage: Stage
    dice: random.Random
    met: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    said: list[str] = field(default_factory=list)
    _fence: int = 0

    def register(self) -> None:
        """Give the target its ledger."""
        with connect(Where(self.stage.url, name="staging"), application_name="set-up") as session:
            ledger.bootstrap(session, target_uuid=UUID, environment="staging", actor="olga", signed_by="s-1")

    def carry(self, number: int, direction: str) -> None:
        """Kill at every window of one direction of one migration, then let it end. Raises when it does not succeed."""
        name = str(uuid.UUID(int=self.dice.getrandbits(128)))
        for moment, step in FORTH if direction == "forward" else BACK:
            if step in self.stage.on(number, direction):
                continue
            self._strike(number, direction, name, moment, step)
        victim = self._victim(number, direction, name, None)[0]
        ended = victim.wait()
        assert ended[:2] == ("ended", "succeeded"), (number, direction, ended, self.said)

    def _strike(self, number: int, direction: str, name: str, moment: Moment, step: int) -> None:
        """One kill. A run that came to its end before the window is no kill."""
        with ExitStack() as grip:
            gate, point = self._prepare(grip, number, direction, moment, step)
            victim, application = self._victim(number, direction, name, point)
            wait_until(lambda: self._there(victim, application, moment) or victim.ended, f"{moment} of {number:03d}")
            if victim.ended:
                self.said.append(f"{number:03d} {direction}: ended before {moment} {step}: {victim.listen()}")
                victim.kill()
                return
            victim.kill()
            self.kills += 1
            if moment is Moment.WORKING:  # nothing tells a waiting backend that its client is gone; a network would
                self.stage.ask(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", application
                )
                wait_until(lambda: self.stage.backend(application) is None, f"the end of {application}")
            meets = self._meets(number, direction, name, moment, step, gate)
        self.stage.open()
        wait_until(lambda: self.stage.backend(application) is None, f"the end of {application}")
        self.met[moment] += meets
        self.said.append(f"{number:03d} {direction}: {moment} {step}: {meets}")

    def _prepare(
        self, grip: ExitStack, number: int, direction: str, moment: Moment, step: int
    ) -> tuple[str, Point | None]:
        """Shut the gate, take the lock or name the event that the window needs."""
        gate, point = "", None
        if moment is Moment.BEFORE:
            gate = HOLDS[step] if direction == "forward" else "back"
        elif moment is Moment.INSIDE:
            gate = f"row {self.dice.randint(self._first_row(number), ROWS)}"
        elif moment is Moment.AFTER:
            point = Point("committed", step)
        elif moment is Moment.BETWEEN:
            point = Point("progress", step, nth=self.dice.choice((1, 1, 2)))
        elif moment is Moment.UNRECORDED:
            point = Point("statement_done", step)
        else:
            table = INDEXED[step] if direction == "forward" else {1: "tally", 2: "part"}[step]
            grip.enter_context(self.stage.holding(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        if gate:
            self.stage.shut(gate)
        return gate, point

    def _victim(self, number: int, direction: str, name: str, point: Point | None) -> tuple[Victim, str]:
        self._fence += 1
        n = f"{number:03d}"
        text = FORWARD if direction == "forward" else ROLLBACK
        full = (header(n, "none") if direction == "forward" else "") + text.format(n=n, mark=mark(number))
        order = Order(
            change_code=f"CR-{number:04d}",
            migration=number,
            direction=direction,
            script_digest=hashlib.sha256(full.encode()).hexdigest(),
            content_digest="c" * 64,
            execution_id=name,
            attempt=self._fence,
            fence=self._fence,
            actor="theo",
            signature_ids=("s-7",),
            name=f"{n}_small",
        )
        application = f"victim {self._fence}"
        job = Running(self.stage.url, application, File(f"{n}_small.sql", full, direction), order, point)
        return Victim(job), application

    def _there(self, victim: Victim, application: str, moment: Moment) -> bool:
        if moment in (Moment.BEFORE, Moment.INSIDE):
            return self.stage.held(application) is not None
        if moment is Moment.WORKING:
            return any(self.stage.waits_in(application, text) for text in ("CREATE INDEX", "DROP INDEX"))
        return victim.stopped

    def _meets(self, number: int, direction: str, name: str, moment: Moment, step: int, gate: str) -> bool:
        """Whether the target shows that the victim died where it was meant to."""
        rows = [row for row in self.stage.rows() if row.migration == number and row.direction == direction]
        mine = [row for row in rows if row.step == step and row.execution_id == name]
        done = any(row.kind == "done" for row in mine)
        keys = [int(row.detail["key"]) for row in mine if row.kind == "progress"]
        if moment is Moment.AFTER:
            return done
        if moment is Moment.INSIDE:
            return not done and int(gate.split()[1]) > max(keys, default=0)
        if moment is Moment.BETWEEN:
            return not done and bool(keys)
        if moment in (Moment.WORKING, Moment.UNRECORDED):
            return not done and any(row.kind == "began" for row in mine)
        return not done

    def _first_row(self, number: int) -> int:
        """The first row that this migration has not filled."""
        column = f"a_{number:03d}"
        there = self.stage.ask("SELECT 1 FROM pg_attribute WHERE attrelid = 'thing'::regclass AND attname = %s", column)
        found: Any = self.stage.ask(f"SELECT min(id) FROM thing WHERE {column} IS NULL")[0][0] if there else 1
        return int(found or ROWS)
