"""The sweep: rings again for what is due, and calls a run lost whose worker gave no sign of life."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings

from changecontrol import dispatch
from changecontrol.models import Errand, Execution
from changecontrol.rules.lifecycle import Effect, State
from changecontrol.rules.refusal import Refused
from changecontrol.services import claiming, errands, proving, settling, visiting
from changecontrol.services.passes import Result
from changecontrol.services.recording import SWEEP, acting

logger = logging.getLogger(__name__)

#: how often one worker looks for copies that nobody rehearses on any more
SANDBOXES_EVERY = timedelta(seconds=30)
_swept_at: datetime | None = None


def sweep(*, queue: str, clock: Callable[[], datetime], worker: str) -> None:
    """Do what is due for one queue. Idempotent: two sweeps at once do no harm."""
    now = clock()
    for execution in silent(now):
        lose(execution.pk, now=now)
    _resolve_lost(queue, now)
    errands.sweep_errands(now, queue=queue)
    ring_due(queue)
    _sweep_sandboxes(now)


def _sweep_sandboxes(now: datetime) -> None:
    """Drop the copies of rehearsals that were killed; every so often is enough, they only cost disk."""
    global _swept_at
    if settings.SANDBOX_REFERENCE and (_swept_at is None or now - _swept_at >= SANDBOXES_EVERY):
        _swept_at = now
        with suppress(Refused):
            proving.sweep(visiting.sandboxes())


def silent(now: datetime) -> list[Execution]:
    """Return running executions whose heartbeat is older than the lease."""
    before = now - timedelta(seconds=settings.LEASE_SECONDS)
    return list(Execution.objects.filter(state=State.RUNNING, heartbeat_at__lt=before))


def lose(execution_id: int, *, now: datetime) -> None:
    """Call one running execution lost; never guess what is on its target."""
    before = now - timedelta(seconds=settings.LEASE_SECONDS)
    with acting(SWEEP):
        row = (
            Execution.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("target__environment")
            .filter(pk=execution_id, state=State.RUNNING, heartbeat_at__lt=before)
            .first()
        )
        if row is not None:
            logger.warning("execution %s is lost: no sign of life since %s", row.code, row.heartbeat_at)
            sentence = "The worker gave no sign of life. The ledger on the target is read to see what is on."
            settling.finish(row, Result(State.LOST, Effect.UNKNOWN, sentence), now=now)


def _resolve_lost(queue: str, now: datetime) -> None:
    """Send an errand to read the ledger for every lost execution that has none under way and waits for no person."""
    lost = Execution.objects.filter(state=State.LOST, target__environment__queue=queue).select_related("target")
    for execution in lost:
        open_states = [Errand.State.QUEUED, Errand.State.RUNNING]
        if execution.errands.filter(kind=Errand.Kind.RESOLVE, state__in=open_states).exists():
            continue
        last = execution.errands.filter(kind=Errand.Kind.RESOLVE).order_by("-pk").first()
        if last is not None and last.result and last.result.get("waits_for_person"):
            continue
        with acting(SWEEP):
            errand = Errand.objects.create(
                kind=Errand.Kind.RESOLVE, target=execution.target, execution=execution, requested_at=now
            )
            dispatch.ring_errand(queue=queue, errand_id=errand.pk)


def ring_due(queue: str) -> None:
    """Ring for every target of the queue that is free and has something due."""
    rung = set()
    for execution in claiming.due(queue):
        if execution.target_id not in rung:
            rung.add(execution.target_id)
            dispatch.ring(queue=queue, execution_id=execution.pk)
