"""A worker's visit to a target outside any run: connect, and make sure it is the right database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection as ours

from changecontrol.models import Environment, Target
from changecontrol.rules.refusal import Refused
from changecontrol.targets import ledger
from changecontrol.targets.connection import Fingerprint, Session, Where, connect, fingerprint, require, resolve


class OwnDatabase(Refused):
    """What the reference of {target} points to is Change Control's own database. Put the target's address behind it."""


class SameDatabase(Refused):
    """{target} is the database that is already registered as {other}. One database is one target."""


class Twin(Refused):
    """{target} carries the identity of {other} in its ledger: it is a copy of that database, or the connection points
    to it. Correct the reference, or have the copy stamped anew before it is registered."""


class OtherIdentity(Refused):
    """The ledger on {target} belongs to another registration ({environment} target {uuid}), not to this one. Check
    where its reference points to."""


class LedgerGone(Refused):
    """{target} is registered, but the database behind its reference has no ledger. Check where the reference points to;
    if the ledger was deleted there, nobody can say any more what was run."""


class SandboxMissing(Refused):
    """{target} is a production database, and no server for sandboxes is configured. Set CHANGECONTROL_SANDBOX for its
    worker to a reference of a server on which databases may be made and dropped."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a visit found, and what it changes on the target's row: `save` runs with the row locked."""

    result: dict[str, Any]
    save: Callable[[Target], None] | None = None


def where(target: Target, *, reference: str = "", set_role: str | None = None) -> Where:
    """Return how to reach a target, by its reference or by one that shall replace it."""
    role = target.set_role if set_role is None else set_role
    return Where(dsn=resolve(reference or target.reference), set_role=role, name=target.name)


def sandboxes() -> Where:
    """Return the server on which this worker makes sandboxes, as configured."""
    return Where(dsn=resolve(settings.SANDBOX_REFERENCE), name="the sandbox server")


def sandbox_server(target: Target, place: Where) -> Where:
    """Return where sandboxes are made: as configured, else beside a target that is not production."""
    if settings.SANDBOX_REFERENCE:
        return sandboxes()
    if target.environment.kind == Environment.Kind.PRODUCTION:
        raise SandboxMissing(target=target.name)
    return place


@contextmanager
def visit(place: Where, *, purpose: str) -> Iterator[Session]:
    """Hold a session for the block. Our own database has no transaction open meanwhile."""
    assert not ours.in_atomic_block, "a target is never visited inside our own transaction"
    with connect(place, application_name=f"Change Control {purpose}") as session:
        yield session


@contextmanager
def visit_registered(target: Target, *, purpose: str, place: Where | None = None) -> Iterator[Session]:
    """The same for a registered target, after comparing fingerprint and identity with what was registered."""
    with visit(place or where(target), purpose=purpose) as session:
        require(target.fingerprint or {}, fingerprint(session), target=target.name)
        require_identity(target, session)
        yield session


def require_identity(target: Target, session: Session) -> None:
    """Raise LedgerGone or OtherIdentity unless the ledger there is the one made for this target."""
    found = ledger.identity(session)
    if found is None:
        raise LedgerGone(target=target.name)
    if (found.uuid, found.environment) != (str(target.uuid), target.environment.kind):
        raise OtherIdentity(target=target.name, environment=found.environment, uuid=found.uuid)


def require_stranger(target: Target, session: Session, found: Fingerprint) -> None:
    """Raise OwnDatabase, SameDatabase or Twin if this database is already somebody here."""
    if _same(found, _own()):
        raise OwnDatabase(target=target.name)
    others = Target.objects.exclude(pk=target.pk).exclude(registered_at=None)
    stamped = ledger.identity(session)
    if stamped and (other := others.filter(uuid=stamped.uuid).first()):
        raise Twin(target=target.name, other=other.name)
    for other in others.filter(retired_at=None):
        if other.fingerprint and _same(found, Fingerprint.from_json(other.fingerprint)):
            raise SameDatabase(target=target.name, other=other.name)


def _same(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether both are one database; unknown where a login may not read its cluster's identifier."""
    known = bool(one.system_identifier and other.system_identifier)
    return known and (one.system_identifier, one.database) == (other.system_identifier, other.database)


def _own() -> Fingerprint:
    ours.ensure_connection()
    return fingerprint(ours.connection)
