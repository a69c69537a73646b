"""Releases of the application, as people attest them for a target; the newest attestation counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from changecontrol.models import Environment, Person, ReleaseAttestation, Target
from changecontrol.rules import releases
from changecontrol.rules.gates import Unmet
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.rules.releases import Requirement
from changecontrol.services import moving
from changecontrol.services.recording import acting
from changecontrol.services.standing import Standing

#: who may say which release is out
ATTESTS = (Duty.QA, Duty.TECH_LEAD)
#: (target id, application) -> the attestation that counts
Attested = dict[tuple[int, str], ReleaseAttestation]


class OnlyAttesters(Refused):
    """Only QA or a tech lead can attest a release. Ask an administrator if this duty is yours."""


class NoSuchTarget(Refused):
    """There is no such target in use. Choose one of those on the page."""


class NoteMissing(Refused):
    """Say how you know that the release is out everywhere, in a sentence that others can check. Nothing was
    attested."""


def attest_release(
    *, target_id: int, application: str, version: str, note: str, actor: Person, now: datetime
) -> ReleaseAttestation:
    """Record that a release of an application is out for a target. Append-only: a mistake is attested anew.

    Raises OnlyAttesters, NoSuchTarget, NoteMissing, BadApplication or BadVersion.
    """
    said = releases.check(application, version)
    held = moving.fresh_duties(actor) & set(ATTESTS)
    if not held:
        raise OnlyAttesters
    if len(note.strip()) < 10:
        raise NoteMissing
    target = Target.objects.in_use().filter(pk=target_id).first()
    if target is None:
        raise NoSuchTarget
    with acting(actor, duty=min(held), reason=note.strip()):
        return ReleaseAttestation.objects.create(
            target=target,
            application=said.application,
            version=said.version,
            note=note.strip(),
            attested_by=actor,
            attested_at=now,
        )


def attested(targets: Iterable[Target], applications: Iterable[str]) -> Attested:
    """Return the newest attestation of each application on each target; one query."""
    found = (
        ReleaseAttestation.objects.filter(target__in=[one.pk for one in targets], application__in=set(applications))
        .select_related("attested_by")
        .order_by("target_id", "application", "-attested_at", "-pk")
        .distinct("target_id", "application")
    )
    return {(one.target_id, one.application): one for one in found}


def required(known: Standing) -> tuple[Requirement, ...]:
    """Return the releases that a change waits for: those of its frozen header, and of its documentation."""
    header = known.plan("forward").get("header") or {}
    texts = (str(header.get("requires_release") or ""), known.change.requires_release)
    return tuple(dict.fromkeys(one for text in texts for one in releases.parse(text) or ()))


def unmet(known: Standing, kind: str, targets: list[Target]) -> list[Unmet]:
    """Return which release is not known to be out where; development waits for none. No query without a release."""
    wanted = required(known) if kind != Environment.Kind.DEVELOPMENT else ()
    if not wanted or not targets:
        return []
    found = attested(targets, (one.application for one in wanted))
    return [
        Unmet(f"The release {requirement} is not attested for {target.name}.", "QA or tech lead")
        for requirement in wanted
        for target in targets
        if not met(requirement, target, found)
    ]


def met(requirement: Requirement, target: Target, found: Attested) -> bool:
    """Whether the newest attestation for a target says that the release, or a newer one, is out."""
    newest = found.get((target.pk, requirement.application))
    return newest is not None and requirement.met_by(newest.version)
