"""Dumps that copies are made from: taking one of a schema, reading what one needs, restoring it into a copy."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from changecontrol.rules.refusal import Refused
from changecontrol.targets import borrowed_roles
from changecontrol.targets.clients import client, environment_of, newest
from changecontrol.targets.connection import Where, connect

_SERVER = re.compile(r"Dumped from database version: (\d+)")
#: Entries of our own schema in a dump's list of contents: number, OIDs, kind, schema or -, name, owner.
_OURS = re.compile(r"^\d+; \d+ \d+ (?:[A-Z ]+ changecontrol |(?:[A-Z]+ - )?SCHEMA (?:- )?changecontrol )")


class CopyFailed(Refused):
    """No copy of {of} could be made to rehearse on: {reason}"""


@dataclass(frozen=True, slots=True)
class Archive:
    """A custom-format dump: which server wrote it, and the roles its text names."""

    path: Path
    of: str
    major: int
    roles: frozenset[str]


def take(of: Where, path: Path, *, seconds: float) -> Archive:
    """Dump a target's schema, without ours. Raises CopyFailed, ClientMissing, ClientTooOld and those of `connect`."""
    with connect(of, application_name="copy") as session:
        major = session.info.server_version // 10000
    program, _version = client("pg_dump", major, target=of.called)
    role = [f"--role={of.set_role}"] if of.set_role else []
    options = ["--format=custom", "--schema-only", "--exclude-schema=changecontrol", "--no-subscriptions"]
    _call([program, *options, "--no-tablespaces", "--no-password", *role, f"--file={path}"], of, of.called, seconds)
    return Archive(path, of.called, major, _roles(path, of.called, seconds))


def read(path: Path, *, seconds: float = 600) -> Archive:
    """Look into a dump that was made before. Raises CopyFailed, ClientMissing and ClientTooOld."""
    called = f"the backup {path.name}"
    listed = _call([newest("pg_restore"), "--list", path], None, called, seconds)
    found = _SERVER.search(listed)
    major = int(found.group(1)) if found else 0
    return Archive(path, called, major, _roles(path, called, seconds))


def restore(archive: Archive, where: Where, *, role: str, strict: bool, owners: bool, seconds: float) -> None:
    """Restore into an empty database as `role`. `strict`: every error counts; else what can be restored is.

    Without `owners` everything belongs to who restores it.
    """
    with connect(where, application_name="copy") as session:
        major = session.info.server_version // 10000
    program, _version = client("pg_restore", max(major, archive.major), target=where.called)
    options = ["--exit-on-error", "--single-transaction"] if strict else []
    options += ["--no-tablespaces", "--no-subscriptions", "--no-password"]
    options += [*([f"--role={role}"] if role else []), *([] if owners else ["--no-owner"])]
    database = f"--dbname={environment_of(where).get('PGDATABASE', '')}"
    listed = _call([program, "--list", archive.path], None, archive.of, seconds).splitlines(keepends=True)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as wanted:
        wanted.writelines(line for line in listed if not _OURS.match(line))
        wanted.flush()
        command: list[str | Path] = [program, *options, database, f"--use-list={wanted.name}", archive.path]
        _call(command, where, archive.of, seconds, strict=strict)


def _roles(path: Path, called: str, seconds: float) -> frozenset[str]:
    text = _call([newest("pg_restore"), "--schema-only", "--file=-", path], None, called, seconds)
    return frozenset(borrowed_roles.named_in(text))


def _call(command: Sequence[str | Path], where: Where | None, of: str, seconds: float, *, strict: bool = True) -> str:
    environment = environment_of(where) if where is not None else {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise CopyFailed(of=of, reason=f"it took longer than {seconds:g} s.") from None
    if done.returncode != 0 and strict:
        raise CopyFailed(of=of, reason=_reason(done.stderr.decode(errors="replace")))
    return done.stdout.decode(errors="replace")


def _reason(complaints: str) -> str:
    """The client's first error, never with the connection it was made over."""
    lines = [line.split("error:", 1)[-1].strip() for line in complaints.splitlines() if "error:" in line]
    text = lines[0] if lines else "the client program gave no reason."
    return text.split("connection to server", 1)[0].strip() or "the connection to the server failed."
