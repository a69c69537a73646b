"""Rehearsals: asking for one, taking one that was made elsewhere, and reading what they showed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from changecontrol.models import ChangeRequest, Environment, Errand, Person, Rehearsal, Revision, Target
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.manifest import NotCanonical, canonical
from changecontrol.rules.refusal import Refused
from changecontrol.services import certifying, errand_queue, moving
from changecontrol.services.recording import acting

SCHEMA, COPY, MIGRATIONS = "schema", "copy", "migrations"
BASES = {
    SCHEMA: "the schema of the target, without its rows",
    COPY: "a copy of the target, with its rows",
    MIGRATIONS: "an empty database and all earlier migrations",
}
#: who may ask for a rehearsal: everybody who signs for what it shows
MAY_ASK = (Duty.AUTHOR, Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER, Duty.QA, Duty.TECH_LEAD)


class OnlySigners(Refused):
    """Only people who write, review or release changes can ask for a rehearsal. Ask an administrator for the duty."""


class Ended(Refused):
    """{code} is {status}, so there is nothing left to rehearse."""


class NoSuchBasis(Refused):
    """“{basis}” is nothing a copy can be built from. Choose one of: schema, copy, migrations."""


class NoPlace(Refused):
    """No registered target is there whose schema a copy could have. An administrator registers one first."""


class NotUsable(Refused):
    """{target} is not registered or not in use, so no copy can be made of it."""


class NotReadable(Refused):
    """This file is not what `engine rehearse --json` writes: {reason} Nothing was taken."""


class OtherScript(Refused):
    """This file holds no rehearsal of exactly this script. Rehearse the files as they are now, and upload that."""


class OnlyAuthors(Refused):
    """Only an author of {code} can upload a rehearsal."""


def request(
    *, change_id: int, actor: Person, now: datetime, target_id: int | None = None, basis: str = SCHEMA
) -> Errand:
    """Ask a worker to rehearse the current revision of a change; two clicks are one rehearsal.

    Without `target_id` the copy is one of the first production target, or of what comes nearest to it.
    """
    if not set(MAY_ASK) & moving.fresh_duties(actor):
        raise OnlySigners
    if basis not in BASES:
        raise NoSuchBasis(basis=basis)
    with acting(actor, reason="rehearsal"):
        change = moving.lock(change_id)
        if change.is_final:
            raise Ended(code=change.code, status=change.status.replace("_", " "))
        target = _target(target_id)
        params = {"basis": basis, "reason": f"rehearsal of {change.code}"}
        waiting = waiting_of(change).filter(target=target, params__basis=basis).first()
        return waiting or errand_queue.ask(
            kind=Errand.Kind.REHEARSE,
            target=target,
            person=actor,
            now=now,
            params=params,
            revision=change.revision,
        )


def upload(*, change_id: int, data: bytes, actor: Person, now: datetime) -> Rehearsal:
    """Take what `engine rehearse --json` wrote elsewhere: shown beside ours, and never enough for a gate.

    Raises NotReadable, OtherScript, OnlyAuthors.
    """
    with acting(actor, duty=Duty.AUTHOR, reason="uploaded rehearsal"):
        change = moving.lock(change_id)
        if not change.authors.filter(person=actor).exists():
            raise OnlyAuthors(code=change.code)
        assert change.revision is not None  # a change is opened with its first one
        found = _of_script(_read(data), change.revision)
        return certifying.keep_upload(change.revision, found, actor=actor, now=now)


def newest(change: ChangeRequest) -> Rehearsal | None:
    """Return the newest rehearsal that a worker of ours made of the change's current script, or None.

    Its certificate is large and read only when it is asked for.
    """
    return _ours(change).defer("certificate").first()


def all_of(change: ChangeRequest) -> list[Rehearsal]:
    """Return every rehearsal of a change, newest first, without their certificates."""
    heavy = [f"revision__{one}" for one in ("forward", "rollback", "verify", "sources", "plan", "findings", "checks")]
    return list(Rehearsal.objects.filter(change=change).newest_first().defer("certificate", "findings", *heavy))


def previous(rehearsal: Rehearsal) -> Rehearsal | None:
    """Return the rehearsal of the same change before this one, or None."""
    return (
        Rehearsal.objects.filter(change_id=rehearsal.change_id, pk__lt=rehearsal.pk)
        .exclude(basis="upload")
        .newest_first()
        .first()
    )


def certificate(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return the certificate as plain values; fractions are text, as they were digested."""
    found: dict[str, Any] = json.loads(rehearsal.certificate)
    return found


def waiting(change: ChangeRequest) -> Errand | None:
    """Return the rehearsal of the current revision that is asked for or under way, or None."""
    return waiting_of(change).first()


def refused(change: ChangeRequest) -> Errand | None:
    """Return the last request for the current revision if it was refused and nothing came after it, or None."""
    last = (
        change.revision.errands.filter(kind=Errand.Kind.REHEARSE).order_by("-pk").first() if change.revision else None
    )
    return last if last is not None and last.state == Errand.State.REFUSED else None


def waiting_of(change: ChangeRequest) -> QuerySet[Errand]:
    """Return the open errands that rehearse the current revision."""
    return Errand.objects.filter(
        kind=Errand.Kind.REHEARSE, revision=change.revision_id, state__in=errand_queue.OPEN
    ).order_by("-pk")


def findings(change: ChangeRequest) -> list[dict[str, Any]]:
    """Return the findings that count for the current revision: the rehearsal's once there is one."""
    return counting(change, newest(change))


def counting(change: ChangeRequest, made: Rehearsal | None) -> list[dict[str, Any]]:
    """Return what `findings` does where the newest rehearsal is known already."""
    if made is not None:
        return list(made.findings)
    return list(change.revision.findings) if change.revision else []


def places() -> list[Target]:
    """Return the targets a copy can be made of, production first: what is rehearsed there is what will run."""
    usable = Target.objects.in_use().exclude(registered_at=None)
    rank = {Environment.Kind.PRODUCTION: 0, Environment.Kind.STAGING: 1}
    return sorted(usable, key=lambda one: (rank.get(Environment.Kind(one.environment.kind), 2), one.name))


def _ours(change: ChangeRequest) -> QuerySet[Rehearsal]:
    digest = change.revision.script_digest if change.revision else ""
    return Rehearsal.objects.filter(change=change, script_digest=digest).exclude(basis="upload").order_by("-pk")


def _target(target_id: int | None) -> Target:
    usable = places()
    if not usable:
        raise NoPlace
    if target_id is None:
        return usable[0]
    found = next((one for one in usable if one.pk == target_id), None)
    if found is None:
        named = Target.objects.filter(pk=target_id).first()
        raise NotUsable(target=named.name if named else "This target")
    return found


def _read(data: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(data)
        canonical(certifying.exact(value))
    except (ValueError, UnicodeDecodeError, RecursionError):
        raise NotReadable(reason="it is not JSON.") from None
    except NotCanonical as error:
        raise NotReadable(reason=f"{error}.") from None
    found = value.get("migrations") if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise NotReadable(reason="it has no list “migrations”.")
    return found


def _of_script(found: list[dict[str, Any]], revision: Revision) -> dict[str, Any]:
    for one in found:
        if one.get("script_digest") == revision.script_digest:
            return one
    raise OtherScript
