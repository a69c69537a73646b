"""Asking for runs: development, staging, production, rollback; the second person. Interrupting is offered here too."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from changecontrol import dispatch
from changecontrol.models import ChangeRequest, Environment, Execution, Incident, Person, Signature, Target
from changecontrol.rules import gates
from changecontrol.rules.lifecycle import Duty, Purpose, State, Status
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import attempts, ceremony, facts, moving, numbering
from changecontrol.services.interrupting import AbortNeedsReason as AbortNeedsReason
from changecontrol.services.interrupting import AlreadyEnded as AlreadyEnded
from changecontrol.services.interrupting import NotPaused as NotPaused
from changecontrol.services.interrupting import NotRunning as NotRunning
from changecontrol.services.interrupting import OnlyDuty as OnlyDuty
from changecontrol.services.interrupting import PausedAlready as PausedAlready
from changecontrol.services.interrupting import PauseNeedsReason as PauseNeedsReason
from changecontrol.services.interrupting import abort as abort
from changecontrol.services.interrupting import pause as pause
from changecontrol.services.interrupting import resume as resume
from changecontrol.services.recording import acting

#: statuses in which staging may be rolled back, so that the change can leave backwards
UNDO_STAGING_WHILE = (Status.APPROVED, Status.STAGED, Status.ACCEPTED, Status.AUTHORIZED)


class WrongTarget(Refused):
    """{target} is not a development database. Only development is run freely."""


class NoSuchTarget(Refused):
    """There is no such target in use. Choose one of the development databases on the page."""


class NoSuchDirection(Refused):
    """A run goes forward or is a rollback. Choose one of the two."""


class NothingToRollBack(Refused):
    """Nothing of {code} is applied on {where}, so there is nothing to roll back."""


class NothingToRun(Refused):
    """{code} is already complete and verified on every production target."""


class NotApplicableNow(Refused):
    """{code} is {status}; {what} is possible only while it is {when}."""


class SamePerson(Refused):
    """You started {code} yourself. The second person has to be somebody else."""


class NoSecondPersonNeeded(Refused):
    """{code} does not wait for a second person."""


class RestoreComesLater(Refused):
    """Restoring from a proven backup is not built yet. Until then restore by hand as the drill was attested, and record
    it in the incident."""


def start_development(*, change_id: int, actor: Person, target_id: int, direction: str, now: datetime) -> Execution:
    """Run the current revision on a development target; its authors run there freely."""
    target = Target.objects.in_use().filter(pk=target_id).first()
    if target is None:
        raise NoSuchTarget
    if target.environment.kind != Environment.Kind.DEVELOPMENT:
        raise WrongTarget(target=target.name)
    if direction not in (attempts.FORWARD, attempts.ROLLBACK):
        raise NoSuchDirection
    if Duty.AUTHOR not in moving.fresh_duties(actor):
        raise OnlyDuty(duties="an author", what="run a change on development")
    with acting(actor, duty=Duty.AUTHOR):
        change = moving.lock(change_id)
        if direction == attempts.FORWARD:
            found = facts.gather(change=change, now=now, environment_kind="development")
            unmet = [f"Migration {one} has to be applied on {target.name} first." for one in found.dependencies_missing]
            if unmet or found.waits_for:
                raise gates.GatesUnmet([*map(gates.Unmet, unmet), *found.waits_for])
        return attempts.queue(change, [target], Purpose.DEVELOP, direction, now=now, person=actor)[0]


def start_staging(*, change_id: int, actor: Person, version: int, now: datetime) -> list[Execution]:
    """Start the staging run on every staging target: author, QA or tech lead, unsigned."""
    held = moving.fresh_duties(actor)
    with acting(actor):
        change = moving.lock(change_id)
        moving.seen(change, version=version)
        if not (held & {Duty.QA, Duty.TECH_LEAD} or (Duty.AUTHOR in held and actor.pk in ceremony.author_ids(change))):
            raise OnlyDuty(duties=f"an author of {change.code}, QA or a tech lead", what="start staging")
        return _stage(change, now=now, person=actor)


def stage_on_approval(change: ChangeRequest, *, now: datetime) -> None:
    """Start staging by itself where the environment says so and nothing is in the way."""
    wanted = Environment.objects.filter(kind=Environment.Kind.STAGING, stage_on_approval=True).exists()
    if wanted and not gates.unmet("run_staging", facts.gather(change=change, now=now)):
        _stage(change, now=now, person=None)


def _stage(change: ChangeRequest, *, now: datetime, person: Person | None) -> list[Execution]:
    gates.ensure("run_staging", facts.gather(change=change, now=now))
    targets = [target for target in Target.objects.of(Environment.Kind.STAGING) if not attempts.proven(change, target)]
    return attempts.queue(change, targets, Purpose.STAGE, attempts.FORWARD, now=now, person=person)


def undo_staging(*, change_id: int, actor: Person, version: int, reason: str, now: datetime) -> list[Execution]:
    """Roll staging back to what it was before this change: needed before the change leaves backwards."""
    held = moving.fresh_duties(actor)
    with acting(actor, reason=reason):
        change = moving.lock(change_id)
        moving.seen(change, version=version)
        if not (held & {Duty.QA, Duty.TECH_LEAD} or (Duty.AUTHOR in held and actor.pk in ceremony.author_ids(change))):
            raise OnlyDuty(duties=f"an author of {change.code}, QA or a tech lead", what="roll staging back")
        if not reason.strip():
            raise moving.ReasonMissing(what="roll staging back for", code=change.code)
        if change.status not in UNDO_STAGING_WHILE:
            raise NotApplicableNow(
                code=change.code,
                status=change.status.replace("_", " "),
                what="rolling staging back",
                when="approved, staged, accepted or authorized",
            )
        targets = attempts.to_roll_back(change, Environment.Kind.STAGING)
        if not targets:
            raise NothingToRollBack(code=change.code, where="staging")
        gates.ensure("undo_staging", facts.gather(change=change, now=now, environment_kind="staging"))
        return attempts.queue(
            change, targets, Purpose.UNDO_STAGING, attempts.ROLLBACK, now=now, person=actor, reason=reason
        )


def start_production(
    *,
    change_id: int,
    signer: Person,
    password: str,
    version: int,
    content_digest: str,
    now: datetime,
    reason: str = "",
) -> list[Execution]:
    """Sign the execution and start the production run, or resume a partly applied one (with a reason)."""
    fresh = ceremony.identify(signer, password, what=f"execution of change {change_id}", now=now)
    with acting(fresh, duty=Duty.TECH_LEAD, reason=reason):
        change = moving.lock(change_id)
        moving.seen(change, version=version, content_digest=content_digest)
        gates.ensure("run_production", facts.gather(change=change, now=now, environment_kind="production"))
        targets = [one for one in Target.objects.of(Environment.Kind.PRODUCTION) if not _deployed(change, one)]
        if not targets:
            raise NothingToRun(code=change.code)
        attempts.ensure_reason(change, targets, attempts.FORWARD, reason)
        made = attempts.queue(
            change, targets, Purpose.DEPLOY, attempts.FORWARD, now=now, person=fresh, reason=reason, ring=False
        )
        _sign_runs(change, made, signer=fresh, reason=reason, now=now)
        return made


def _deployed(change: ChangeRequest, target: Target) -> bool:
    last = (
        change.executions.filter(target=target)
        .exclude(state__in=[State.QUEUED, State.CANCELLED])
        .order_by("-pk")
        .first()
    )
    return last is not None and last.direction == attempts.FORWARD and last.state == State.SUCCEEDED


def start_rollback(
    *, change_id: int, signer: Person, password: str, version: int, content_digest: str, reason: str, now: datetime
) -> list[Execution]:
    """Sign a production rollback and open its incident; it starts once a second person has signed."""
    fresh = ceremony.identify(signer, password, what=f"rollback of change {change_id}", now=now)
    with acting(fresh, duty=Duty.TECH_LEAD, reason=reason):
        change = moving.lock(change_id)
        moving.seen(change, version=version, content_digest=content_digest)
        if change.status not in (Status.AUTHORIZED, Status.DEPLOYED):
            raise NotApplicableNow(
                code=change.code,
                status=change.status.replace("_", " "),
                what="a production rollback",
                when="authorized or deployed",
            )
        if not reason.strip():
            raise moving.ReasonMissing(what="roll back", code=change.code)
        targets = attempts.to_roll_back(change, Environment.Kind.PRODUCTION)
        if not targets:
            raise NothingToRollBack(code=change.code, where="production")
        gates.ensure("run_rollback", facts.gather(change=change, now=now, environment_kind="production"))
        made = attempts.queue(
            change, targets, Purpose.ROLL_BACK, attempts.ROLLBACK, now=now, person=fresh, reason=reason, ring=False
        )
        _sign_runs(change, made, signer=fresh, reason=reason, now=now)
        open_incident(
            change, execution=made[0], title=f"Production rollback of {change.code}: {reason.strip()}", now=now
        )
        return made


def restore(*, change_id: int, actor: Person, now: datetime) -> None:
    """Refuse: the restore is an exit that a later version brings."""
    raise RestoreComesLater


def _sign_runs(change: ChangeRequest, made: Iterable[Execution], *, signer: Person, reason: str, now: datetime) -> None:
    for execution in made:
        about = {"execution": execution.code, "target": execution.target.name, "direction": execution.direction}
        ceremony.sign(
            change, meaning=Meaning.EXECUTION, signer=signer, now=now, reason=reason, execution=execution, about=about
        )
        if not attempts.waits_for_second(execution):
            dispatch.ring(queue=execution.target.environment.queue, execution_id=execution.pk)


def second_sign(*, execution_id: int, signer: Person, password: str, content_digest: str, now: datetime) -> Signature:
    """Sign as second person: not the executor, not an author. The run starts with it."""
    fresh = ceremony.identify(signer, password, what=f"second person for run {execution_id}", now=now)
    with acting(fresh, duty=Meaning.SECOND_PERSON.value):
        execution = Execution.objects.select_related("target__environment").get(pk=execution_id)
        change = moving.lock(execution.change_id)
        execution.refresh_from_db(fields=["state", "requested_by"])
        if execution.state != State.QUEUED or not attempts.waits_for_second(execution):
            raise NoSecondPersonNeeded(code=execution.code)
        if execution.requested_by_id == fresh.pk:
            raise SamePerson(code=execution.code)
        if content_digest != execution.content_digest:
            raise moving.MovedOn(code=change.code, difference="the run names another content than you saw.")
        about = {"execution": execution.code, "target": execution.target.name, "direction": execution.direction}
        signature = ceremony.sign(
            change, meaning=Meaning.SECOND_PERSON, signer=fresh, now=now, execution=execution, about=about
        )
        dispatch.ring(queue=execution.target.environment.queue, execution_id=execution.pk)
        return signature


def open_incident(change: ChangeRequest, *, execution: Execution, title: str, now: datetime) -> Incident:
    """Open an incident unless one is open for this change already; inside acting()."""
    existing = Incident.objects.filter(change=change, closed_at=None).first()
    if existing is not None:
        return existing
    _, code = numbering.take("incident")
    return Incident.objects.create(code=code, change=change, execution=execution, title=title[:200], opened_at=now)
