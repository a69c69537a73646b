"""Resolving a lost execution: the ledger on the target says what is on; a step in flight is put before a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from changecontrol import dispatch
from changecontrol.models import Errand, Execution, Person, Signature
from changecontrol.rules.lifecycle import Duty, Effect, Purpose, State
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import catching_up, ceremony, freezing, ledger_copies, moving, settling
from changecontrol.services.passes import Result
from changecontrol.services.recording import WORKER, acting
from changecontrol.targets import concurrent, connection, ledger
from changecontrol.targets.folding import InFlight
from changecontrol.targets.outcome import Order


class NotLost(Refused):
    """{code} is not lost; there is nothing to resolve."""


class StillHeld(Refused):
    """{target} is still held by another session, perhaps the worker that was thought dead. The sweep looks again."""


class NothingInFlight(Refused):
    """No step of {code} is in flight; the ledger alone tells what is on, and the sweep reads it by itself."""


class NotSigned(Refused):
    """Nobody signed this resolution of {code}, so nothing was written into the ledger."""


def resolve(*, execution_id: int, signer: Person, password: str, done: bool, reason: str, now: datetime) -> Signature:
    """Sign what became of the step in flight of a lost run; a worker writes it into the ledger and settles the run."""
    fresh = ceremony.identify(signer, password, what=f"resolution of run {execution_id}", now=now)
    with acting(fresh, duty=Duty.TECH_LEAD.value, reason=reason):
        execution = (
            Execution.objects.select_for_update(of=("self",)).select_related("target__environment").get(pk=execution_id)
        )
        change = moving.lock(execution.change_id)
        if execution.state != State.LOST:
            raise NotLost(code=execution.code)
        if not reason.strip():
            raise moving.ReasonMissing(what="resolve a run of", code=change.code)
        found = execution.errands.filter(kind=Errand.Kind.RESOLVE).order_by("-pk").first()
        if found is None or not (found.result or {}).get("waits_for_person"):
            raise NothingInFlight(code=execution.code)
        about = {"execution": execution.code, "target": execution.target.name, "done": done, "found": found.result}
        signature = ceremony.sign(
            change, meaning=Meaning.RESOLUTION, signer=fresh, now=now, reason=reason, execution=execution, about=about
        )
        errand = Errand.objects.create(
            kind=Errand.Kind.RESOLVE,
            target=execution.target,
            execution=execution,
            signature=signature,
            params={"done": done, "reason": reason.strip(), "in_flight": (found.result or {})["in_flight"]}
            | {"left": (found.result or {}).get("left", "")},
            requested_by=fresh,
            requested_at=now,
        )
        dispatch.ring_errand(queue=execution.target.environment.queue, errand_id=errand.pk)
        return signature


def run_errand(errand: Errand, *, clock: Callable[[], datetime]) -> dict[str, Any]:
    """Read the ledger of the target and settle the lost execution; the result is kept in the errand.

    Holds the target's advisory lock, so a worker that is alive after all keeps it and nothing is decided over its head.
    """
    execution = Execution.objects.select_related("target__environment", "change", "revision").get(
        pk=errand.execution_id or 0
    )
    if execution.state != State.LOST:
        return {"settled": execution.state}
    target = execution.target
    where = connection.Where(dsn=connection.resolve(target.reference), set_role=target.set_role, name=target.name)
    with connection.connect(where, application_name=f"{execution.change.code} {execution.code} resolver") as session:
        connection.require(target.fingerprint or {}, connection.fingerprint(session), target=target.name)
        try:
            with connection.lock(session, deadline=0):
                return _read(errand, execution, session, clock)
        except connection.TargetBusy as busy:
            raise StillHeld(target=target.name) from busy


def _partly(net: ledger.Net) -> str:
    flight = net.in_flight
    if net.rollback_done or (flight and flight.direction == "rollback"):
        return f"{len(net.rollback_done)} steps of the rollback are committed. Start the rollback again to finish it."
    half = f" Step {flight.step} is partly on." if flight else ""
    return f"Of {net.total} steps, {len(net.steps_done)} are on.{half} Resume, roll back or restore."


def _read(
    errand: Errand, execution: Execution, session: connection.Session, clock: Callable[[], datetime]
) -> dict[str, Any]:
    number = execution.change.migration_number
    rows = ledger.rows(session)
    net = ledger.net(rows, migration=number)
    if "done" in errand.params and net.in_flight is not None and not net.in_flight.left:
        # else an earlier worker wrote it, and died before it could say so
        _write_resolution(errand, execution, session)
        rows = ledger.rows(session)
        net = ledger.net(rows, migration=number)
    if net.in_flight is not None and net.in_flight.kind == "began" and not net.in_flight.left:
        found = look(execution, net.in_flight, session)
        with acting(WORKER):
            settling.note(execution, "in_flight", found["sentence"], now=clock())
            Execution.objects.filter(pk=execution.pk).update(sentence=found["sentence"])
        ledger_copies.copy(target=execution.target, rows=rows)
        return {"waits_for_person": True, **found}
    ledger_copies.copy(target=execution.target, rows=rows)
    effect = Effect(net.effect)
    develops = execution.purpose == Purpose.DEVELOP  # there a rollback of nothing is refused: it would prove nothing
    sentence = (
        "How it ended was not recorded; the ledger on the target says what is on. "
        + {
            Effect.NONE: "Nothing is on, so nothing has to be undone."
            if execution.direction == "forward"
            else "Nothing of it is on any more, but that was not verified. "
            + ("Run it again to verify it." if develops else "Start the rollback again to verify it."),
            Effect.PARTIAL: _partly(net),
            Effect.COMPLETE: "Every step is on, but it was not verified. Resume to verify it, or roll it back.",
            Effect.UNKNOWN: "A step is in flight.",
        }[effect]
    )
    with acting(WORKER):
        row = (
            Execution.objects.select_for_update(of=("self",)).select_related("target__environment").get(pk=execution.pk)
        )
        if row.state == State.LOST:
            catching_up.tell(row, [one for one in rows if one.migration == number], now=clock())
            settling.finish(row, Result(State.FAILED, effect, sentence), now=clock())
    return {"effect": effect.value, "steps_done": list(net.steps_done), "sentence": sentence}


def look(execution: Execution, flight: InFlight, session: connection.Session) -> dict[str, Any]:
    """Show what the catalog holds of an interrupted single step; this is put before a person, never guessed."""
    forward, rollback, _ = freezing.scripts(execution.revision)
    script = forward if flight.direction == "forward" else rollback
    step = next((one for one in script.steps if one.number == flight.step), None) if script else None
    seen, certain = "The step is not in this revision.", False
    if step:
        seen, certain = concurrent.left_of(session, step, flight.detail)
    text = step.statements[0].sql if step else ""
    return {
        "in_flight": {"direction": flight.direction, "step": flight.step},
        "statement": text,
        "seen": seen,
        "left": seen if certain else "",
        "sentence": f"Step {flight.step} was cut while it ran. Found on the target: {seen or 'nothing of it'}. "
        "A tech lead states what became of it.",
    }


def _write_resolution(errand: Errand, execution: Execution, session: connection.Session) -> None:
    """Write the signed decision into the ledger; refused where the row of the errand is not what somebody signed."""
    signature = errand.signature
    told = json.loads(signature.context).get("about", {}) if signature else {}
    if (
        signature is None
        or (signature.meaning, signature.execution_id) != (Meaning.RESOLUTION, execution.pk)
        or (told.get("done"), told.get("found", {}).get("in_flight"))
        != (errand.params["done"], errand.params["in_flight"])
    ):
        raise NotSigned(code=execution.code)
    forward, rollback, _ = freezing.scripts(execution.revision)
    flight = errand.params["in_flight"]
    script = forward if flight["direction"] == "forward" else rollback
    order = Order(
        change_code=execution.change.code,
        migration=execution.change.migration_number,
        direction=flight["direction"],
        script_digest=execution.revision.script_digest,
        content_digest=execution.content_digest,
        execution_id=str(execution.uuid),
        attempt=execution.attempt,
        fence=execution.fence,
        actor=errand.requested_by.printed_name if errand.requested_by else "",
        signature_ids=(str(errand.signature_id),),
        name=execution.change.migration_name,
    )
    ledger.resolve_step(
        session,
        order=order,
        step=flight["step"],
        steps=len(script.steps) if script else 0,
        done=bool(errand.params["done"]),
        reason=str(errand.params["reason"]),
        left=str(errand.params.get("left", "")),
    )
