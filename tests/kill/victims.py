"""Processes that are there to be killed: each runs a script or a rehearsal, and stops for ever where it is told to.

They are forked from a server that has everything imported, so that two hundred of them take no longer than their work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from changecontrol.rules.certificate import Basis
from changecontrol.rules.plan import RollbackClass
from changecontrol.rules.policy import Policy
from changecontrol.rules.script import Direction, Script, parse
from changecontrol.targets import copies, rehearsal
from changecontrol.targets.bench import Bench
from changecontrol.targets.connection import Where, connect, lock
from changecontrol.targets.outcome import Event, Limits, Order
from changecontrol.targets.runner import run

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


@dataclass(frozen=True, slots=True)
class Point:
    """Where a victim stops: the `nth` event of that kind in that step, in that pass of a rehearsal ("": building)."""

    kind: str
    step: int | None
    nth: int = 1
    during: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """One script by its text."""

    name: str
    text: str
    direction: str = "forward"

    def read(self) -> Script:
        return parse(self.text.encode(), file=self.name, direction=Direction(self.direction))


@dataclass(frozen=True, slots=True)
class Running:
    """One run of a script on a target."""

    dsn: str
    application: str
    file: File
    order: Order
    point: Point | None = None


@dataclass(frozen=True, slots=True)
class Rehearsing:
    """One rehearsal on a copy. `of` names the target whose schema is copied; empty: an empty database and `before`."""

    server: str
    of: str
    before: tuple[File, ...]
    forward: File
    rollback: File
    folder: str  # for temporary files
    point: Point | None = None


class Victim:
    """A process at work. `heard` is what it told so far, ending with "stopped" or with how it ended."""

    def __init__(self, job: Running | Rehearsing) -> None:
        self._ours, theirs = _FORKS.Pipe()
        self.process = _FORKS.Process(target=_live, args=(job, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.heard: list[tuple[str, ...]] = []

    def listen(self) -> tuple[str, ...]:
        """The last thing it told."""
        try:
            while self._ours.poll():
                self.heard.append(self._ours.recv())
        except EOFError:
            pass
        return self.heard[-1] if self.heard else ("",)

    @property
    def stopped(self) -> bool:
        """Whether it stands where it was told to stop."""
        return self.listen()[0] == "stopped"

    @property
    def ended(self) -> bool:
        """Whether it came to its end."""
        return self.listen()[0] == "ended" or not self.process.is_alive()

    def kill(self) -> None:
        """End it with kill -9, threads and connections and all."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):  # it came to its end by itself
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(30)
        self.listen()
        self._ours.close()

    def wait(self) -> tuple[str, ...]:
        """Wait for its end; gives what it told at last."""
        self.process.join(120)
        assert not self.process.is_alive()
        said = self.listen()
        self._ours.close()
        return said


def _live(job: Running | Rehearsing, parent: Connection) -> None:
    try:
        said = _run(job, parent) if isinstance(job, Running) else _rehearse(job, parent)
    except Exception as error:
        said = ("error", f"{type(error).__name__}: {error}")
    parent.send(("ended", *said))
    parent.close()


class _Ear:
    """Counts events and stops for ever at the point."""

    def __init__(self, point: Point | None, parent: Connection, during: str | None) -> None:
        self._point, self._parent, self.during, self._seen = point, parent, during, 0

    def __call__(self, event: Event) -> None:
        point = self._point
        if point is None or (event.kind, event.step, self.during) != (point.kind, point.step, point.during):
            return
        if event.kind == "progress" and "key" not in event.data:
            return
        self._seen += 1
        if self._seen == point.nth:
            self.stop()

    def stop(self) -> NoReturn:
        self._parent.send(("stopped",))
        while True:
            threading.Event().wait()


def _run(job: Running, parent: Connection) -> tuple[str, ...]:
    ear = _Ear(job.point, parent, None)
    with connect(Where(job.dsn, name="staging"), application_name=job.application) as session:
        with lock(session, deadline=60):
            limits = Limits(deadline_s=90, pause_ms=20, look_s=0.2)
            outcome = run(session, script=job.file.read(), order=job.order, on_event=ear, limits=limits)
    return (outcome.state, outcome.effect, outcome.error.sentence if outcome.error else "")


def _rehearse(job: Rehearsing, parent: Connection) -> tuple[str, ...]:
    ear = _Ear(job.point, parent, "")
    tempfile.tempdir = job.folder

    class Told(Bench):
        """A bench that tells which pass begins."""

        @contextmanager
        def _timed(self, name: str) -> Iterator[dict[str, Any]]:
            ear.during = name
            with super()._timed(name) as entry:
                yield entry

    rehearsal.Bench = Told  # type: ignore[misc]
    server = Where(job.server, name="sandboxes")
    of = Where(job.of, name="production") if job.of else None
    stop: Callable[[], str | None] = lambda: None  # noqa: E731
    making = copies.build_copy(
        server,
        kind="schema" if of else "migrations",
        of=of,
        before=[file.read() for file in job.before],
        on_event=ear,
        stop=stop,
    )
    with making as copy:
        found = rehearsal.rehearse(
            copy.where,
            forward=job.forward.read(),
            rollback=job.rollback.read(),
            verify=None,
            script_digest="d" * 64,
            declared=RollbackClass.LOSSLESS,
            basis=Basis(copy.basis.kind),
            policy=Policy(),
            on_event=ear,
            restore=copy.restore,
        )
    return (str(found.verdict), found.sentence)
