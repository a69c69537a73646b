"""Attempts: what the runs of a change left on a target, and queueing the next one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import Max

from changecontrol import dispatch
from changecontrol.models import ChangeRequest, Execution, Person, Signature, Target
from changecontrol.rules.lifecycle import Effect, Purpose, State
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import numbering

FORWARD, ROLLBACK = "forward", "rollback"


class AlreadyRunning(Refused):
    """{code} already has a run on {target} that has not ended. Wait for its end, or abort it."""


class RetryNeedsReason(Refused):
    """{code} already had a run on {target}. Say why it is run again."""


def effect_on(change: ChangeRequest, target: Target) -> str:
    """Return what of this change is on a target now: the effect read from its ledger at the end of the last run."""
    last = last_ended(change, target)
    return last.effect if last else Effect.NONE.value


def last_ended(change: ChangeRequest, target: Target) -> Execution | None:
    """Return the newest run of this change on a target that is over or lost."""
    unended = [State.QUEUED, State.CANCELLED, State.RUNNING]
    runs = change.executions.since_registration().filter(target=target)
    return runs.exclude(state__in=unended).order_by("-pk").first()


def to_roll_back(change: ChangeRequest, kind: str) -> list[Target]:
    """Return the targets of `kind` that hold something of this change, or whose rollback ended without being proven."""
    found = []
    for target in Target.objects.of(kind):
        last = last_ended(change, target)
        unproven = last is not None and last.direction == ROLLBACK and last.state == State.FAILED
        if last is not None and (unproven or last.effect != Effect.NONE):
            found.append(target)
    return found


def proven(change: ChangeRequest, target: Target) -> bool:
    """Whether the last staging run here succeeded for this content since the change was (re-)approved."""
    last = (
        change.executions.since_registration()
        .filter(target=target, purpose=Purpose.STAGE, content_digest=change.content_digest)
        .order_by("-pk")
        .first()
    )
    still_on = effect_on(change, target) == Effect.COMPLETE
    return last is not None and last.state == State.SUCCEEDED and last.queued_at >= change.status_at and still_on


def needs_second(execution: Execution) -> bool:
    """Whether a run is one that a second person signs."""
    return execution.purpose == Purpose.ROLL_BACK or (
        execution.purpose == Purpose.DEPLOY and execution.target.environment.second_person_at_start
    )


def waits_for_second(execution: Execution) -> bool:
    """Whether a queued run still waits for its second person."""
    signed = Signature.objects.filter(execution=execution, meaning=Meaning.SECOND_PERSON.value)
    return needs_second(execution) and not signed.exists()


def ensure_reason(change: ChangeRequest, targets: Iterable[Target], direction: str, reason: str) -> None:
    """Raise AlreadyRunning for a run that has not ended, RetryNeedsReason for one that has and gets no reason."""
    for target in targets:
        runs = change.executions.filter(target=target, direction=direction).exclude(state=State.CANCELLED)
        if runs.open().exists():
            raise AlreadyRunning(code=change.code, target=target.name)
        if not reason.strip() and runs.exists():
            raise RetryNeedsReason(code=change.code, target=target.name)


def queue(
    change: ChangeRequest,
    targets: Iterable[Target],
    purpose: Purpose,
    direction: str,
    *,
    now: datetime,
    person: Person | None,
    reason: str = "",
    ring: bool = True,
) -> list[Execution]:
    """Write queued executions, one per target, and ring for them after commit. Raises AlreadyRunning."""
    made = []
    for target in targets:
        if change.executions.open().filter(target=target).exists():
            raise AlreadyRunning(code=change.code, target=target.name)
        attempts = (
            change.executions.filter(target=target, direction=direction).aggregate(last=Max("attempt"))["last"] or 0
        )
        values: dict[str, Any] = {
            "code": numbering.take("execution")[1],
            "uuid": uuid.uuid4(),
            "change": change,
            "revision": change.revision,
            "target": target,
            "purpose": purpose.value,
            "direction": direction,
            "attempt": attempts + 1,
            "content_digest": change.content_digest,
            "requested_by": person,
            "reason": reason.strip(),
            "queued_at": now,
        }
        try:
            execution = Execution.objects.create(**values)
        except IntegrityError as error:
            raise AlreadyRunning(code=change.code, target=target.name) from error
        made.append(execution)
        if ring:
            dispatch.ring(queue=target.environment.queue, execution_id=execution.pk)
    return made


def next_fence() -> int:
    """Return a fencing token: it only grows, over all executions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('execution_fence')")
        return int(cursor.fetchone()[0])
