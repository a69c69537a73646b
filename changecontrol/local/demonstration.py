"""`manage.py demo`: the whole installation on one machine, from nothing to "Ready" and back to nothing running."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage
from types import FrameType

import psycopg

from changecontrol.local import processes
from changecontrol.local.database import Prepared
from changecontrol.local.installation import ENVIRONMENTS, Installation
from changecontrol.local.places import NoSpace
from changecontrol.local.servers import Servers
from changecontrol.local.supervisor import Supervisor
from changecontrol.rules.refusal import Refused

READY_SECONDS = 180.0
#: A first start fills about 300 MB: six data folders of PostgreSQL and their first write-ahead segments.
FRESH_BYTES = 400 * 1024 * 1024
#: How long the leftovers of a demonstration that was killed may take to go.
LEFTOVER_SECONDS = 15.0


class WebPortInUse(Refused):
    """Port {port} is already in use on this machine. Choose another one: python3 manage.py demo --port {other}"""


class WebPortNotAllowed(Refused):
    """Port {port} cannot be used here ({reason}). Choose one between 1024 and 65535 with --port."""


class StepFailed(Refused):
    """The demonstration could not finish "{step}" ({reason}).{where}"""


class Demonstration:
    """One demonstration: `run` returns after Ctrl-C (or SIGTERM), when everything has stopped."""

    def __init__(
        self, *, project: Path, folder: Path, port: int, accounts: list[str], say: Callable[[str], None]
    ) -> None:
        self.here = Installation(project, folder, port=port)
        self.port, self.accounts, self._say = port, accounts, say
        self.supervisor = Supervisor(on_event=say)
        self.servers = Servers(self.here)

    def run(self, *, reset: bool) -> None:
        """Start everything, tell the story, say "Ready" and stay until interrupted. Raises Refused."""
        began = time.monotonic()
        for name in [name for name in os.environ if name.startswith("PG")]:
            del os.environ[name]  # PGSSLMODE, PGSERVICE and their like would bend every connection we make
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            self._take_place(reset=reset)
            self._start(began)
            while True:
                self.supervisor.tend()
                time.sleep(0.5)
        except KeyboardInterrupt:
            pass
        except psycopg.Error as error:
            raise StepFailed(step="prepare the databases", reason=str(error).splitlines()[0], where="") from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise NoSpace(folder=self.here.folder) from error
            raise
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
            self._stop()

    def _take_place(self, *, reset: bool) -> None:
        """Everything that can be refused before anything is started or changed."""
        if not 0 < self.port < 65536:
            raise WebPortNotAllowed(port=self.port, reason="there is no such port")
        if self.port < 1024 and os.geteuid() != 0:
            raise WebPortNotAllowed(port=self.port, reason="only root may use ports below 1024")
        if self.here.done("start"):
            # Running, or killed with -9: then what it started is just ending, and its port comes free.
            self.here.take()
            self._refuse_taken_port(wait=True)
        else:
            self._refuse_taken_port(wait=False)
            self.here.take()
        if reset:
            self.servers.remove()
            self.here.empty()
        if not self.here.done("story", beside=self._beside) and disk_usage(self.here.folder).free < FRESH_BYTES:
            raise NoSpace(folder=self.here.folder)
        self.here.mark("start")

    def _refuse_taken_port(self, *, wait: bool) -> None:
        seconds = LEFTOVER_SECONDS if wait else 0
        if not processes.wait_until(lambda: processes.port_is_free(self.port), seconds=seconds):
            raise WebPortInUse(port=self.port, other=self.port + 1 if self.port < 65535 else 8000)

    @property
    def _beside(self) -> str:
        """Where marks about our own database stand: they go when it is deleted."""
        return "control" if self.servers.control else ""

    def _start(self, began: float) -> None:
        servers = self.servers.by_name()
        self._say(f"Starting {', '.join(servers)} ...")
        self.supervisor.start_servers(servers)
        database, urls = self.servers.prepare_ours(), self.servers.prepare_targets()
        self._migrate(database)
        env = self._environment(database)
        self._start_programs(env, urls)
        if not self.here.done("story", beside=self._beside):
            self._manage("demo_story", env=env, log=None, step="take the first change to production")
            self.here.mark("story", beside=self._beside)
        self._announce(urls, seconds=time.monotonic() - began)

    def _environment(self, database: Prepared) -> dict[str, str]:
        return self.here.environment(
            {
                "DATABASE_URL": database.app_url,
                "REDIS_URL": self.servers.broker_url(),
                "CHANGECONTROL_APP_ROLE": database.app_role,
            }
        )

    def _migrate(self, database: Prepared) -> None:
        """Run our migrations as the owner; a second start of the same code skips them, which makes it warm."""
        files = sorted((self.here.project / "changecontrol" / "migrations").glob("*.*"))
        digest = hashlib.sha256(b"\0".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()
        done = f"migrate-{digest[:16]}"
        if self.servers.control and self.here.done(done, beside="control"):
            return
        self._say("Bringing our own database up to date ...")
        log = self.here.log("migrate")
        env = {**self._environment(database), "DATABASE_OWNER_URL": database.owner_url}
        self._manage("migrate", "--no-input", env=env, log=log, step="bring our own database up to date")
        self.here.mark(done, beside=self._beside)

    def _start_programs(self, env: dict[str, str], urls: dict[str, str]) -> None:
        sandbox = self.servers.prepare_sandbox()
        scratch = {"CHANGECONTROL_SANDBOX": "env:CHANGECONTROL_SANDBOX_DSN", "CHANGECONTROL_SANDBOX_DSN": sandbox}
        workers = {name: {f"CHANGECONTROL_TARGET_{name.upper()}": url, **scratch} for name, url in urls.items()}
        programs = self.here.programs(env, workers)
        self._say(f"Starting {', '.join(program.name for program in programs)} ...")
        # Beat last: until the others are ready it would only compete with them for the processors.
        self.supervisor.start_programs([program for program in programs if program.name != "beat"])
        self.supervisor.wait_for("web", lambda _: self._healthy(), seconds=READY_SECONDS)
        for name in ENVIRONMENTS:
            self.supervisor.wait_for(f"worker-{name}", _worker_is_ready, seconds=READY_SECONDS)
        self.supervisor.start_programs([program for program in programs if program.name == "beat"])

    def _healthy(self) -> bool:
        # Not urllib: it would ask a configured proxy for our own address.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _manage(self, *arguments: str, env: dict[str, str], log: Path | None, step: str) -> None:
        """Run a command of manage.py to its end, tending the other programs meanwhile."""
        start = processes.size_of(log) if log else 0
        program = [sys.executable, str(self.here.project / "manage.py"), *arguments]
        sys.stdout.flush()
        process = processes.spawn(program, log=log, env=env, cwd=self.here.project, keep=True)
        try:
            while not processes.wait_until(lambda: process.poll() is not None, seconds=0.5):
                self.supervisor.tend()
        finally:
            processes.end(process, (signal.SIGTERM, 12.0))
        if process.returncode != 0:
            lines = processes.text_since(log, start).splitlines() if log else []
            where = f" Its log is {log}." if log else " What it said stands above."
            raise StepFailed(step=step, reason=lines[-1] if lines else f"code {process.returncode}", where=where)

    def _announce(self, urls: dict[str, str], *, seconds: float) -> None:
        services = shlex.quote(str(self.here.write_services(urls)))
        psql = shlex.quote(str(self.servers.sandbox.psql))
        lines = [
            "",
            f"Ready after {seconds:.0f} s:  http://127.0.0.1:{self.port}/",
            "",
            *self.accounts,
            "",
            "The target databases:",
            *(f"  PGSERVICEFILE={services} {psql} service={name}" for name in ENVIRONMENTS),
            "",
            f"Logs: {self.here.folder / 'log'}.  Ctrl-C stops everything and keeps the data; --reset starts over.",
        ]
        self._say("\n".join(lines))

    def _stop(self) -> None:
        if self.supervisor.busy:
            self._say("Stopping ...")
            self.supervisor.stop()
            self._say("Everything has stopped.")
        if self.here.taken:
            self.here.mark("start", done=False)


def _worker_is_ready(said: str) -> bool:
    return re.search(r"@\S+ ready", said) is not None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
