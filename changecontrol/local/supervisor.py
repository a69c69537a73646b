"""Runs the programs of one installation: starts them, starts a dead one again, stops all of them in order."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from changecontrol.local import processes
from changecontrol.local.leash import GRACE_SECONDS
from changecontrol.rules.refusal import Refused

#: Seconds before a dead program starts again; the last one repeats. A program that lived STEADY_SECONDS begins anew.
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
STEADY_SECONDS = 60.0
#: The keeper beside each program kills what is left after its grace; only a stuck keeper needs more.
_LATE = ((signal.SIGTERM, GRACE_SECONDS + 4.0),)


class ProgramDied(Refused):
    """{program} ended while starting ({reason}). Its log is {log}."""


class Server(Protocol):
    """A Cluster or a Broker."""

    @property
    def running(self) -> bool: ...
    def start(self) -> object: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: its name, command, the whole environment it gets, and where its output goes."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    cwd: Path


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    log_start: int
    began: float = field(default_factory=time.monotonic)
    deaths: int = 0
    again_at: float | None = None


class Supervisor:
    """The running servers and programs. `tend` is called over and over by whoever waits; `stop` ends everything."""

    def __init__(self, *, on_event: Callable[[str], None]) -> None:
        self._say = on_event
        self._servers: dict[str, Server] = {}
        self._children: dict[str, _Child] = {}

    @property
    def busy(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self._servers or self._children)

    def start_servers(self, servers: Mapping[str, Server]) -> None:
        """Start servers side by side and wait for all. The first refusal is raised after the others have settled."""
        self._servers.update(servers)
        with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
            started = [pool.submit(server.start) for server in servers.values()]
        for one in started:
            one.result()

    def start_programs(self, programs: Sequence[Program]) -> None:
        for program in programs:
            self._children[program.name] = _start(program)

    def wait_for(self, name: str, condition: Callable[[str], bool], *, seconds: float) -> None:
        """Wait until the condition holds; it is given what the program has logged so far. Raises ProgramDied."""
        child = self._children[name]

        def settled() -> bool:
            return child.process.poll() is not None or condition(
                processes.text_since(child.program.log, child.log_start)
            )

        in_time = processes.wait_until(settled, seconds=seconds)
        if not in_time or child.process.poll() is not None:
            lines = processes.text_since(child.program.log, child.log_start).splitlines()
            reason = lines[-1].strip() if lines and in_time else f"not ready after {seconds:.0f} s"
            raise ProgramDied(program=name, reason=reason, log=child.program.log)

    def tend(self) -> None:
        """Start again what died: servers first, programs after their pause. Never raises a refusal; says it."""
        for name, server in self._servers.items():
            if not server.running:
                self._say(f"{name} ended; starting it again.")
                try:
                    server.start()
                except Refused as refusal:
                    self._say(refusal.sentence)
        for name, child in self._children.items():
            self._tend_child(name, child)

    def _tend_child(self, name: str, child: _Child) -> None:
        now = time.monotonic()
        if child.again_at is None and child.process.poll() is not None:
            child.deaths = 1 if now - child.began > STEADY_SECONDS else child.deaths + 1
            pause = BACKOFF_SECONDS[min(child.deaths, len(BACKOFF_SECONDS)) - 1]
            child.again_at = now + pause
            code = child.process.returncode
            self._say(f"{name} ended (code {code}); starting it again in {pause:g} s. Its log is {child.program.log}.")
        elif child.again_at is not None and now >= child.again_at:
            fresh = _start(child.program)
            child.process, child.began, child.again_at = fresh.process, fresh.began, None

    def stop(self) -> None:
        """Stop programs (workers and beat, then the web), then the servers. Everything is gone when it returns."""
        names = sorted(self._children, key=lambda name: name == "web")
        for name in names:
            if self._children[name].process.poll() is None:
                self._children[name].process.terminate()
        for name in names:
            processes.end(self._children[name].process, *_LATE)
        self._children.clear()
        with ThreadPoolExecutor(max_workers=max(1, len(self._servers))) as pool:
            list(pool.map(lambda server: server.stop(), self._servers.values()))
        self._servers.clear()


def _start(program: Program) -> _Child:
    start = processes.size_of(program.log)
    process = processes.spawn(program.command, log=program.log, env=program.env, cwd=program.cwd, keep=True)
    return _Child(program, process, start)
