"""Settling: writing down how an execution ended, and the moves that follow by themselves."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Max

from changecontrol import dispatch
from changecontrol.models import ChangeRequest, Environment, Execution, ExecutionEvent, Target, Watch
from changecontrol.rules import gates
from changecontrol.rules.lifecycle import Effect, Move, Purpose, State, Status
from changecontrol.services import attempts, claiming, executing, facts, moving, reviewing
from changecontrol.services.journal import Unwritten
from changecontrol.services.passes import Result
from changecontrol.services.recording import WORKER, acting

logger = logging.getLogger(__name__)

#: how long a worker keeps trying to write down how its run ended before it leaves that to the sweep
PATIENCE = timedelta(minutes=10)


def settle(
    *,
    execution_id: int,
    token: uuid.UUID | None,
    result: Result,
    unwritten: Unwritten,
    clock: Callable[[], datetime],
) -> None:
    """Write the end of a run, however long our own database is away; the target's ledger holds the truth meanwhile."""
    give_up = clock() + PATIENCE
    pause = threading.Event()
    while True:
        try:
            return _settle(execution_id, token, result, unwritten, clock())
        except DatabaseError:
            connection.close()
            if clock() > give_up:
                logger.exception("execution %s: could not be settled; the sweep will resolve it", execution_id)
                return None
            logger.warning("execution %s: our database does not answer; trying again", execution_id)
            pause.wait(1.0)


def _settle(execution_id: int, token: uuid.UUID | None, result: Result, unwritten: Unwritten, now: datetime) -> None:
    with acting(WORKER):
        execution = (
            Execution.objects.select_for_update(of=("self",)).select_related("target__environment").get(pk=execution_id)
        )
        if execution.lease_token != token or execution.state not in (State.RUNNING, State.LOST):
            logger.warning("execution %s was settled by somebody else", execution.code)
            return
        unwritten.write(execution.pk)
        if result.state is State.LOST and execution.state == State.LOST:
            return
        finish(execution, result, now=now)


def finish(execution: Execution, result: Result, *, now: datetime) -> None:
    """Write state, effect and outcome of a locked execution, and make the moves that follow; inside acting()."""
    execution.state = result.state.value
    execution.effect = result.effect.value
    execution.sentence = result.sentence
    execution.outcome = result.outcome or execution.outcome
    execution.ended_at = None if result.state is State.LOST else now
    execution.save(update_fields=["state", "effect", "sentence", "outcome", "ended_at"])
    # no history: this is what the worker read there, not what somebody decided
    catalog = result.outcome.get("catalog_digest", "" if result.outcome else execution.target.catalog_digest)
    Target.objects.filter(pk=execution.target_id).update(catalog_digest=catalog)
    note(execution, "ended", _told(execution), now=now)
    if result.state is not State.LOST:
        _follow(execution, now=now)


def note(execution: Execution, kind: str, text: str, *, now: datetime, **data: Any) -> None:
    """Append one event to an execution, inside acting()."""
    last = execution.events.aggregate(last=Max("number"))["last"] or 0
    ExecutionEvent.objects.create(execution=execution, number=last + 1, at=now, kind=kind, text=text, data=data)


def _told(execution: Execution) -> str:
    on = {"none": "nothing of it is on the target", "partial": "a part of it is on the target"}
    on |= {"complete": "all of it is on the target", "unknown": "what is on the target is not known yet"}
    return f"{execution.state.capitalize()}; {on[execution.effect]}. {execution.sentence}".rstrip()


def _follow(execution: Execution, *, now: datetime) -> None:
    """Make the automatic move this end allows, under the lock of the change."""
    change = moving.lock(execution.change_id)
    if execution.purpose == Purpose.DEVELOP:
        # "tested locally" was the last thing a review may have waited for
        return reviewing.approve_if_complete(change, now=now)
    if execution.content_digest != change.content_digest:
        return
    production = execution.purpose in (Purpose.DEPLOY, Purpose.ROLL_BACK)
    if production and execution.state == State.FAILED and execution.effect in (Effect.PARTIAL, Effect.UNKNOWN):
        executing.open_incident(
            change, execution=execution, title=f"{change.code} is partly applied on {execution.target.name}", now=now
        )
    if production and change.status in (Status.AUTHORIZED, Status.DEPLOYED):
        _roll_back_if_clear(change, execution, now=now)
    if execution.state != State.SUCCEEDED:
        return
    gathered = facts.gather(change=change, now=now)
    staged = execution.purpose == Purpose.STAGE and change.status == Status.APPROVED
    if staged and not gates.unmet(Move.STAGE, gathered) and _staged_since(change):
        moving.move(change, Move.STAGE, now=now, reason=f"{execution.code} proved it on staging")
    deployed = execution.purpose == Purpose.DEPLOY and change.status == Status.AUTHORIZED
    if deployed and not gates.unmet(Move.DEPLOY, gathered):
        moving.move(change, Move.DEPLOY, now=now, reason=f"{execution.code} completed it on production")
        Watch.objects.create(change=change, started_at=now, ends_at=now + timedelta(seconds=settings.WATCH_SECONDS))


def _roll_back_if_clear(change: ChangeRequest, ended: Execution, *, now: datetime) -> None:
    """Move to rolled back when every rollback owed succeeded, and nothing runs on production any more.

    A run on another target may still apply what was just rolled back here; the last of them that ends decides. One
    asked for after the rollback is a new attempt, and decides nothing about the old one.
    """
    runs = change.executions.filter(content_digest=change.content_digest)
    undone = runs.filter(purpose=Purpose.ROLL_BACK, state=State.SUCCEEDED).order_by("-pk").first()
    if undone is None or change.executions.open().filter(purpose__in=[Purpose.DEPLOY, Purpose.ROLL_BACK]).exists():
        return
    if undone.ended_at is not None and ended.queued_at > undone.ended_at:
        return
    if not attempts.to_roll_back(change, Environment.Kind.PRODUCTION):
        moving.move(change, Move.ROLL_BACK, now=now, reason=f"{undone.code} took it off production")


def _staged_since(change: ChangeRequest) -> bool:
    """Whether every staging target has a successful run since the change was (re-)approved."""
    return all(attempts.proven(change, target) for target in Target.objects.of(Environment.Kind.STAGING))


def ring_next(execution: Execution) -> None:
    """Ring for what is due next on this queue, so that a run does not wait for the sweep."""
    queue = execution.target.environment.queue
    for waiting in claiming.due(queue)[:1]:
        dispatch.ring(queue=queue, execution_id=waiting.pk)
