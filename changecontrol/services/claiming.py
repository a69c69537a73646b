"""Claiming: the row is the work, the message only rang (docs/decisions/0003)."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q

from changecontrol.models import Execution, Signature
from changecontrol.models.executions import BUSY
from changecontrol.rules.lifecycle import Purpose, State
from changecontrol.rules.signing import Meaning
from changecontrol.services import attempts
from changecontrol.services.recording import WORKER, acting


def due(queue: str) -> list[Execution]:
    """Return queued executions of a queue whose target is free and that wait for nobody, in migration order.

    Rollbacks come before forward runs, and in descending order: 003 is undone before 002.
    """
    busy = Execution.objects.filter(target=OuterRef("target"), state__in=BUSY)
    second = Signature.objects.filter(execution=OuterRef("pk"), meaning=Meaning.SECOND_PERSON.value)
    needs = Q(purpose=Purpose.ROLL_BACK) | Q(purpose=Purpose.DEPLOY, target__environment__second_person_at_start=True)
    found = (
        Execution.objects.filter(state=State.QUEUED, target__environment__queue=queue)
        .exclude(Exists(busy))
        .exclude(needs & ~Exists(second))
        .select_related("target__environment", "change")
    )
    return sorted(found, key=_order)


def _order(execution: Execution) -> tuple[int, int, int]:
    number = execution.change.migration_number
    return (0, -number, execution.pk) if execution.direction == attempts.ROLLBACK else (1, number, execution.pk)


def claim(*, execution_id: int, worker: str, now: datetime) -> Execution | None:
    """Take the first due execution on the target of the one that rang; None if nothing is due there.

    FOR UPDATE SKIP LOCKED and the partial unique index make one claimant win; the loser simply leaves. The fencing
    token taken here is compared by the target's ledger with every row.
    """
    rang = Execution.objects.select_related("target__environment").filter(pk=execution_id).first()
    if rang is None:
        return None
    first = next((one for one in due(rang.target.environment.queue) if one.target_id == rang.target_id), None)
    if first is None:
        return None
    try:
        with acting(WORKER):
            row = Execution.objects.select_for_update(skip_locked=True).filter(pk=first.pk, state=State.QUEUED).first()
            if row is None:
                return None
            row.state = State.RUNNING.value
            row.claimed_at = row.heartbeat_at = now
            row.lease_token = uuid.uuid4()
            row.fence = attempts.next_fence()
            row.worker = worker[:120]
            row.save(update_fields=["state", "claimed_at", "heartbeat_at", "lease_token", "fence", "worker"])
    except IntegrityError:
        return None  # another run took the target between the look and the claim
    return Execution.objects.select_related("target__environment", "change", "revision").get(pk=first.pk)
