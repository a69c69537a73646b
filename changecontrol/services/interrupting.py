"""What people ask of a run that is under way: end it, hold it, let it go on. The worker hears it within seconds."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from changecontrol.models import Execution, Person
from changecontrol.rules.lifecycle import Duty, Purpose, State
from changecontrol.rules.refusal import Refused
from changecontrol.services import journal, moving
from changecontrol.services.recording import acting


class OnlyDuty(Refused):
    """Only {duties} can {what}. Ask an administrator if this duty is yours."""


class AbortNeedsReason(Refused):
    """Say why {code} is to be aborted. The run goes on."""


class AlreadyEnded(Refused):
    """{code} has already ended ({state}). There is nothing to abort."""


class PauseNeedsReason(Refused):
    """Say why {code} is to be paused. The run goes on."""


class NotRunning(Refused):
    """{code} is {state}. Only a run that is under way can be paused or resumed."""


class PausedAlready(Refused):
    """{code} is paused already, by {name}: {reason}"""


class NotPaused(Refused):
    """{code} is not paused, so there is nothing to resume."""


def abort(*, execution_id: int, actor: Person, reason: str, now: datetime) -> Execution:
    """Ask for the end of a run: a queued one is cancelled at once, a running one stops at its next safe point."""
    held = moving.fresh_duties(actor)
    with acting(actor, reason=reason):
        execution = _locked(execution_id)
        _ensure_may(execution, actor, held, what="abort")
        if not reason.strip():
            raise AbortNeedsReason(code=execution.code)
        if execution.state == State.QUEUED:
            execution.state = State.CANCELLED.value
            execution.ended_at = now
            execution.sentence = f"Cancelled before it started: {reason.strip()}"
        elif execution.state != State.RUNNING:
            raise AlreadyEnded(code=execution.code, state=execution.state)
        execution.abort_asked_by, execution.abort_asked_at, execution.abort_reason = actor, now, reason.strip()
        execution.save()
        return execution


def pause(*, execution_id: int, actor: Person, reason: str, now: datetime) -> Execution:
    """Ask a run to hold between two batches or steps, where it has no transaction and no lock. Who may abort may."""
    held = moving.fresh_duties(actor)
    with acting(actor, reason=reason):
        execution = _locked(execution_id)
        _ensure_may(execution, actor, held, what="pause")
        if not reason.strip():
            raise PauseNeedsReason(code=execution.code)
        if execution.state != State.RUNNING:
            raise NotRunning(code=execution.code, state=execution.state)
        if execution.pause_asked_at is not None:
            who = execution.pause_asked_by.printed_name if execution.pause_asked_by else "somebody"
            raise PausedAlready(code=execution.code, name=who, reason=execution.pause_reason)
        execution.pause_asked_by, execution.pause_asked_at, execution.pause_reason = actor, now, reason.strip()
        execution.save()
        _note(execution, "pause_asked", f"{actor.printed_name} asks for a pause: {reason.strip()}", now)
        return execution


def resume(*, execution_id: int, actor: Person, now: datetime, reason: str = "") -> Execution:
    """Let a paused run go on. Who may abort may; the run's events keep who paused it, who resumed it, and why."""
    held = moving.fresh_duties(actor)
    with acting(actor, reason=reason):
        execution = _locked(execution_id)
        _ensure_may(execution, actor, held, what="resume")
        if execution.state != State.RUNNING:
            raise NotRunning(code=execution.code, state=execution.state)
        if execution.pause_asked_at is None:
            raise NotPaused(code=execution.code)
        execution.pause_asked_by, execution.pause_asked_at, execution.pause_reason = None, None, ""
        execution.save()
        why = f": {reason.strip()}" if reason.strip() else "."
        _note(execution, "resume_asked", f"{actor.printed_name} lets it go on{why}", now)
        return execution


def _locked(execution_id: int) -> Execution:
    runs = Execution.objects.select_for_update(of=("self",))
    return runs.select_related("target__environment", "pause_asked_by").get(pk=execution_id)


def _ensure_may(execution: Execution, actor: Person, held: frozenset[str], *, what: str) -> None:
    staging = execution.purpose in (Purpose.STAGE, Purpose.UNDO_STAGING)
    allowed = {Duty.TECH_LEAD, Duty.QA} if staging else {Duty.TECH_LEAD}
    if execution.purpose == Purpose.DEVELOP or execution.requested_by_id == actor.pk:
        allowed |= {Duty.AUTHOR}
    if not held & allowed:
        raise OnlyDuty(duties=" or ".join(sorted(allowed)), what=f"{what} this run")


def _note(execution: Execution, kind: str, text: str, now: datetime) -> None:
    """Append an event beside the worker's own; the worker may take the same number at the same moment."""
    event = {"at": now, "kind": kind, "phase": "", "step": None, "statement": None, "text": text, "data": {}}
    for tries_left in reversed(range(10)):
        try:
            with transaction.atomic():
                journal.keep(execution.pk, [event])
            return
        except IntegrityError:
            if not tries_left:
                raise
