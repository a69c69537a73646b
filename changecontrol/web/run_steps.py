"""The steps of a run as its page draws them: state, figures and bar. Every figure keeps its place while it changes."""

from __future__ import annotations

from typing import Any

from changecontrol.rules.script import StepKind
from changecontrol.services.progress import AFTERWARDS, StepView
from changecontrol.web import saying

LOOKS = {
    "done": ("is-done", "circle-check", "Done"),
    "running": ("is-now", "circle-dot", "Running"),
    "todo": ("is-wait", "circle-dashed", "Waiting"),
    "failed": ("is-bad", "circle-x", "Failed"),
    "skipped": ("is-done", "arrow-right", "Skipped"),
}
#: steps that commit as they go and may take long: their bar is drawn from the start, so that nothing jumps
LONG = (StepKind.BATCHED.value, StepKind.SINGLE.value)


def rows_of(steps: list[StepView]) -> list[dict[str, Any]]:
    """Return one row a step, numbered for its anchor."""
    return [_row(number, step) for number, step in enumerate(steps, start=1)]


def counted(rows: list[dict[str, Any]]) -> str:
    """Return how far the script is, in words; the verify script and the checks are not steps of it."""
    own = [row for row in rows if row["own"]]
    running = sum(row["css"] == "is-now" for row in own)
    done = sum(row["css"] == "is-done" for row in own)
    return f"{done} of {len(own)} done" + (f", {running} running" if running else "")


def _row(number: int, step: StepView) -> dict[str, Any]:
    css, icon, label = LOOKS[step.state]
    running = step.state == "running"
    return {
        "anchor": f"step-{number}",
        "own": step.kind not in AFTERWARDS,
        "css": css,
        "icon": icon,
        "label": label,
        "title": step.title,
        "text": step.text,
        "took": saying.duration(step.ms / 1000) if step.ms is not None else "",
        "has_gauge": (running and step.kind in LONG) or step.rows is not None or step.done is not None,
        "percent": percent(step),
        "figures": _figures(step, running=running),
    }


def percent(step: StepView) -> int | None:
    """Return how far a step is, 0 to 100; nothing while the total is unknown."""
    so_far = step.rows if step.rows is not None else step.done
    if not step.total or so_far is None:
        return None
    full = 100 if step.state != "running" else 99
    return min(full, 100 * so_far // step.total)


def _figures(step: StepView, *, running: bool) -> list[str]:
    """Return four figures of a backfill or two of a build, always in the same places; one that is missing is empty."""
    if step.kind == StepKind.SINGLE.value or step.unit:
        known = step.total and step.done is not None
        so_far = f"{step.done:,} of {step.total:,} {step.unit}" if known else "no figures yet" if running else ""
        return [so_far, step.doing]
    left = f"about {saying.duration(step.eta_s)} left" if running and step.eta_s else ""
    return [
        f"{step.rows:,} of {step.total:,} rows" if step.rows is not None and step.total else "counting the rows",
        f"{step.rate:,.0f} rows/s" if step.rate else "",
        f"batch {step.batch:,}" if step.batch else "",
        left,
    ]
