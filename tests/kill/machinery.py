"""What is killed, and how it comes back: a worker, its pool, the broker, our own database, a target's backend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import psycopg
from django.db import connections

from changecontrol.local import processes
from changecontrol.local.leash import descendants
from changecontrol.local.testing import Servers
from changecontrol.models import Execution
from tests.kill.stage import Stage, wait_until

ROOT = Path(__file__).resolve().parents[2]
QUEUES = "development,staging,production"
#: short, so that a dead worker is noticed soon; the heart beats every 2 s
LEASE_SECONDS, SWEEP_SECONDS = "4", "1"


class Kind(StrEnum):
    """What gets kill -9."""

    CHILD = "pool process of the worker"
    WORKER = "whole worker"
    BACKEND = "backend of the target"
    OWN = "our own database"
    BROKER = "broker"


#: what ends the run itself, so that a step really is cut
CUTTING = (Kind.CHILD, Kind.WORKER, Kind.BACKEND)


class Machinery:
    """Two workers for all queues and beat, started again the moment they die, as the supervisor does."""

    def __init__(self, servers: Servers, folder: Path, repository: Path) -> None:
        self.servers, self.folder = servers, folder
        self.sandboxes = servers.new_cluster("kill-sandboxes")
        (folder / "sandboxes").write_text(self.sandboxes.dsn())
        self.env = {
            **os.environ,
            "REDIS_URL": servers.broker.url,
            "CHANGECONTROL_REPOSITORY": str(repository),
            "CHANGECONTROL_SANDBOX": f"file:{folder / 'sandboxes'}",
            "CHANGECONTROL_LEASE_SECONDS": LEASE_SECONDS,
            "CHANGECONTROL_SWEEP_SECONDS": SWEEP_SECONDS,
        }
        self.running = {name: self._start(name) for name in ("one", "two", "beat")}

    @property
    def logs(self) -> str:
        """The last words of the workers."""
        return "\n".join((self.folder / f"{name}.log").read_text()[-3000:] for name in ("one", "two"))

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            processes.end(process, (signal.SIGTERM, 15.0))

    def tend(self) -> None:
        """Start again what ended."""
        for name, process in self.running.items():
            if process.poll() is not None:
                self.running[name] = self._start(name)

    def kill(self, kind: Kind, execution: Execution, stage: Stage, *, meanwhile: Callable[[], None]) -> datetime:
        """Kill -9 what `kind` says of a run, and bring it back; returns when the blow fell.

        `meanwhile` is done while the victim is dead.
        """
        match kind:
            case Kind.CHILD:
                at = self._kill_child(execution)
                meanwhile()
            case Kind.WORKER:
                at = self._kill_worker(execution)
                meanwhile()
                self.tend()
            case Kind.BACKEND:
                at = self._kill_backend(execution, stage)
                meanwhile()
            case Kind.BROKER:
                at = _now()
                self.servers.broker.kill()
                try:
                    meanwhile()
                finally:
                    self.servers.broker.start()
            case Kind.OWN:
                at = _now()
                self.servers.control.kill()
                connections.close_all()
                try:
                    meanwhile()
                finally:
                    self.servers.control.start()
        return at

    def sandboxed(self) -> bool:
        """Whether there is a copy on the server for sandboxes now."""
        return bool(self._on_sandboxes("SELECT 1 FROM pg_database WHERE datname LIKE 'cc\\_sandbox%'"))

    def kill_rehearsal(self, kind: Kind) -> None:
        """Kill -9 under a rehearsal: the workers (nobody tells which has it), a backend of its copy, or our servers."""
        match kind:
            case Kind.WORKER:
                for name in ("one", "two"):
                    os.kill(descendants(self.running[name].pid)[0], signal.SIGKILL)
                for name in ("one", "two"):
                    self.running[name].wait(timeout=60)
                self.tend()
            case Kind.BACKEND:
                found = self._on_sandboxes("SELECT pid FROM pg_stat_activity WHERE datname LIKE 'cc\\_sandbox%'")
                for (pid,) in found[:1]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            case Kind.OWN:
                self.servers.control.kill()
                connections.close_all()
                self.servers.control.start()
            case _:
                self.servers.broker.kill()
                self.servers.broker.start()

    def _on_sandboxes(self, query: str) -> list[tuple[int]]:
        with suppress(psycopg.OperationalError):  # while it recovers from a killed backend
            with psycopg.connect(self.sandboxes.dsn(), autocommit=True, application_name="kill test") as connection:
                return connection.execute(query.encode()).fetchall()
        return [(0,)]

    def _kill_child(self, execution: Execution) -> datetime:
        pid = int(execution.worker.rpartition(":")[2])
        at = _now()
        with suppress(ProcessLookupError):  # a blow of another lane at its worker took it along
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not _lives(pid), f"the end of worker process {pid}")
        return at

    def _kill_worker(self, execution: Execution) -> datetime:
        """The keeper beside the worker ends the pool once the worker itself is dead."""
        pid, workers = int(execution.worker.rpartition(":")[2]), [self.running["one"], self.running["two"]]
        victim = next((one for one in workers if pid in descendants(one.pid)), workers[0])
        at = _now()
        os.kill(descendants(victim.pid)[0], signal.SIGKILL)
        victim.wait(timeout=60)
        return at

    def _kill_backend(self, execution: Execution, stage: Stage) -> datetime:
        """One killed backend makes the server end all others and recover."""
        pid = stage.backend(f"{execution.change.code} {execution.code}")
        at = _now()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not _lives(pid), f"the end of backend {pid}")
        return at

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        if name == "beat":
            return self._spawn(name, "beat", "--schedule", str(self.folder / "beat"), "--pidfile", "")
        options = ["--concurrency", "3", "--without-gossip", "--without-mingle", "--loglevel", "info"]
        return self._spawn(name, "worker", "-Q", QUEUES, "-n", f"{name}@%h", *options)

    def _spawn(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "changecontrol.celery:app", *words]
        return processes.spawn(command, log=self.folder / f"{name}.log", env=self.env, cwd=ROOT, keep=True)


def works(execution: Execution) -> bool:
    """Whether the process that claimed the run is still there. Asks nobody: our database may be down."""
    return _lives(int(execution.worker.rpartition(":")[2]))


def _now() -> datetime:
    return datetime.now(UTC)


def _lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False
