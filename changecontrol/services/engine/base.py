"""What the engine's verbs share: reading the folder, opening the database, the report they give."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from changecontrol.repository import files, foreign
from changecontrol.repository.folder import POLICY_FILE
from changecontrol.repository.foreign import Gathered
from changecontrol.rules import policy, script
from changecontrol.rules.finding import Finding
from changecontrol.rules.policy import Policy
from changecontrol.rules.refusal import Refused
from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, connect, lock, resolve
from changecontrol.targets.folding import LedgerRow
from changecontrol.targets.outcome import Event

#: Written into the ledger in place of a change request's code.
CODE = "engine"
#: The environment that the engine stamps on a database nobody has registered.
UNREGISTERED = "unregistered"
_GUARDED = ("staging", "production")
_REFERENCE = re.compile(r"(env|file|service):")

Say = Callable[[str], None]
OnEvent = Callable[[Event], None]


class FolderMissing(Refused):
    """There is no folder {folder} that can be read."""


class NothingThere(Refused):
    """The folder {folder} holds no migration: files named NNN_description.sql."""


class DsnMissing(Refused):
    """{verb} needs a database: name it behind the folder or with --dsn."""


class Excluded(Refused):
    """There is no migration {numbers} in the folder."""


class OutOfOrder(Refused):
    """{name} cannot be rolled back now: {newer} was applied after it. Roll that back first."""


class DatabaseFailed(Refused):
    """The database did not do what was asked of it: {reason}"""


class DatabaseGuarded(Refused):
    """This database is registered as {environment}: it is changed through a change request, never by this command."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Everything the folder holds."""

    root: Path
    migrations: tuple[Gathered, ...]
    strays: tuple[Finding, ...]
    policy: Policy

    def numbered(self) -> dict[int, Gathered]:
        """The migrations that can be told apart by their number."""
        return {
            one.number: one
            for one in self.migrations
            if one.number is not None and not isinstance(one.forward, foreign.SameNumber)
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a verb gives back: plain JSON values, and whether everything is fine (exit code 0) or not (1)."""

    value: dict[str, Any]
    fine: bool = True
    text: str = ""  # what is printed, where the verb itself knows best


def read_folder(folder: Path, *, only: Sequence[int] = (), to: int | None = None) -> Folder:
    """Read the folder and its policy. Raises FolderMissing, NothingThere, Excluded and the refusals of a policy."""
    try:
        migrations, strays = foreign.gather(folder)
        root = files.root_of(folder)
    except files.RepositoryMissing:
        raise FolderMissing(folder=folder) from None
    if not migrations:
        raise NothingThere(folder=folder)
    known = {one.number for one in migrations}
    wanted = set(only) | ({to} if to else set())
    if wanted - known:
        raise Excluded(numbers=", ".join(f"{number:03d}" for number in sorted(wanted - known)))
    return Folder(root, tuple(migrations), tuple(strays), _policy(root))


def _policy(root: Path) -> Policy:
    try:
        return policy.parse(script.decoded(files.read(root, POLICY_FILE), file=POLICY_FILE))
    except files.FileMissing:
        return Policy()


def where_of(dsn: str, *, name: str = "the database") -> Where:
    """Read a connection string, or where one is kept: env:NAME, file:/path, service:name. Raises as `resolve`."""
    text = dsn.strip()
    return Where(resolve(text) if _REFERENCE.match(text) else text, name=name)


@contextmanager
def reached(dsn: str, *, name: str = "the database") -> Iterator[Session]:
    """A session for the block; what the driver raises becomes DatabaseFailed. Raises the refusals of connecting."""
    with connect(where_of(dsn, name=name), application_name="changecontrol engine") as session, reaching():
        yield session


@contextmanager
def reaching() -> Iterator[None]:
    """What the driver raises in the block becomes DatabaseFailed, which shows nothing of the connection."""
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseFailed(reason=error.diag.message_primary or "the connection broke") from None


@contextmanager
def opened(dsn: str, *, deadline_s: float, on_event: OnEvent, stop: Callable[[], str | None]) -> Iterator[Session]:
    """A session that may change the database, under the lock that keeps others away.

    A database nobody registered gets a ledger that is marked as unsigned. Raises the refusals of connecting,
    TargetBusy, LedgerForbidden and DatabaseGuarded.
    """
    with reached(dsn) as session:
        guard(session)
        with lock(session, deadline=deadline_s, on_event=on_event, stop=stop):
            if ledger.identity(session) is None:
                ledger.bootstrap(session, target_uuid=uuid.uuid4(), environment=UNREGISTERED, actor=CODE)
            yield session


def guard(session: Session) -> None:
    """Refuse a database that belongs to a staging or production environment."""
    found = ledger.identity(session)
    if found is None:
        return
    known = found.environment.lower()
    signed_elsewhere = bool(found.signed_by) and known != "development"
    if known in _GUARDED or signed_elsewhere:
        raise DatabaseGuarded(environment=found.environment)


def newest_fence(rows: Sequence[LedgerRow]) -> int:
    """The highest fence in the ledger."""
    return max((row.fence for row in rows), default=0)
