"""A worker carries out one execution: claim, ask everything again, run on the target, settle.

Our own transaction is never open while the target works.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import psycopg
from django.conf import settings

from changecontrol.models import Environment, Execution, Person, Signature
from changecontrol.rules import gates
from changecontrol.rules.lifecycle import Effect, Purpose, State, Status
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import DUTIES, Meaning
from changecontrol.services import (
    attempts,
    claiming,
    content,
    executing,
    facts,
    freezing,
    ledger_copies,
    moving,
    rehearsal_facts,
    settling,
    standing,
)
from changecontrol.services.journal import Journal
from changecontrol.services.passes import Passes, Result
from changecontrol.services.recording import WORKER, acting
from changecontrol.targets import connection, ledger, snapshot

logger = logging.getLogger(__name__)


class ContentMoved(Refused):
    """{code} was changed after this run was asked for, so it was not run. Its signatures belong to other content."""


class NotSigned(Refused):
    """The run {code} has no {meaning} signature that counts, so it was not run."""


class WrongPlace(Refused):
    """The run {code} ({direction}) does not belong on {target}, which is for {kind}. Nothing was run."""


class TargetRetired(Refused):
    """{target} was taken out of use, so nothing is run there any more."""


class NotNow(Refused):
    """{code} is {status}, so the run {run} was not started. Reload the change to see what it waits for."""


class NotRegistered(Refused):
    """{target} is not registered, or its ledger is not created yet. A tech lead signs its registration first."""


class OtherLedger(Refused):
    """The ledger on {target} belongs to another target. The reference points at the wrong database; nothing was run."""


class LedgerDisagrees(Refused):
    """The ledger on {target} is not what was copied from it before: {difference} Nothing was run."""


class SchemaDiffers(Refused):
    """The schema of {target} is not the one that {code} was rehearsed on: somebody changed it since. Nothing was run.
    Rehearse {code} again; the tab Rehearsal shows what differs."""


#: what a purpose asks: the kind of its targets, and its direction ("" for either)
PLACES: dict[Purpose, tuple[str, str]] = {
    Purpose.DEVELOP: (Environment.Kind.DEVELOPMENT, ""),
    Purpose.STAGE: (Environment.Kind.STAGING, attempts.FORWARD),
    Purpose.UNDO_STAGING: (Environment.Kind.STAGING, attempts.ROLLBACK),
    Purpose.DEPLOY: (Environment.Kind.PRODUCTION, attempts.FORWARD),
    Purpose.ROLL_BACK: (Environment.Kind.PRODUCTION, attempts.ROLLBACK),
}
#: the gate that a purpose has to pass, and the statuses in which it may run
ASKED: dict[Purpose, tuple[str, tuple[Status, ...]]] = {
    Purpose.STAGE: ("run_staging", (Status.APPROVED,)),
    Purpose.UNDO_STAGING: ("undo_staging", executing.UNDO_STAGING_WHILE),
    Purpose.DEPLOY: ("run_production", (Status.AUTHORIZED,)),
    Purpose.ROLL_BACK: ("run_rollback", (Status.AUTHORIZED, Status.DEPLOYED)),
}


def run(*, execution_id: int, clock: Callable[[], datetime], worker: str) -> None:
    """Carry out what is due on the target of the execution that rang; returns without a word if nothing is."""
    execution = claiming.claim(execution_id=execution_id, worker=worker, now=clock())
    if execution is None:
        logger.info("execution %s: nothing to claim", execution_id)
        return
    journal = Journal(execution, clock=clock)
    journal.start()
    journal.write("claimed", f"Claimed by {worker}.", data={"fence": execution.fence})
    try:
        result = _attempt(execution, journal, clock)
    finally:
        # whatever broke: a journal that beats on would keep the run from ever being called lost
        unwritten = journal.close()
    settling.settle(
        execution_id=execution.pk, token=execution.lease_token, result=result, unwritten=unwritten, clock=clock
    )
    settling.ring_next(execution)


def _attempt(execution: Execution, journal: Journal, clock: Callable[[], datetime]) -> Result:
    """Return how it went; an unexpected error leaves the run lost, to be settled from the ledger."""
    try:
        ask_again(execution, now=clock())
        journal.write("gates", "Every gate was asked again under a lock: all met; bytes and digests are those signed.")
        return _on_target(execution, journal)
    except Refused as no:
        journal.write("refused", no.sentence)
        # nothing was run, so what is on the target is what was on before
        return Result(
            state=State.FAILED,
            effect=Effect(attempts.effect_on(execution.change, execution.target)),
            sentence=no.sentence,
        )
    except Exception as error:
        logger.exception("execution %s broke", execution.code)
        journal.write(
            "broken", f"The worker broke: {type(error).__name__}. The ledger on the target decides what is on."
        )
        return Result(state=State.LOST, effect=Effect.UNKNOWN, sentence="The worker broke in the middle of the run.")


def ask_again(execution: Execution, *, now: datetime) -> None:
    """Ask every gate again under the lock of the change (21 CFR 11.10(f)); raise the refusal that stops the run."""
    with acting(WORKER):
        change = moving.lock(execution.change_id)
        revision = execution.revision
        freezing.ensure_bytes(revision, code=change.code)
        if change.revision_id != revision.pk:
            raise ContentMoved(code=change.code)
        _ensure_place(execution)
        if execution.purpose == Purpose.DEVELOP:
            return
        if change.content_digest != execution.content_digest or content.preview(change).digest != change.content_digest:
            raise ContentMoved(code=change.code)
        action, statuses = ASKED[Purpose(execution.purpose)]
        if change.status not in statuses:
            raise NotNow(code=change.code, status=change.status.replace("_", " "), run=execution.code)
        kind = execution.target.environment.kind
        gates.ensure(action, facts.gather(change=change, now=now, environment_kind=kind))
        if execution.purpose in (Purpose.DEPLOY, Purpose.ROLL_BACK):
            _ensure_signed(execution, Meaning.EXECUTION)
        if attempts.needs_second(execution):
            _ensure_signed(execution, Meaning.SECOND_PERSON)


def _ensure_place(execution: Execution) -> None:
    """Raise WrongPlace unless purpose, direction and target belong together: a row that was made by hand may not."""
    if execution.target.retired_at is not None:
        raise TargetRetired(target=execution.target.name)
    kind, direction = PLACES[Purpose(execution.purpose)]
    there = execution.target.environment.kind
    if there != kind or direction not in ("", execution.direction):
        raise WrongPlace(code=execution.code, direction=execution.direction, target=execution.target.name, kind=there)


def _ensure_signed(execution: Execution, meaning: Meaning) -> None:
    signatures = Signature.objects.filter(
        execution=execution,
        change_id=execution.change_id,
        meaning=meaning.value,
        content_digest=execution.content_digest,
    )
    if meaning is Meaning.SECOND_PERSON:
        signatures = signatures.exclude(signer=execution.requested_by)
    allowed = {duty.value for duty in DUTIES[meaning]}
    for signer in Person.objects.filter(pk__in=signatures.values("signer_id"), is_active=True):
        if moving.fresh_duties(signer) & allowed:
            return
    raise NotSigned(code=execution.code, meaning=meaning.value)


def _on_target(execution: Execution, journal: Journal) -> Result:
    target = execution.target
    if target.uuid is None or not target.fingerprint:
        raise NotRegistered(target=target.name)
    where = connection.Where(dsn=connection.resolve(target.reference), set_role=target.set_role, name=target.name)
    name = f"{execution.change.code} {execution.code}"
    with connection.connect(where, application_name=name) as session:
        connection.require(target.fingerprint, connection.fingerprint(session), target=target.name)
        identity = ledger.identity(session)
        if identity is None or identity.uuid != str(target.uuid) or identity.environment != target.environment.kind:
            raise OtherLedger(target=target.name)
        journal.write("connected", f"Connected to {target.name}: the registered database, directly.")
        deadline = settings.RUN_DEADLINE_SECONDS
        on_event = lambda event: journal.write(event.kind, event.text, data=event.data)  # noqa: E731
        with connection.lock(session, deadline=deadline, on_event=on_event, stop=journal.stop):
            rows = ledger.rows(session)
            if different := ledger_copies.differences(target=target, rows=rows):
                raise LedgerDisagrees(target=target.name, difference=" ".join(different))
            ledger_copies.copy(target=target, rows=rows)
            _ensure_rehearsed(execution, session, rows)
            passes = Passes(execution, session, journal, where)
            try:
                return _with_catalog(passes.run(), passes)
            finally:
                if passes.session is not session:  # a killed backend made it open another one
                    passes.session.close()


def _ensure_rehearsed(execution: Execution, session: connection.Session, rows: list[ledger.LedgerRow]) -> None:
    """Before the first step on production: the schema is the rehearsed one, read now and not remembered."""
    fresh = ledger.net(rows, migration=execution.change.migration_number).effect == "none"
    if execution.purpose != Purpose.DEPLOY or not fresh:
        return
    if not rehearsal_facts.fits(standing.rehearsals(execution.change), snapshot.catalog(session).digest):
        raise SchemaDiffers(target=execution.target.name, code=execution.change.code)


def _with_catalog(result: Result, passes: Passes) -> Result:
    """Note the schema as it is after the run, for the gates of other changes. Without it they ask for a new look."""
    try:
        result.outcome["catalog_digest"] = snapshot.catalog(passes.session).digest
    except psycopg.Error:
        logger.warning("the schema after %s could not be read", passes.execution.code)
        result.outcome["catalog_digest"] = ""
    return result
