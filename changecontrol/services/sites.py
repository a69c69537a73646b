"""Targets, and environments by way of environments.py: what administrators set up. None of it opens a gate.

A target's connection string is never seen here: only a reference to it, which the workers of its queue resolve.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import PurePosixPath

from changecontrol.models import ChangeRequest, Environment, Errand, Person, Target
from changecontrol.models.executions import OPEN
from changecontrol.rules.lifecycle import FINAL, Duty, Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import errand_queue, site_names
from changecontrol.services.administering import require_administrator, require_reason
from changecontrol.services.environments import EnvironmentMissing, add_environment, change_environment
from changecontrol.services.recording import acting
from changecontrol.targets.connection import ReferenceWithoutScheme

__all__ = [
    "add_environment",
    "add_target",
    "change_environment",
    "examine_reference",
    "point_target",
    "retire_target",
]

#: status in which a change counts on every target of an environment of this kind, whether or not it ran there yet
_COUNTED_ON = {Environment.Kind.STAGING: Status.APPROVED, Environment.Kind.PRODUCTION: Status.AUTHORIZED}
#: variables of our own programs; a target is never one of our own databases
_OURS = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY"}


class TargetMissing(Refused):
    """There is no such target. Reload the page."""


class ReferenceInUse(Refused):
    """The target {target} already uses this reference. One database is one target."""


class ReferenceIsOurs(Refused):
    """That reference belongs to Change Control itself. A target needs one of its own."""


class RoleUnusable(Refused):
    """A role has at most 63 printable characters. Correct it, or leave it empty to run as the login itself."""


class AlreadyRetired(Refused):
    """{name} is retired already. It keeps its history and takes no runs."""


class NothingChanges(Refused):
    """{name} already has this reference and role."""


class CountedOn(Refused):
    """{name} cannot be retired: {codes} counts on it. Bring that to its end first, or withdraw it."""


class TargetBusy(Refused):
    """{name} is being worked on ({what}). Try again when that has ended."""


def add_target(
    *, name: str, environment_id: int, reference: str, set_role: str, actor: Person, reason: str, now: datetime
) -> Target:
    """Name a database. It takes no runs until it is registered. Raises ReferenceWithoutScheme for a pasted DSN."""
    wanted, where, role = site_names.readable(name, "target"), examine_reference(reference), _role(set_role)
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        require_administrator(actor)
        environment = Environment.objects.select_for_update().filter(pk=environment_id).first()
        if environment is None:
            raise EnvironmentMissing
        site_names.ensure_free(Target, wanted, "target")
        _ensure_reference_is_free(environment, where)
        return site_names.saved(Target(name=wanted, environment=environment, reference=where, set_role=role), "target")


def point_target(
    *, target_id: int, reference: str, set_role: str, actor: Person, reason: str, now: datetime
) -> Errand | None:
    """Give a target another reference or role.

    A registered one keeps the old until a worker has seen that the same database answers: the errand doing that is
    returned. One that was never registered is changed at once; None is returned.
    """
    where, role, why = examine_reference(reference), _role(set_role), require_reason(reason)
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=why):
        require_administrator(actor)
        target = _locked(target_id)
        if (target.reference, target.set_role) == (where, role):
            raise NothingChanges(name=target.name)
        _ensure_idle(target)
        if where != target.reference:
            _ensure_reference_is_free(target.environment, where, but=target.pk)
        if target.registered_at is None and not target.executions.exists():
            target.reference, target.set_role = where, role
            target.save(update_fields=["reference", "set_role"])
            return None
        params = {"point_to": {"reference": where, "set_role": role}, "reason": why}
        return errand_queue.ask(kind=Errand.Kind.REGISTER, target=target, person=actor, now=now, params=params)


def retire_target(*, target_id: int, actor: Person, reason: str, now: datetime) -> None:
    """Take a target out of use; it keeps its history. Refused while a change counts on it, so no gate opens by it."""
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        require_administrator(actor)
        target = _locked(target_id)
        _ensure_idle(target)
        # An open change that has run here, or has to: its gates name this target.
        counting = ChangeRequest.objects.exclude(status__in=FINAL)
        codes = set(counting.filter(executions__target=target).values_list("code", flat=True))
        if target.registered_at and (status := _COUNTED_ON.get(Environment.Kind(target.environment.kind))):
            codes |= set(counting.filter(status=status).values_list("code", flat=True))
        if codes:
            raise CountedOn(name=target.name, codes=", ".join(sorted(codes)))
        target.retired_at = now
        target.save(update_fields=["retired_at"])


def examine_reference(reference: str) -> str:
    """Return the reference in its one spelling, or refuse it without repeating it: it may be a pasted DSN."""
    text = reference.strip()
    scheme, _, rest = text.partition(":")
    if scheme == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest):
        if rest.removesuffix("_FILE") in _OURS:
            raise ReferenceIsOurs
        fits = True
    elif scheme == "file" and rest.isprintable():
        path = PurePosixPath(rest)
        fits = path.is_absolute() and ".." not in path.parts and not set("@?=") & set(rest)
    else:
        fits = scheme == "service" and re.fullmatch(r"[A-Za-z0-9_.-]+", rest) is not None
    if not fits or len(text) > 200:
        raise ReferenceWithoutScheme
    return text


def _locked(target_id: int) -> Target:
    target = Target.objects.select_for_update(of=("self",)).select_related("environment").filter(pk=target_id).first()
    if target is None:
        raise TargetMissing
    if target.retired_at is not None:
        raise AlreadyRetired(name=target.name)
    return target


def _ensure_idle(target: Target) -> None:
    if run := target.executions.filter(state__in=OPEN).first():
        raise TargetBusy(name=target.name, what=run.code)
    waiting = target.errands.filter(state__in=errand_queue.OPEN).exclude(kind=Errand.Kind.PROBE)
    if errand := waiting.first():
        raise TargetBusy(name=target.name, what=errand.kind)


def _ensure_reference_is_free(environment: Environment, reference: str, *, but: int = 0) -> None:
    """Workers of another queue have variables of their own, so the same name there may be another database."""
    others = Target.objects.in_use().filter(environment__queue=environment.queue, reference=reference).exclude(pk=but)
    if other := others.first():
        raise ReferenceInUse(target=other.name)


def _role(role: str) -> str:
    said = role.strip()
    if len(said.encode()) > 63 or not said.isprintable():
        raise RoleUnusable
    return said
