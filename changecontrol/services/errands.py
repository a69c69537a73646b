"""Errands: what pages ask of workers outside any run, and the worker's door to them.

The web process holds no connection string, so even looking at a target is asked of a worker of its queue (design 2).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg

from changecontrol.models import Environment, Errand, Person, Target
from changecontrol.models.executions import OPEN as OPEN_RUNS
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import (
    adopting,
    ceremony,
    errand_queue,
    ledger_copies,
    moving,
    probing,
    proving,
    rebuilding,
    registering,
    resolving,
)
from changecontrol.services.administering import require_reason
from changecontrol.services.errand_queue import sweep_errands
from changecontrol.services.recording import acting
from changecontrol.services.visiting import Done
from changecontrol.targets import errors

__all__ = ["adopt", "compare", "probe", "rebuilt", "register", "run", "sweep_errands"]

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

#: a comparison older than this is no longer signed: the schema may have moved
FRESH = timedelta(hours=24)


class Retired(Refused):
    """{target} is retired. Nothing is asked of it any more."""


class AlreadyRegistered(Refused):
    """{target} is registered already. Its fingerprint and ledger stay as they are."""


class NotRegistered(Refused):
    """{target} is not registered. A tech lead signs for its ledger first."""


class AlreadyAsked(Refused):
    """A worker was asked to {kind} {target} already and has not answered yet. If none does, check that a worker of the
    queue {queue} is running."""


class NoDuty(Refused):
    """Only {who} can ask for this. Ask an administrator if this duty is yours."""


class NumberUnknown(Refused):
    """A migration has a number from 1 to 999. Choose the last one that is applied on {target}."""


class NothingToAdopt(Refused):
    """This comparison is not one to sign: {why}. Compare {target} again."""


class AlreadyInUse(Refused):
    """{target} already has rows in its ledger, so there is nothing to adopt: what was applied there is known."""


class ProductionIsRestored(Refused):
    """{target} is production, and a production database is never simply registered anew. It is restored from a proven
    backup, which is not built yet."""


class StillBusy(Refused):
    """{target} is being worked on ({what}). Wait for its end, or abort or resolve it; then have it registered anew."""


class WorkerStumbled(Refused):
    """The worker stumbled over something nobody foresaw ({kind}). Nothing more was done; its log holds the details."""


def register(*, target_id: int, signer: Person, password: str, now: datetime) -> Errand:
    """Sign for the ledger on a target and ask a worker to create it and to read the fingerprint.

    Raises AlreadyRegistered, AlreadyAsked, Retired and what ceremony.sign_target raises.
    """
    target = _in_use(target_id)
    _ensure_unregistered(target)
    # A worker that died after writing the ledger left this identity there: the next try must find its own.
    earlier = target.errands.filter(kind=Errand.Kind.REGISTER, params__has_key="uuid").order_by("-pk").first()
    params = {
        "uuid": earlier.params["uuid"] if earlier else str(uuid.uuid4()),
        "reference": target.reference,
        "environment": target.environment.kind,
    }
    shown = {"act": Meaning.BOOTSTRAP.value, "uuid": params["uuid"], "set_role": target.set_role}
    signature = ceremony.sign_target(
        target=target, meaning=Meaning.BOOTSTRAP, signer=signer, password=password, context=shown, now=now
    )
    with acting(signer, duty=signature.duty, reason=f"registration of {target.name}"):
        target = _in_use(target_id, lock=True)
        _ensure_unregistered(target)
        return errand_queue.ask(
            kind=Errand.Kind.REGISTER, target=target, person=signer, now=now, params=params, signature=signature
        )


def rebuilt(*, target_id: int, signer: Person, password: str, reason: str, now: datetime) -> Errand:
    """Sign that a staging or development database was restored or rebuilt, and ask a worker to register it anew.

    What ran there before counts no longer, but for what a restored ledger still holds. Raises ProductionIsRestored,
    StillBusy, NotRegistered, Retired and what ceremony.sign_target raises.
    """
    why = require_reason(reason)
    target = _in_use(target_id)
    _ensure_rebuildable(target)
    params = {
        "uuid": str(uuid.uuid4()),
        "former_uuid": str(target.uuid),
        "reference": target.reference,
        "reason": why,
    }
    shown = {"act": Meaning.BOOTSTRAP.value, "rebuilt": True, "set_role": target.set_role, **params}
    signature = ceremony.sign_target(
        target=target, meaning=Meaning.BOOTSTRAP, signer=signer, password=password, context=shown, now=now
    )
    with acting(signer, duty=signature.duty, reason=why):
        target = _in_use(target_id, lock=True)
        _ensure_rebuildable(target)
        return errand_queue.ask(
            kind=Errand.Kind.REGISTER_ANEW, target=target, person=signer, now=now, params=params, signature=signature
        )


def probe(*, target_id: int, actor: Person, now: datetime) -> Errand:
    """Ask a worker to look at a target; any duty may. Two clicks are one look."""
    if not moving.fresh_duties(actor):
        raise NoDuty(who="people with a duty")
    with acting(actor, reason="look at the target"):
        target = _in_use(target_id, lock=True)
        waiting = target.errands.filter(kind=Errand.Kind.PROBE, state__in=errand_queue.OPEN).first()
        return waiting or errand_queue.ask(kind=Errand.Kind.PROBE, target=target, person=actor, now=now)


def compare(*, target_id: int, upto: int, actor: Person, now: datetime) -> Errand:
    """Ask a worker to compare a target's schema with one built from migrations 001 to `upto`; tech lead or
    administrator."""
    if not moving.fresh_duties(actor) & {Duty.TECH_LEAD, Duty.ADMINISTRATOR}:
        raise NoDuty(who="a tech lead or an administrator")
    with acting(actor, reason=f"comparison up to {upto:03d}"):
        target = _in_use(target_id, lock=True)
        _ensure_registered(target)
        if not 1 <= upto <= 999:
            raise NumberUnknown(target=target.name)
        _ensure_not_asked(target, Errand.Kind.COMPARE)
        return errand_queue.ask(kind=Errand.Kind.COMPARE, target=target, person=actor, now=now, params={"upto": upto})


def adopt(*, target_id: int, errand_id: int, signer: Person, password: str, reason: str, now: datetime) -> Errand:
    """Sign the differences a comparison showed and ask a worker to write the baseline rows."""
    why = require_reason(reason)
    target = _in_use(target_id)
    found = _comparison(target, errand_id, now)
    shown = {"act": Meaning.ADOPTION.value, "comparison": found.pk, "found": found.result, "reason": why}
    signature = ceremony.sign_target(
        target=target, meaning=Meaning.ADOPTION, signer=signer, password=password, context=shown, now=now
    )
    with acting(signer, duty=signature.duty, reason=why):
        target = _in_use(target_id, lock=True)
        _comparison(target, errand_id, now)
        return errand_queue.ask(
            kind=Errand.Kind.ADOPT,
            target=target,
            person=signer,
            now=now,
            params={"comparison": found.pk, "reason": why},
            signature=signature,
        )


def run(*, errand_id: int, clock: Clock, worker: str) -> None:
    """Do an errand, if it is still to be done; whatever comes of it is in its row, never an exception.

    Our own database out of reach is the one exception: the errand stays running, and the sweep gives it back.
    """
    errand = errand_queue.claim(errand_id=errand_id, now=clock())
    if errand is None:
        logger.info("errand %s is not waiting for a worker", errand_id)
        return
    logger.info("errand %s: %s of %s by %s", errand.pk, errand.kind, errand.target.name, worker)
    try:
        if errand.target.retired_at is not None:
            raise Retired(target=errand.target.name)
        done = _do(errand, clock)
        errand_queue.finish(errand, now=clock(), result=done.result, save=done.save)
    except Refused as refusal:
        errand_queue.finish(errand, now=clock(), sentence=refusal.sentence)
    except psycopg.Error as error:  # the target's: those of our own database come as Django's
        sentence = f"{errand.target.name}: {errors.explain(error).sentence}"
        errand_queue.finish(errand, now=clock(), sentence=sentence)
    except (LookupError, TypeError, ValueError, OSError, AssertionError) as error:
        logger.exception("errand %s", errand.pk)
        errand_queue.finish(errand, now=clock(), sentence=WorkerStumbled(kind=type(error).__name__).sentence)


def _do(errand: Errand, clock: Clock) -> Done:
    match errand.kind:
        case Errand.Kind.REGISTER:
            return registering.register(errand, clock)
        case Errand.Kind.REGISTER_ANEW:
            return rebuilding.register_anew(errand, clock)
        case Errand.Kind.PROBE:
            return probing.probe(errand, clock)
        case Errand.Kind.COMPARE:
            return adopting.compare(errand, clock)
        case Errand.Kind.ADOPT:
            return adopting.adopt(errand, clock)
        case Errand.Kind.REHEARSE:
            return proving.rehearse(errand, clock)
        case _:
            return Done(resolving.run_errand(errand, clock=clock))


def _in_use(target_id: int, *, lock: bool = False) -> Target:
    rows = Target.objects.select_for_update(of=("self",)) if lock else Target.objects.all()
    target = rows.select_related("environment").get(pk=target_id)
    if target.retired_at is not None:
        raise Retired(target=target.name)
    return target


def _ensure_registered(target: Target) -> None:
    if target.registered_at is None:
        raise NotRegistered(target=target.name)


def _ensure_unregistered(target: Target) -> None:
    if target.registered_at is not None:
        raise AlreadyRegistered(target=target.name)
    _ensure_not_asked(target, Errand.Kind.REGISTER)


def _ensure_rebuildable(target: Target) -> None:
    if target.environment.kind == Environment.Kind.PRODUCTION:
        raise ProductionIsRestored(target=target.name)
    _ensure_registered(target)
    if run := target.executions.filter(state__in=OPEN_RUNS).order_by("pk").first():
        raise StillBusy(target=target.name, what=run.code)
    waiting = target.errands.filter(state__in=errand_queue.OPEN).exclude(kind=Errand.Kind.PROBE)
    if errand := waiting.order_by("pk").first():
        raise StillBusy(target=target.name, what=errand.kind)


def _ensure_not_asked(target: Target, kind: Errand.Kind) -> None:
    if target.errands.filter(kind=kind, state__in=errand_queue.OPEN).exists():
        raise AlreadyAsked(kind=kind.value, target=target.name, queue=target.environment.queue)


def _comparison(target: Target, errand_id: int, now: datetime) -> Errand:
    """Return the comparison to sign: done, of this target, its newest, and fresh."""
    _ensure_registered(target)
    _ensure_not_asked(target, Errand.Kind.ADOPT)
    if ledger_copies.of_now(target).exists():
        raise AlreadyInUse(target=target.name)
    newest = target.errands.filter(kind=Errand.Kind.COMPARE).order_by("-pk").first()
    if newest is None or newest.pk != errand_id:
        raise NothingToAdopt(target=target.name, why="another one was made since, or it is of another target")
    if newest.state != Errand.State.DONE or newest.ended_at is None:
        raise NothingToAdopt(target=target.name, why="it was not finished")
    if target.rebuilt_at and newest.ended_at < target.rebuilt_at:
        raise NothingToAdopt(target=target.name, why="the database was registered anew since")
    if now - newest.ended_at > FRESH:
        raise NothingToAdopt(target=target.name, why="it is older than a day")
    return newest
