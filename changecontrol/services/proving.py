"""What a worker does to rehearse a revision: a disposable copy, the script on it, and the certificate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from django.conf import settings

from changecontrol.models import ChangeRequest, Errand, Revision, Target
from changecontrol.rules.certificate import Certificate
from changecontrol.rules.plan import RollbackClass
from changecontrol.rules.policy import Policy
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.services import certifying, freezing, probing, visiting
from changecontrol.services.pulse import Pulse
from changecontrol.services.visiting import Done
from changecontrol.targets import backup, copies, ledger, rehearsal, sandbox, scratch
from changecontrol.targets.connection import Session, Where

logger = logging.getLogger(__name__)


class AlreadyThere(Refused):
    """{target} holds steps of {migration} already, so its schema shows nothing about running it. Choose another
    target."""


class DependencyUnknown(Refused):
    """{migration} needs migration {number:03d}, which is neither on {target} nor in the migrations folder."""


def rehearse(errand: Errand, clock: Callable[[], datetime]) -> Done:
    """Rehearse the errand's revision on a copy of its target; the certificate is stored with the errand's end."""
    revision, target, started = errand.revision, errand.target, time.monotonic()
    assert revision is not None  # a request always names one
    change = revision.change
    freezing.ensure_bytes(revision, code=change.code)
    place = visiting.where(target)
    server = visiting.sandbox_server(target, place)
    with Pulse(errand, clock=clock) as pulse:
        pulse.say(f"looking at {target.name}")
        with visiting.visit_registered(target, purpose="rehearsal", place=place) as session:
            before = _before(change, str(errand.params.get("basis", "schema")), target, session)
            seen = probing.look(session, target)
        sweep(server)
        policy = freezing.repository().policy()
        certificate = _on_copy(errand, revision, server, place, before, policy, pulse)
    certificate = replace(certificate, sizes=seen.get("tables", {}), sizes_at=f"{clock():%d %b %Y, %H:%M} UTC")
    ms = int((time.monotonic() - started) * 1000)

    def save(row: Target) -> None:
        probing.keep(row, seen, clock())
        certifying.keep(
            revision,
            certificate,
            errand=errand,
            person=errand.requested_by,
            now=clock(),
            ms=ms,
            days=policy.limits.certificate_days,
        )

    return Done({"verdict": certificate.verdict.value, "passed": certificate.passed}, save)


def sweep(server: Where) -> None:
    """Drop what killed rehearsals left on the server; one that cannot be dropped now is tried again later."""
    with suppress(Refused):
        for name in sandbox.sweep(server):
            logger.warning("dropped %s, left behind by a rehearsal that was killed", name)


def limits_of(policy: Policy) -> rehearsal.RehearsalLimits:
    """Return what a rehearsal may take here: this worker's settings, or less where the folder's policy says so."""
    seconds, size = settings.REHEARSAL_SECONDS, settings.REHEARSAL_BYTES
    if policy.limits.rehearsal_minutes:
        seconds = min(seconds, policy.limits.rehearsal_minutes * 60)
    return rehearsal.RehearsalLimits(seconds=seconds, bytes=min(size, policy.limits.sandbox_bytes or size))


def _on_copy(
    errand: Errand,
    revision: Revision,
    server: Where,
    place: Where,
    before: list[Script],
    policy: Policy,
    pulse: Pulse,
) -> Certificate:
    limits = limits_of(policy)
    kind = str(errand.params.get("basis", "schema"))
    with scratch.folder("rehearsal") as folder:
        dump = None
        if kind == "copy":
            pulse.say(f"dumping {errand.target.name}")
            dump = folder / "copy.dump"
            backup.dump(place, dump, on_event=pulse.heard, stop=pulse.stop)
        pulse.say(f"building a copy of {errand.target.name}")
        making = copies.build_copy(
            server,
            kind=kind,
            of=place,
            dump=dump,
            before=before,
            limits=limits,
            name=f"rehearsal {revision.change.code}",
            on_event=pulse.heard,
            stop=pulse.stop,
        )
        with making as copy:
            return _rehearsed(revision, copy, policy, limits, pulse)


def _rehearsed(
    revision: Revision, copy: copies.Copy, policy: Policy, limits: rehearsal.RehearsalLimits, pulse: Pulse
) -> Certificate:
    forward, rollback, verify = freezing.scripts(revision)
    assert forward is not None  # a revision is never frozen without a forward script
    return rehearsal.rehearse(
        copy.where,
        forward=forward,
        rollback=rollback,
        verify=verify,
        script_digest=revision.script_digest,
        declared=RollbackClass(revision.rollback_class),
        basis=copy.basis,
        policy=policy,
        squawk=freezing.linted(revision),
        limits=limits,
        on_event=pulse.heard,
        stop=pulse.stop,
        restore=copy.restore,
        leave_applied=False,
    )


def _before(change: ChangeRequest, kind: str, target: Target, session: Session) -> list[Script]:
    """Return the scripts that have to run on the copy first, in order of their numbers.

    On an empty database: all earlier migrations. On a target's schema: dependencies, and theirs, that it lacks.
    """
    repository = freezing.repository()
    known = {one.number: one for one in repository.migrations()}
    if kind == "migrations":
        return [repository.read(one).forward_script for one in sorted(known) if one < change.migration_number]
    rows = ledger.rows(session)
    if ledger.net(rows, migration=change.migration_number).effect != "none":
        raise AlreadyThere(target=target.name, migration=change.migration_name)
    found: dict[int, Script] = {}
    waiting = list(_needs(change.revision.plan["forward"]["header"]["dependencies"] if change.revision else []))
    while waiting:
        number = waiting.pop()
        if number in found or ledger.net(rows, migration=number).effect == "complete":
            continue
        if number not in known:
            raise DependencyUnknown(migration=change.migration_name, number=number, target=target.name)
        found[number] = repository.read(number).forward_script
        waiting += _needs(found[number].header.dependencies)
    return [found[number] for number in sorted(found)]


def _needs(dependencies: Iterable[str]) -> list[int]:
    return [int(one) for one in dependencies if str(one).isdecimal()]
