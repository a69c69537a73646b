"""What the page of a run shows: tally, note, steps, events, verification, and who may do what."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from changecontrol.models import Execution, ExecutionEvent, Signature
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty, Purpose, State
from changecontrol.rules.signing import Meaning
from changecontrol.services import progress
from changecontrol.services.statements import script as script_of
from changecontrol.web import event_words, run_compared, run_steps, saying, words
from changecontrol.web.access import duties_of

#: events the page shows; the log holds every one
SHOWN = 200
#: green checks shown before they fold away
CHECKS = 8
LOOKS = {
    "run_started": ("", "player-play"),
    "pass_started": ("", "refresh"),
    "step_started": ("", "player-play"),
    "step_skipped": ("", "arrow-right"),
    "statement_done": ("", "check"),
    "notice": ("", "message"),
    "waiting": ("is-warn", "lock"),
    "retry": ("is-warn", "refresh"),
    "progress": ("", "database"),
    "throttled": ("is-warn", "hourglass"),
    "pause_asked": ("", "player-pause"),
    "paused": ("is-warn", "player-pause"),
    "resume_asked": ("", "player-play"),
    "resumed": ("", "player-play"),
    "vacuumed": ("", "database"),
    "committed": ("is-ok", "database"),
    "step_failed": ("is-bad", "circle-x"),
    "aborting": ("is-warn", "player-stop"),
    "aborted": ("is-warn", "player-stop"),
    "compared": ("is-ok", "arrows-diff"),
    "verified": ("is-ok", "circle-check"),
    "verify_failed": ("is-bad", "circle-x"),
    "checks": ("is-ok", "list-check"),
    "refused": ("is-bad", "circle-x"),
    "lost": ("is-warn", "alert-triangle"),
    "lease": ("", "heartbeat"),
    "ledger_copied": ("", "copy"),
    "backup": ("is-ok", "archive"),
    "backup_started": ("", "archive"),
    "backup_done": ("", "archive"),
}


def _events(execution: Execution, after: int) -> list[dict[str, Any]]:
    """Return events newest first, behind number `after`; the figures of bars are in the bars, and all in the log."""
    told = ExecutionEvent.objects.filter(execution=execution, number__gt=after)
    found = told.exclude(kind="progress", data__has_any_keys=["rate", "unit"]).order_by("-number")[:SHOWN]
    rows = []
    for event in found:
        css, icon = LOOKS.get(event.kind, ("", "info-circle"))
        if event.data.get("failed") or event.data.get("differences"):
            css, icon = "is-bad", "circle-x"
        rows.append({"number": event.number, "at": event.at, "css": css, "icon": icon, "text": event_words.told(event)})
    return rows


def _checks(every: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the standing checks that are shown, those that failed first; many that passed are folded away."""
    wrong, passed = [one for one in every if not one["ok"]], [one for one in every if one["ok"]]
    many = len(passed) > CHECKS
    return {"checks": wrong if many else [*wrong, *passed], "checks_passed": passed if many else []}


def _tally(execution: Execution, view: Any) -> list[dict[str, str]]:
    """Return up to five figures: how long, how far, what is on, who holds it, when last heard of."""
    now = timezone.now()
    begun, ended = execution.claimed_at, execution.ended_at
    if ended and begun:
        first = {"term": "Took", "value": saying.duration(ended - begun), "note": f"ended {saying.stamp(ended)}"}
    elif begun:
        first = {
            "term": "Running for",
            "value": saying.duration(now - begun),
            "note": f"since {timezone.localtime(begun):%H:%M:%S}",
        }
    else:
        waited = saying.duration((ended or now) - execution.queued_at)
        first = {"term": "Waiting for a worker", "value": waited, "note": "the bell is rung again by itself"}
    heard = saying.relative(execution.heartbeat_at, now) if execution.heartbeat_at else "not yet"
    return [
        first,
        {
            "term": "Steps",
            "value": f"{view.tally.done} of {view.tally.total}",
            "note": "verify script and checks follow",
        },
        {
            "term": "On the target now",
            "value": words.EFFECT[execution.effect][0] if execution.ended_at else "not read yet",
            "note": "read from its ledger at the end",
        },
        {
            "term": "Worker",
            "value": execution.worker.split("/")[0] or "none",
            "note": f"fencing token {execution.fence}",
        },
        {"term": "Last sign of life", "value": heard, "note": "a lost worker is noticed by its lease"},
    ]


#: what the page says first, by state: tone, icon, heading, text
STATES = {
    State.QUEUED: ("info", "clock", "Waiting for a worker", "If the bell was lost, the sweep rings again."),
    State.RUNNING: ("info", "player-play", "Running", "Leave this page when you like; it shows the same afterwards."),
    State.SUCCEEDED: ("ok", "circle-check", "Succeeded", ""),
    State.FAILED: ("bad", "circle-x", "Failed", ""),
    State.LOST: (
        "warn",
        "alert-triangle",
        "Lost: the worker stopped answering",
        "Nothing is guessed: the ledger on the target says what is on. A step outside a transaction needs a signed "
        "resolution.",
    ),
    State.CANCELLED: ("info", "ban", "Cancelled", ""),
}


