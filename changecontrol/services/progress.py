"""How far a run is: its passes and steps with their states, read from its events; three queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from changecontrol.models import Execution, ExecutionEvent
from changecontrol.rules import summary
from changecontrol.rules.lifecycle import Purpose, State
from changecontrol.rules.script import Script, Step, StepKind, from_json
from changecontrol.services.standing import WITHOUT_ROLLBACK

StepState = Literal["todo", "running", "done", "failed", "skipped"]

#: events that change how a step or a pass stands; progress of batches is asked for on its own, being many
STEPS = (
    "pass_started", "step_started", "step_skipped", "committed", "step_failed", "aborted", "verified", "verify_failed",
    "checks", "compared", "backup",
)  # fmt: skip
STATES: dict[str, StepState] = {
    "step_started": "running",
    "step_skipped": "skipped",
    "committed": "done",
    "step_failed": "failed",
    "aborted": "failed",
}
#: events that may come while a statement still waits for its lock, or the run for being let on
BESIDE = ("notice", "lease", "ledger_copied", "connected", "vacuumed", "pause_asked")
#: events after which nothing goes on until another one comes: a lock, the users' latency, a person
HOLDS = ("waiting", "throttled", "paused")
#: what follows the steps of the script and is none of them
AFTERWARDS = ("verify", "checks")
SAYS = {
    "done": "Committed, and in the ledger.",
    "skipped": "On the target already.",
    "failed": "",
    "todo": "",
    "running": "Commits together with its row in the ledger.",
}
RUNNING = {
    StepKind.BATCHED.value: "Every batch is committed and stays, also after an abort.",
    StepKind.SINGLE.value: "Outside a transaction; the ledger keeps when it began and that it is done.",
}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of one pass; ms, rows, total, rate (rows a second), eta_s, batch and done are None where there is none.

    A batched step counts `rows` of `total`; an index build or a VACUUM counts `done` of `total` `unit` and says what it
    is `doing`, in PostgreSQL's own words for the phase.
    """

    phase: str
    number: int
    kind: str
    title: str
    state: StepState = "todo"
    ms: int | None = None
    rows: int | None = None
    total: int | None = None
    rate: float | None = None
    eta_s: float | None = None
    batch: int | None = None
    text: str = ""
    done: int | None = None
    unit: str = ""
    doing: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many steps of the script are done (or were before), how many there are, how many rows batches changed.

    The verify script and the standing checks follow the steps and are not counted.
    """

    done: int
    total: int
    rows: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The steps in order, the event that says what holds the run up now (one of HOLDS, if so), and the tally."""

    steps: list[StepView]
    waiting: ExecutionEvent | None
    tally: Tally


def progress(execution: Execution) -> Progress:
    """Return how far `execution` is; readable while it runs and for good afterwards."""
    events = list(ExecutionEvent.objects.filter(execution=execution, kind__in=STEPS).order_by("number"))
    told = ExecutionEvent.objects.filter(execution=execution, kind="progress", data__has_any_keys=["batch", "unit"])
    newest = told.order_by("phase", "step", "-number").distinct("phase", "step")
    views = {(one.phase, one.number): one for one in _planned(execution, events)}
    for event in events:
        _apply(views, event)
    for event in newest:
        _count(views, event)
    steps = [_ended(one, execution.state) if not execution.is_open else one for one in views.values()]
    steps += _afterwards(execution, events)
    own = [one for one in steps if one.kind not in AFTERWARDS]
    done = sum(1 for one in own if one.state in ("done", "skipped"))
    return Progress(steps, _waiting(execution), Tally(done, len(own), sum(one.rows or 0 for one in own)))


def _planned(execution: Execution, events: Iterable[ExecutionEvent]) -> list[StepView]:
    """Return the steps of every pass this run makes, also of those that only its events know."""
    phases = dict.fromkeys(_phases(execution))
    for event in events:
        if event.kind == "pass_started" and event.phase == "clearing":
            phases = {event.phase: None, **phases}
        elif event.kind == "pass_started":
            phases.setdefault(event.phase)
    found = []
    for phase in phases:
        direction = "rollback" if phase in ("rollback", "clearing") else "forward"
        plan = execution.revision.plan.get(direction)
        script = from_json(plan) if plan else None
        found += _steps(script, phase, several=len(phases) > 1)
    return found


