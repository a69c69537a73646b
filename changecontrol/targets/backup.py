"""Dump a target with pg_dump -Fc, kept by digest, and restore a dump into a fresh database."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from changecontrol.rules.refusal import Refused
from changecontrol.targets.clients import ClientMissing, ClientTooOld, client, environment_of
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.outcome import Event

__all__ = [
    "Backup",
    "BackupDamaged",
    "BackupFailed",
    "BackupMissing",
    "ClientMissing",
    "ClientTooOld",
    "NoSpace",
    "NotEmpty",
    "RestoreFailed",
    "digest_of",
    "dump",
    "restore",
]

_PIECE = 1 << 20
_TELL_EVERY_S = 2.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NoSpace(Refused):
    """The backup of {target} does not fit into {folder}. Free space there, or choose another folder, and try again."""


class BackupFailed(Refused):
    """The backup of {target} failed: {reason}"""


class BackupMissing(Refused):
    """The backup {path} cannot be read: {reason}."""


class BackupDamaged(Refused):
    """The backup {path} is not what was written: its SHA-256 is another one. It must not be restored."""


class NotEmpty(Refused):
    """{target} is not empty. A backup is restored into a fresh database, compared, and then taken into use."""


class RestoreFailed(Refused):
    """Restoring into {target} failed: {reason}"""


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished dump. `size` in bytes; `sha256` of the file as it was written."""

    path: Path
    sha256: str
    size: int
    seconds: float
    server_major: int = 0
    client_version: str = ""


def dump(
    where: Where,
    path: Path | str,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
) -> Backup:
    """Write a custom-format dump to `path`, which must not exist; a failed one leaves nothing behind.

    Raises ClientMissing, ClientTooOld, NoSpace, BackupFailed and the refusals of `connect`.
    """
    path, started = Path(path), time.monotonic()
    major = _server_major(where)
    program, version = client("pg_dump", major, target=where.called)
    command = [
        str(program),
        "--format=custom",
        "--no-password",
        *([f"--role={where.set_role}"] if where.set_role else []),
    ]
    part = path.with_name(path.name + ".part")
    on_event(Event("backup_started", None, None, f"pg_dump {version} of {where.called}.", {"client": version}))
    try:
        sha256, size = _write(command, where, part, on_event, stop)
        os.replace(part, path)
    except OSError as error:
        if error.errno not in _FULL:
            raise BackupFailed(target=where.called, reason=error.strerror or "the file cannot be written") from None
        raise NoSpace(target=where.called, folder=path.parent) from None
    finally:
        part.unlink(missing_ok=True)
    seconds = round(time.monotonic() - started, 3)
    data = {"size": size, "sha256": sha256, "seconds": seconds}
    on_event(Event("backup_done", None, None, f"{size} bytes in {seconds:.1f} s, SHA-256 {sha256}.", data))
    return Backup(path, sha256, size, seconds, major, version)


def restore(backup: Backup, where: Where, *, on_event: Callable[[Event], None] = lambda event: None) -> None:
    """Restore into an empty database, in one transaction, after reading the whole file against its digest.

    Raises BackupMissing, BackupDamaged, NotEmpty, RestoreFailed, ClientTooOld and the refusals of `connect`.
    """
    if digest_of(backup.path) != backup.sha256:
        raise BackupDamaged(path=backup.path)
    _require_empty(where)
    program, version = client("pg_restore", max(_server_major(where), backup.server_major), target=where.called)
    on_event(Event("restore_started", None, None, f"pg_restore {version} into {where.called}.", {"client": version}))
    environment = environment_of(where)
    command = [str(program), "--exit-on-error", "--single-transaction", "--no-password"]
    command += [f"--role={where.set_role}"] if where.set_role else []
    command += [
        f"--dbname={environment['PGDATABASE']}" if "PGDATABASE" in environment else "--dbname=",
        str(backup.path),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode != 0:
        raise RestoreFailed(target=where.called, reason=_last_line(done.stderr))


def digest_of(path: Path) -> str:
    """SHA-256 of a whole file, in hex. Raises BackupMissing."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise BackupMissing(path=path, reason=error.strerror or "it cannot be opened") from None
    return digest.hexdigest()


def _write(
    command: list[str],
    where: Where,
    part: Path,
    on_event: Callable[[Event], None],
    stop: Callable[[], str | None],
) -> tuple[str, int]:
    """Stream pg_dump's output into the file and the digest. Gives (sha256, size)."""
    part.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        process = subprocess.Popen(
            command, env=environment_of(where), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        complaints: list[bytes] = []
        assert process.stdout is not None and process.stderr is not None  # both were asked for as pipes
        listener = threading.Thread(target=_listen, args=(process.stderr, complaints), daemon=True)
        listener.start()
        try:
            sha256, size = _stream(process.stdout, file, where, on_event, stop)
            file.flush()
            os.fsync(file.fileno())
        finally:
            process.stdout.close()
            if process.poll() is None and not _ends_soon(process):
                process.kill()
                process.wait()
            listener.join(5)
            process.stderr.close()
    if process.returncode != 0:
        raise BackupFailed(target=where.called, reason=_last_line(b"".join(complaints)))
    return sha256, size


def _stream(
    source: IO[bytes],
    file: IO[bytes],
    where: Where,
    on_event: Callable[[Event], None],
    stop: Callable[[], str | None],
) -> tuple[str, int]:
    digest, size, told = hashlib.sha256(), 0, time.monotonic()
    while piece := source.read(_PIECE):
        digest.update(piece)
        file.write(piece)
        size += len(piece)
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            on_event(Event("progress", None, None, f"{size} bytes of the backup are written.", {"size": size}))
            reason = stop()
            if reason:
                raise BackupFailed(target=where.called, reason=f"aborted: {reason}")
    return digest.hexdigest(), size


def _ends_soon(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        return False
    return True


def _listen(source: IO[bytes], into: list[bytes]) -> None:
    into.append(source.read()[-4000:])


def _last_line(complaints: bytes) -> str:
    """The client's own message; it may quote the command that failed, never the connection string."""
    lines = [line.strip() for line in complaints.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line] or lines
    text = errors[0].split("error:", 1)[-1].strip() if errors else "the client gave no reason."
    return text.split("connection to server", 1)[0].strip() or "the connection to the server failed."


def _server_major(where: Where) -> int:
    with connect(where, application_name="backup") as session:
        return session.info.server_version // 10000


def _require_empty(where: Where) -> None:
    with connect(where, application_name="restore") as session:
        row = session.execute(
            "SELECT EXISTS (SELECT FROM pg_class WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)"
        ).fetchone()
    if row and row[0]:
        raise NotEmpty(target=where.called)
