"""The files and the environment of one demonstration: its folder, secrets, programs and psql service file."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from changecontrol.local.places import FolderNotWritable, make_folder
from changecontrol.local.private import keep_secret, write_private
from changecontrol.local.supervisor import Program
from changecontrol.rules.refusal import Refused

ENVIRONMENTS = ("development", "staging", "production")
#: What only some programs may know, and what would bend clients behind our back.
_DROPPED = ("PG", "CHANGECONTROL_TARGET_", "CHANGECONTROL_SANDBOX", "DATABASE_OWNER_URL", "DJANGO_SETTINGS_MODULE")


_SERVICE_KEYS = ("host", "port", "dbname", "user", "password")


class NotOurFolder(Refused):
    """The folder {folder} holds other things than a demonstration. Name an empty or a new folder."""


class AlreadyRunning(Refused):
    """A demonstration of {folder} is already running. Stop it with Ctrl-C in its window, or choose another --port."""


class Installation:
    """One demonstration's folder: `secrets/`, `log/`, a folder per server, and markers of what was already done."""

    def __init__(self, project: Path, folder: Path, *, port: int) -> None:
        self.project, self.folder, self.port = project, folder.absolute(), port
        self.taken = False

    def take(self) -> None:
        """Create the folder and hold it for our whole life. Raises NotOurFolder, AlreadyRunning, FolderNotWritable."""
        make_folder(self.folder.parent)
        # Beside the folder, because --reset deletes the folder.
        beside = self.folder.parent / f"{self.folder.name}.lock"
        try:
            self._lock = beside.open("a")
        except PermissionError as error:  # left by another user, root perhaps
            raise FolderNotWritable(folder=beside, reason="permission denied") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(folder=self.folder) from error
        if self.folder.exists() and any(self.folder.iterdir()) and not self._ours.exists():
            raise NotOurFolder(folder=self.folder)
        make_folder(self.folder)
        self._ours.touch()
        self.taken = True

    def empty(self) -> None:
        """Delete everything in the folder (server data outside it is the servers' to delete)."""
        shutil.rmtree(self.folder)
        make_folder(self.folder)
        self._ours.touch()

    @property
    def _ours(self) -> Path:
        return self.folder / "demonstration"

    def log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def secret(self, name: str) -> str:
        """A random word kept under this name, mode 0600."""
        return keep_secret(self.folder / "secrets" / name, secrets.token_hex(32))

    def done(self, what: str, *, beside: str = "") -> bool:
        """Whether an earlier start marked this as done. `beside` names the server whose data the work lives in."""
        return (self.folder / beside / f"done-{what}").exists()

    def mark(self, what: str, *, beside: str = "", done: bool = True) -> None:
        """Remember (or forget) that something was done; the mark goes when the server it lives in is deleted."""
        marker = self.folder / beside / f"done-{what}"
        marker.touch() if done else marker.unlink(missing_ok=True)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """What every program gets: ours without target secrets, the settings of a demonstration, and `extra`."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_DROPPED)}
        settings = {
            "DJANGO_SETTINGS_MODULE": "changecontrol.settings",
            "PYTHONUNBUFFERED": "1",
            "SECRET_KEY": self.secret("secret_key"),
            "CHANGECONTROL_DEMO": "1",
            "CHANGECONTROL_QUEUES": ",".join(ENVIRONMENTS),
            "SESSION_COOKIE_NAME": f"changecontrol_session_{self.port}",
            "CSRF_COOKIE_NAME": f"changecontrol_csrf_{self.port}",
        }
        defaults = {"CHANGECONTROL_WATCH_SECONDS": "60", "ALLOWED_HOSTS": "localhost,127.0.0.1"}
        defaults["CHANGECONTROL_BACKUPS"] = str(self.folder / "backups")
        defaults["CHANGECONTROL_REPOSITORY"] = str(self.project / "migrations_repo")
        return {**defaults, **kept, **settings, **extra}

    def programs(self, env: Mapping[str, str], worker_env: Mapping[str, Mapping[str, str]]) -> list[Program]:
        """Web, beat and a worker per environment; only a worker gets what `worker_env` holds for its environment."""
        python = sys.executable
        celery = (python, "-m", "celery", "-A", "changecontrol.celery:app")
        gunicorn = (python, "-m", "gunicorn", "changecontrol.wsgi", "--bind", f"127.0.0.1:{self.port}", "--preload")
        options = ("--workers", "2", "--threads", "4", "--graceful-timeout", "5", "--access-logfile", "-")
        found = [
            self._program("web", (*gunicorn, *options), env),
            self._program("beat", (*celery, "beat", "--schedule", str(self.folder / "beat-schedule")), env),
        ]
        for queue in ENVIRONMENTS:
            options = ("-Q", queue, "-n", f"{queue}@%h", "--concurrency", "2", "--loglevel", "info")
            command = (*celery, "worker", *options, "--without-gossip", "--without-mingle")
            found.append(self._program(f"worker-{queue}", command, {**env, **worker_env[queue]}))
        return found

    def _program(self, name: str, command: tuple[str, ...], env: Mapping[str, str]) -> Program:
        return Program(name=name, command=command, env=env, log=self.log(name), cwd=self.project)

    def write_services(self, urls: Mapping[str, str]) -> Path:
        """The libpq service file, one entry per target with its password; readable by the person alone."""
        blocks = []
        for name, url in urls.items():
            where = conninfo_to_dict(url)
            blocks.append("\n".join([f"[{name}]", *(f"{key}={where[key]}" for key in _SERVICE_KEYS)]))
        path = self.folder / "pg_service.conf"
        write_private(path, "\n\n".join(blocks) + "\n")
        if os.geteuid() == 0 and (invoker := os.environ.get("SUDO_UID")):
            os.chown(path, int(invoker), -1)  # started with sudo: the psql lines are for the person
        return path
