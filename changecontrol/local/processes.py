"""Starting and ending server processes so that none outlives us, and the few facts we read about them."""

from __future__ import annotations

import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

from changecontrol.local.places import Account

LEASH = Path(__file__).with_name("leash.py")
LOG_LIMIT_BYTES = 10 * 1024 * 1024

_Order = tuple[Callable[[], "subprocess.Popen[bytes]"], "Future[subprocess.Popen[bytes]]"]
_orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
_starter: threading.Thread | None = None
_starter_guard = threading.Lock()


def spawn(
    program: Sequence[str | Path],
    *,
    log: Path | None,
    death_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    keep: bool = False,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own on a leash (leash.py), its output appended to `log` (None: to ours).

    `death_signal` reaches it when we die, however we die; `keep` leaves a keeper beside it that kills its leftovers.
    """
    uid, gid = (str(account.uid), str(account.gid)) if account else ("-", "-")
    leash = [sys.executable, "-I", "-S", str(LEASH), "keep" if keep else "become", str(int(death_signal))]
    command = [*leash, str(os.getpid()), uid, gid, *map(str, program)]

    def start() -> subprocess.Popen[bytes]:
        with ExitStack() as files:
            output = files.enter_context(_log(log).open("ab")) if log else None
            return subprocess.Popen(
                command, stdin=stdin, stdout=output, stderr=output, env=env, cwd=cwd or "/", start_new_session=True
            )

    return _in_lasting_thread(start)


def _in_lasting_thread(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    # The kernel ties a child to the THREAD that started it. Callers start servers in threads that end; so one thread
    # that never ends starts them all. (After a fork the thread is gone and a new one is made.)
    global _starter
    with _starter_guard:
        if _starter is None or not _starter.is_alive():
            _starter = threading.Thread(target=_start_for_ever, name="process-starter", daemon=True)
            _starter.start()
    future: Future[subprocess.Popen[bytes]] = Future()
    _orders.put((start, future))
    return future.result()


def _start_for_ever() -> None:
    while True:
        start, future = _orders.get()
        try:
            future.set_result(start())
        except BaseException as error:
            future.set_exception(error)


def _log(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(path.suffix + ".1"))
    return path


def end(process: subprocess.Popen[bytes], *signals: tuple[signal.Signals, float]) -> None:
    """Send each (signal, seconds to wait) in turn until the process is gone; at last SIGKILL."""
    for number, seconds in signals:
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
    if process.poll() is None:
        process.kill()
    process.wait()


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again every 20 ms until the condition holds; False when it did not within `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port at this moment."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port nobody uses now, below the range the kernel hands out to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        if port_is_free(port):
            return port


def choose_port(last: int, remembered: Path) -> int:
    """The port used last, or the one written into `remembered` by an earlier start, or a new one if that is taken."""
    try:
        known = last or int(remembered.read_text())
    except (OSError, ValueError):
        known = 0
    return known if known and port_is_free(known) else free_port()


def size_of(log: Path) -> int:
    """Where the log ends now; with `since` below, only what came later is read."""
    return log.stat().st_size if log.exists() else 0


def text_since(log: Path, start: int, *, limit: int = 4000) -> str:
    """The last `limit` characters written to the log after byte `start`."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")[-limit:].strip()


def processes_in(folder: Path) -> list[int]:
    """The processes whose working folder is `folder`: a PostgreSQL server and its sessions work inside their data."""
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd") == str(folder):
                    found.append(int(entry.name))
            except OSError:
                continue  # ended, or not ours to look at
    return found
