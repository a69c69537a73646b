"""The data folder of an embedded PostgreSQL server: made whole or not at all, examined before each start."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from changecontrol.local import places, processes
from changecontrol.local.private import write_private
from changecontrol.rules.refusal import Refused

#: How long a server that was told to stop (or lost its parent) may take before we say it is still running.
GONE_SECONDS = 15.0
FULL_BYTES = 1024 * 1024
#: A new data folder takes about 40 MB, and one write-ahead segment more at once.
FRESH_BYTES = 64 * 1024 * 1024
_PARTS = ("PG_VERSION", "global/pg_control", "pg_wal", "base")
_DAMAGE = ("PANIC", "could not locate a valid checkpoint", "incorrect checksum in control", "could not open file")


class DiskFull(Refused):
    """No space is left on the disk of {folder}: the {name} database cannot start. Free some space and start again."""


class DataFolderBroken(Refused):
    """The data folder of the {name} database, {folder}, is damaged ({reason}).
    Start again with --reset, which deletes it."""


class OtherMajorVersion(Refused):
    """The data folder of the {name} database, {folder}, was made by PostgreSQL {found}, not {wanted}.
    Start again with --reset, which deletes it."""


class AlreadyRunning(Refused):
    """The {name} database of {folder} is already running (process {pid}). Stop the program that started it."""


class CannotStart(Refused):
    """The {name} database did not start ({reason}). Its log is {log}."""


def wait_for_predecessor(data: Path, *, name: str) -> None:
    """Wait until no process works in the folder, then drop a stale postmaster.pid. Raises AlreadyRunning.

    A server whose program was killed may still be stopping. Without dropping the file PostgreSQL would take any
    program that got the old process number for the old server.
    """
    data = data.resolve()
    if not (data / "postmaster.pid").exists():
        return
    if not processes.wait_until(lambda: not processes.processes_in(data), seconds=GONE_SECONDS):
        raise AlreadyRunning(name=name, folder=data, pid=min(processes.processes_in(data), default=0))
    (data / "postmaster.pid").unlink(missing_ok=True)


def initialize(
    data: Path,
    *,
    name: str,
    initdb: Path,
    superuser: str,
    password: str,
    durable: bool,
    account: places.Account | None,
    env: Mapping[str, str],
    log: Path,
) -> None:
    """Run initdb in a folder of another name and rename it at the end: a half-made one is never taken for a whole."""
    half, word = data.with_name(data.name + ".new"), data.with_name(data.name + ".word")
    shutil.rmtree(half, ignore_errors=True)
    places.make_folder(data.parent)
    if shutil.disk_usage(data.parent).free < FRESH_BYTES:
        raise DiskFull(folder=data, name=name)
    places.make_data_folder(half, account)
    write_private(word, password)
    if account:
        os.chown(word, account.uid, account.gid)
    options = ["--username", superuser, "--pwfile", str(word), "--auth", "scram-sha-256", "--encoding", "UTF8"]
    options += ["--locale", "C.UTF-8", *([] if durable else ["--no-sync"])]
    start = processes.size_of(log)
    try:
        program = [str(initdb), "--pgdata", str(half), *options]
        process = processes.spawn(program, log=log, account=account, env=env, death_signal=signal.SIGKILL)
        if process.wait() != 0:
            said = processes.text_since(log, start, limit=1_000_000)
            raise CannotStart(name=name, reason=_reason(said), log=log)
        half.rename(data)
    finally:
        word.unlink(missing_ok=True)
        shutil.rmtree(half, ignore_errors=True)


def examine(data: Path, *, name: str, major: int) -> None:
    """Refuse a folder that cannot be a whole one of this major version: DataFolderBroken, OtherMajorVersion."""
    for part in _PARTS:
        if not (data / part).exists():
            raise DataFolderBroken(name=name, folder=data, reason=f"{part} is missing")
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(major):
        raise OtherMajorVersion(name=name, folder=data, found=found or "?", wanted=major)


def diagnose(text: str, *, name: str, data: Path, log: Path) -> NoReturn:
    """Raise the refusal that fits what a server wrote before it gave up."""
    if _is_full(data.parent, text):
        raise DiskFull(folder=data, name=name)
    if any(sign in text for sign in _DAMAGE):
        raise DataFolderBroken(name=name, folder=data, reason=_reason(text))
    raise CannotStart(name=name, reason=_reason(text), log=log)


def _is_full(folder: Path, text: str) -> bool:
    # A server that ran out of space does not always get to say so.
    return "No space left on device" in text or shutil.disk_usage(folder).free < FULL_BYTES


def _reason(text: str) -> str:
    telling = [line for line in text.splitlines() if any(w in line for w in ("FATAL", "PANIC", "error:", "ERROR"))]
    return (telling or text.splitlines() or ["it wrote nothing"])[-1].strip()
