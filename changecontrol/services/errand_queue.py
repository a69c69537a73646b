"""The queue of errands: asking for one, claiming it, and its end. The row is the work; the message only rings."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from changecontrol import dispatch
from changecontrol.models import Errand, Person, Revision, Signature, Target
from changecontrol.models.history import Actor
from changecontrol.services.recording import SWEEP, WORKER, acting, as_actor

logger = logging.getLogger(__name__)

#: states in which an errand has not ended
OPEN = (Errand.State.QUEUED.value, Errand.State.RUNNING.value)
#: after this long without a sign of life another worker may take a running errand
SILENT = timedelta(minutes=5)
#: after this long its bell may be lost
UNHEARD = timedelta(seconds=5)


def ask(
    *,
    kind: str,
    target: Target,
    person: Person | None,
    now: datetime,
    params: dict[str, Any] | None = None,
    signature: Signature | None = None,
    revision: Revision | None = None,
) -> Errand:
    """Queue an errand inside the acting() of the caller; its worker is rung after commit."""
    errand = Errand.objects.create(
        kind=kind,
        target=target,
        params=params or {},
        signature=signature,
        revision=revision,
        requested_by=person,
        requested_at=now,
    )
    dispatch.ring_errand(queue=target.environment.queue, errand_id=errand.pk)
    return errand


def claim(*, errand_id: int, now: datetime) -> Errand | None:
    """Take a queued errand for this worker; None when there is nothing to take: done, or another's."""
    with acting(WORKER):
        errand = (
            Errand.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(pk=errand_id, state=Errand.State.QUEUED)
            .select_related("target__environment", "signature", "requested_by", "execution", "revision__change")
            .first()
        )
        if errand is None:
            return None
        errand.state = Errand.State.RUNNING
        errand.lease_token = uuid.uuid4()
        errand.heartbeat_at = now
        errand.save(update_fields=["state", "lease_token", "heartbeat_at"])
    return errand


def finish(
    errand: Errand,
    *,
    now: datetime,
    result: dict[str, Any] | None = None,
    sentence: str = "",
    save: Callable[[Target], None] | None = None,
) -> bool:
    """End a claimed errand, done or refused, together with what it changes on its target row.

    `save` runs under the locks of errand and target, in the name of who asked. Returns False, and writes nothing, when
    another worker has taken the errand over meanwhile. A Refused from `save` passes through.
    """
    with acting(who(errand)):
        target = Target.objects.select_for_update(of=("self",)).select_related("environment").get(pk=errand.target_id)
        held = Errand.objects.select_for_update().filter(
            pk=errand.pk, lease_token=errand.lease_token, state=Errand.State.RUNNING
        )
        row = held.first()
        if row is None:
            logger.warning("errand %s was taken over by another worker", errand.pk)
            return False
        if save is not None:
            save(target)
        row.state = Errand.State.REFUSED if sentence else Errand.State.DONE
        row.result, row.sentence, row.ended_at = result, sentence, now
        row.save(update_fields=["state", "result", "sentence", "ended_at"])
    return True


def who(errand: Errand) -> Actor:
    """Return in whose name an errand writes: the person who asked, or the sweep."""
    reason = str(errand.params.get("reason") or f"{errand.kind} of {errand.target.name}")
    return as_actor(errand.requested_by or SWEEP, reason=reason)


def sweep_errands(now: datetime, *, queue: str = "") -> int:
    """Give running errands of silent workers back, and ring again for what waits; return how many rings those were.

    `queue` limits it to errands of one queue: its own worker sweeps, so no bells pile up for a worker that is down.
    """
    with acting(SWEEP, reason="its worker fell silent"):
        rows = Errand.objects.select_for_update(skip_locked=True, of=("self",)).select_related("target__environment")
        if queue:
            rows = rows.filter(target__environment__queue=queue)
        # reading a ledger takes moments, and until it is read nothing else runs on that target; a rehearsal beats
        lease = Q(
            kind__in=[Errand.Kind.RESOLVE, Errand.Kind.REHEARSE],
            heartbeat_at__lt=now - timedelta(seconds=settings.LEASE_SECONDS),
        )
        for errand in rows.filter(lease | Q(heartbeat_at__lt=now - SILENT), state=Errand.State.RUNNING):
            logger.warning("errand %s goes back to the queue: no sign of life since %s", errand.pk, errand.heartbeat_at)
            errand.state, errand.lease_token, errand.said = Errand.State.QUEUED, None, ""
            errand.save(update_fields=["state", "lease_token", "said"])
        waiting = list(rows.filter(state=Errand.State.QUEUED, requested_at__lt=now - UNHEARD))
        for errand in waiting:
            dispatch.ring_errand(queue=errand.target.environment.queue, errand_id=errand.pk)
    return len(waiting)
