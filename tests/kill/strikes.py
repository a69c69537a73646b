"""One strike: bring a run to a window, kill something there, and judge from facts whether it fell into the window."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connections

from changecontrol.models import Execution, LedgerCopy
from changecontrol.rules.lifecycle import State
from tests.kill.aims import Aim, Window
from tests.kill.machinery import Kind, Machinery, works
from tests.kill.stage import HOLDS, INDEXED, ROWS, Stage, wait_until


@dataclass(frozen=True, slots=True)
class Blow:
    """A kill that took place. `met` says whether it fell into the window it was meant for."""

    aim: Aim
    execution: str
    at: datetime
    met: bool


class Strike:
    """A strike at the run of one migration on one stage, prepared before the run reaches the window."""

    def __init__(self, aim: Aim, stage: Stage, number: int, machinery: Machinery, dice: random.Random) -> None:
        self.aim, self.stage, self.number, self.machinery = aim, stage, number, machinery
        self.grip = ExitStack()
        self.release: Callable[[], None] = lambda: None
        self.gate, self.events = "", dice.randint(1, 20)
        if aim.window is Window.ANYWHERE:
            self.gate = dice.choice(["first", "last"])  # so that there is something left to kill
        elif aim.window in (Window.BEFORE, Window.AFTER):
            self.gate = HOLDS.get(aim.step, "back")
        elif aim.window is Window.BATCH:
            self.gate = f"row {self._row(dice)}"
        elif aim.step in INDEXED:
            lock = f"LOCK TABLE {INDEXED[aim.step]} IN ROW EXCLUSIVE MODE"
            self.release = self.grip.enter_context(stage.holding(lock))
        if self.gate:
            stage.shut(self.gate)

    def close(self, *, but: str = "") -> None:
        """Let the run go on, to the gate `but`."""
        self.grip.close()
        self.stage.open(but=but)

    def reached(self, execution: Execution) -> bool:
        """Whether the run is in the window now."""
        name = f"{execution.change.code} {execution.code}"
        match self.aim.window:
            case Window.BEFORE | Window.AFTER | Window.BATCH:
                return self.stage.held(name) is not None
            case Window.BUILD | Window.UNRECORDED:
                return self.stage.waits_in(name, f"CREATE INDEX CONCURRENTLY {INDEXED[self.aim.step]}_") is not None
            case Window.REMOVAL:
                return self.stage.waits_in(name, "DROP INDEX CONCURRENTLY") is not None
            case _:
                if execution.state != State.RUNNING:
                    return False
                return execution.events.count() >= self.events or self.stage.held(name) is not None

    def fall(self, execution: Execution) -> Blow:
        """Kill, and judge."""
        self.reached_at = datetime.now(UTC)
        match self.aim.window:
            case Window.AFTER:
                at, met = self._after(execution)
            case Window.UNRECORDED:
                at, met = self._unrecorded(execution)
            case _:
                at = self._kill(execution)
                met = not self._done(execution, until=at) or self.aim.window is Window.ANYWHERE
                if self.aim.window is Window.BATCH:
                    met = met and int(self.gate.split()[1]) > self._last_key(until=at)
        return Blow(self.aim, execution.code, at, met)

    def _kill(self, execution: Execution, meanwhile: Callable[[], None] = lambda: None) -> datetime:
        return self.machinery.kill(self.aim.kind, execution, self.stage, meanwhile=meanwhile)

    def _after(self, execution: Execution) -> tuple[datetime, bool]:
        """Let the step commit while our own database cannot be written: it is down, or the rows are locked."""
        if self.aim.kind is Kind.OWN:
            at = self._kill(execution, meanwhile=lambda: self._commit(execution))
            return at, self._done(execution, since=at)
        with _unwritable(self.machinery, execution, ends=self.aim.kind in (Kind.CHILD, Kind.WORKER)):
            self._commit(execution)
            at = self._kill(execution)
            copied = LedgerCopy.objects.filter(
                execution_uuid=execution.uuid, kind="done", step=self.aim.step, server_at__gte=self.reached_at
            )
            return at, self._done(execution, until=at) and not copied.exists()

    def _commit(self, execution: Execution) -> None:
        self.stage.open()
        wait_until(
            lambda: self._done(execution) or not works(execution),  # a blow of another lane may have ended it
            f"the commit of step {self.aim.step} of {execution.code}",
        )

    def _unrecorded(self, execution: Execution) -> tuple[datetime, bool]:
        """Let the build finish while the ledger takes no row."""
        name = f"{execution.change.code} {execution.code}"
        with self.stage.holding("LOCK TABLE changecontrol.ledger IN EXCLUSIVE MODE"):
            self.release()
            wait_until(
                lambda: (
                    self.stage.waits_in(name, "INSERT INTO changecontrol.ledger")
                    or self._valid()
                    or not works(execution)
                ),
                f"the end of the build of {execution.code}",
            )
            at = self._kill(execution)
            return at, self._valid() and not self._done(execution)

    def _valid(self) -> bool:
        index = f"{INDEXED[self.aim.step]}_{self.number:03d}"
        return bool(
            self.stage.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid", index)
        )

    def _done(self, execution: Execution, *, since: datetime | None = None, until: datetime | None = None) -> bool:
        """Whether the target's ledger has the step of this run, written since the window was reached."""
        return bool(
            self.stage.ask(
                "SELECT 1 FROM changecontrol.ledger WHERE execution_id = %s AND step = %s AND kind = 'done'"
                " AND server_at >= %s AND server_at <= coalesce(%s::timestamptz, 'infinity')",
                *(str(execution.uuid), self.aim.step, since or self.reached_at, until),
            )
        )

    def _last_key(self, *, until: datetime) -> int:
        """The last key committed since this migration last began."""
        found: list[Any] = self.stage.ask(
            "SELECT (detail ->> 'key')::int FROM changecontrol.ledger WHERE migration = %s AND kind = 'progress'"
            " AND server_at <= %s AND id > coalesce((SELECT max(id) FROM changecontrol.ledger WHERE migration = %s"
            " AND direction = 'rollback' AND kind = 'done'), 0) ORDER BY id DESC LIMIT 1",
            *(self.number, until, self.number),
        )
        return int(found[0][0]) if found else 0

    def _row(self, dice: random.Random) -> int:
        """A row that this migration has not filled yet."""
        column = f"a_{self.number:03d}"
        there = self.stage.ask("SELECT 1 FROM pg_attribute WHERE attrelid = 'thing'::regclass AND attname = %s", column)
        first = self.stage.ask(f"SELECT min(id) FROM thing WHERE {column} IS NULL")[0][0] if there else 1
        return dice.randint(int(first or ROWS), ROWS)


@contextmanager
def _unwritable(machinery: Machinery, execution: Execution, *, ends: bool) -> Iterator[None]:
    """Lock what any writing about a run needs; with `ends`, end who waits for it: its client is dead."""
    dsn = machinery.servers.control.dsn(str(connections["default"].settings_dict["NAME"]))
    with psycopg.connect(dsn, application_name="kill test") as connection:
        connection.execute("SELECT FROM execution WHERE id = %s FOR UPDATE", [execution.pk])
        connection.execute("SELECT FROM target WHERE id = %s FOR UPDATE", [execution.target_id])
        try:
            yield
        finally:
            if ends:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
                )
            connection.rollback()