#: what is said while the newest event holds the run up: icon, heading
HELD = {
    "waiting": ("lock", "Waiting for a lock"),
    "throttled": ("hourglass", "Throttled: the users come first"),
    "paused": ("player-pause", "Paused"),
}


def _note(execution: Execution, view: Any, *, wants_second: bool) -> dict[str, str]:
    """Return the one sentence that matters now."""
    tone, icon, heading, text = STATES[State(execution.state)]
    text = execution.sentence or text
    held = view.waiting if execution.is_open else None
    if execution.is_open and execution.abort_asked_at:
        who = execution.abort_asked_by.printed_name if execution.abort_asked_by else "Somebody"
        tone, icon, heading, text = "warn", "player-stop", f"{who} asked to abort", execution.abort_reason
    elif wants_second:
        heading, text = "Waiting for a second person", "It starts as soon as somebody else has signed it too."
    elif execution.is_open and execution.pause_asked_at:
        tone, icon = "warn", "player-pause"
        heading, text = _pause(execution, at_rest=held is not None and held.kind == "paused")
    elif held is not None:
        tone, (icon, heading), text = "warn", HELD[held.kind], held.text
    return {"tone": tone, "icon": icon, "heading": heading, "text": text}


def _pause(execution: Execution, *, at_rest: bool) -> tuple[str, str]:
    who = execution.pause_asked_by.printed_name if execution.pause_asked_by else "Somebody"
    if at_rest:
        return f"Paused by {who}", f"{execution.pause_reason} Nothing is locked; what is committed stays."
    return f"{who} asked to pause", f"{execution.pause_reason} It rests as soon as the batch under way is committed."


def wants_second(execution: Execution) -> bool:
    """Return whether an open run still waits for the signature of a second person."""
    needed = execution.purpose == Purpose.ROLL_BACK or (
        execution.purpose == Purpose.DEPLOY and execution.target.environment.second_person_at_start
    )
    signed = Signature.objects.filter(execution=execution, meaning=Meaning.SECOND_PERSON)
    return needed and execution.is_open and not signed.exists()


def parts(execution: Execution, *, after: int = 0) -> dict[str, Any]:
    """Return the live parts: tally, note, steps, events behind `after`."""
    view = progress.progress(execution)
    steps = run_steps.rows_of(view.steps)
    events = _events(execution, after)
    waits = wants_second(execution)
    return {
        "execution": execution,
        "wants_second": waits,
        "tally": _tally(execution, view),
        "note": _note(execution, view, wants_second=waits),
        "steps": steps,
        "steps_say": run_steps.counted(steps),
        "events": events,
        "last": events[0]["number"] if events else after,
        "now": timezone.now(),
    }


def _abort_says(execution: Execution) -> str:
    return (
        "What is committed stays: finished steps, and every finished batch of a batched step. The statement under way "
        "is cancelled and rolled back. You can resume, or roll back what is on."
        if execution.direction == "forward"
        else "What is already rolled back stays so. You can start the rollback again; it goes on where it stopped."
    )


def holding(request: HttpRequest, execution: Execution) -> dict[str, Any]:
    """Return whether this person may pause the run or let it go on, and which of both is the next."""
    may = execution.state == State.RUNNING and bool(duties_of(request) & {Duty.AUTHOR, Duty.QA, Duty.TECH_LEAD})
    paused = execution.pause_asked_at is not None
    return {"paused": paused, "may_hold": may, "hold": "" if not may else "paused" if paused else "running"}


def whole(request: HttpRequest, execution: Execution) -> dict[str, Any]:
    """Return everything the page of a run draws; a constant number of queries."""
    duties = duties_of(request)
    outcome = execution.outcome or {}
    signatures = list(Signature.objects.filter(execution=execution).order_by("signed_at"))
    found = parts(execution)
    may_second = bool(duties & set(signing.DUTIES[Meaning.SECOND_PERSON])) and execution.requested_by != request.user
    script = script_of(execution.revision, execution.direction)
    return (
        found
        | holding(request, execution)
        | run_compared.compared(execution)
        | {
            "area": "runs",
            "signatures": signatures,
            "may_abort": execution.state in (State.QUEUED, State.RUNNING)
            and bool(duties & {Duty.AUTHOR, Duty.QA, Duty.TECH_LEAD}),
            "may_resolve": execution.state == State.LOST and Duty.TECH_LEAD in duties,
            "may_second": found["wants_second"] and may_second,
            "abort_says": _abort_says(execution),
            "resolution_statement": signing.STATEMENTS[Meaning.RESOLUTION],
            "second_statement": signing.STATEMENTS[Meaning.SECOND_PERSON],
            **_checks((outcome.get("checks") or {}).get("after") or []),
            "verify": outcome.get("verify") or {},
            "comparison": outcome.get("comparison") or {},
            "incidents": list(execution.incidents.all()),
            "fingerprint": execution.target.fingerprint or {},
            "file": script.file if script else "",
            "given": {},
        }
    )