def _phases(execution: Execution) -> tuple[str, ...]:
    if execution.purpose == Purpose.STAGE:
        has_rollback = execution.revision.rollback_class not in WITHOUT_ROLLBACK
        return ("forward", "rollback", "forward again") if has_rollback else ("forward",)
    return (execution.direction,)


def _steps(script: Script | None, phase: str, *, several: bool) -> list[StepView]:
    start = f"{phase.capitalize()}, step" if several else "Step"
    return [
        StepView(phase, step.number, step.kind.value, f"{start} {step.number}, {step.kind.value}: {_title(step)}")
        for step in (script.steps if script else ())
    ]


def _title(step: Step) -> str:
    """Return what the first statement does, and how many more there are."""
    if not step.statements:
        return "nothing"
    said = summary.sentence(step.statements[0]).text.split(". ", 1)[0].rstrip(".")
    said = said.split(": `", 1)[0]  # the columns of a table are listed behind it; a title names the table
    more = len(step.statements) - 1
    said = f"{said[:1].lower()}{said[1:]}"
    return f"{said}, and {more} more" if more else said


def _apply(views: dict[tuple[str, int], StepView], event: ExecutionEvent) -> None:
    key = (event.phase, event.step or 0)
    if key not in views or event.kind not in STATES:
        return
    step, state = views[key], STATES[event.kind]
    text = event.text if state == "failed" else SAYS[state]
    if state == "running":
        text = RUNNING.get(step.kind, text)
    views[key] = replace(step, state=state, ms=_whole(event.data.get("ms")), text=text)


def _count(views: dict[tuple[str, int], StepView], event: ExecutionEvent) -> None:
    key, data = (event.phase, event.step or 0), event.data
    if key not in views:
        return
    if "unit" in data:
        views[key] = replace(
            views[key],
            done=_whole(data.get("done")),
            total=_whole(data.get("total")),
            unit=str(data["unit"]),
            doing=str(data.get("phase") or "") if views[key].state == "running" else "",
        )
    else:
        views[key] = replace(
            views[key],
            rows=_whole(data.get("rows")),
            total=_whole(data.get("total")),
            rate=data.get("rate"),
            eta_s=data.get("eta_s") if views[key].state == "running" else None,
            batch=_whole(data.get("batch")),
        )


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _ended(step: StepView, state: str) -> StepView:
    """A step that was running when the run ended did not commit; where a run succeeded, none was left to do."""
    if step.state == "todo" and state == State.SUCCEEDED:
        return replace(step, state="skipped", text="An earlier run had left nothing of it to do.")
    return replace(step, state="failed", text=step.text or "Not committed.") if step.state == "running" else step


def _afterwards(execution: Execution, events: list[ExecutionEvent]) -> list[StepView]:
    """Return what follows the passes: the verify script and the standing checks, where the revision has them."""
    found = []
    if (execution.revision.plan.get("verify") or {}).get("steps"):
        last = next((one for one in reversed(events) if one.kind in ("verified", "verify_failed")), None)
        found.append(_check("verify", "Verify script", last, last is not None and last.kind == "verified"))
    if execution.revision.checks and execution.purpose != Purpose.DEVELOP:
        last = next((one for one in reversed(events) if one.kind == "checks" and "after" in one.text), None)
        found.append(_check("checks", "Standing checks", last, last is not None and not last.data.get("failed")))
    return found


def _check(kind: str, title: str, event: ExecutionEvent | None, ok: bool) -> StepView:
    state: StepState = "todo" if event is None else "done" if ok else "failed"
    return StepView(kind, 0, kind, title, state, text=event.text if event else "")


def _waiting(execution: Execution) -> ExecutionEvent | None:
    """Return the last event if it says that the run is held up, and nothing happened since."""
    if not execution.is_open:
        return None
    last = ExecutionEvent.objects.filter(execution=execution).exclude(kind__in=BESIDE).order_by("-number").first()
    return last if last is not None and last.kind in HOLDS else None
