"""Predicted against observed: what the rehearsal let expect of a run, statement by statement, and what it took."""

from __future__ import annotations

from typing import Any

from changecontrol.models import Execution, ExecutionEvent, Rehearsal
from changecontrol.rules import extrapolation, figures
from changecontrol.rules.extrapolation import Compared
from changecontrol.rules.observed import STRENGTH
from changecontrol.services import rehearsing, statements
from changecontrol.web import certificates, saying
from changecontrol.web.observations import KEYS
from changecontrol.web.rehearsal_parts import bare

#: a run of several passes is held against its first one
FIRST = "forward"
#: what one cell says of a statement before the rest folds away: a new table may have forty columns
WIDE = 140


def compared(execution: Execution) -> dict[str, Any]:
    """Return the rows of an ended run and the rehearsal they are held against; nothing while it is open."""
    made = None if execution.is_open else _rehearsal(execution)
    if made is None:
        return {"predicted_by": None, "compared": []}
    certificate = rehearsing.certificate(made)
    predicted = certificates.observed(certificate.get(KEYS[execution.direction]))
    phase = FIRST if execution.purpose == "stage" else execution.direction
    events = list(
        ExecutionEvent.objects.filter(execution=execution, kind="statement_done", phase=phase).order_by("number")
    )
    if not events or not predicted:
        return {"predicted_by": None, "compared": []}
    rows = extrapolation.compare(predicted, events, _sizes(execution, made, certificate))
    said = {
        (one.step, one.number): one.text for one in statements.sentences(execution.revision, execution.direction, [])
    }
    return {
        "predicted_by": made,
        "compared": [_row(one, said.get((one.step, one.statement), "")) for one in rows],
        "as_predicted": sum(one.word == "as predicted" for one in rows),
    }


def _rehearsal(execution: Execution) -> Rehearsal | None:
    """Return the rehearsal that spoke for this run: the newest of its script from before it began."""
    found = Rehearsal.objects.filter(change=execution.change_id, script_digest=execution.revision.script_digest)
    begun = execution.claimed_at or execution.queued_at
    return found.exclude(basis="upload").filter(rehearsed_at__lte=begun).order_by("-pk").first()


def _sizes(execution: Execution, made: Rehearsal, certificate: dict[str, Any]) -> dict[str, list[int]]:
    """Return the sizes of this run's target as they were known: the certificate's are those of the rehearsed one."""
    if made.target_id == execution.target_id:
        return certificates.sizes(certificate)
    return certificates.sizes({"sizes": (execution.target.probe or {}).get("tables")})


def _row(one: Compared, said: str) -> dict[str, Any]:
    whole = said.partition(". ")[0].rstrip(".") or one.sql
    text = saying.shortened(whole, WIDE)
    strong = sorted(one.locks.items(), key=lambda item: -STRENGTH.get(item[1], 0))
    return {
        "place": f"Step {one.step}, statement {one.statement}",
        "text": text,
        "whole": whole if text != whole else "",
        "locks": [f"{mode} on `{bare(relation)}`" for relation, mode in strong],
        "predicted": _figures(one.predicted_ms, one.predicted_rows),
        "expected": _figures(one.expected_ms, None),
        "observed": _figures(one.observed_ms, one.observed_rows),
        "word": one.word,
        "sentence": one.sentence,
    }


def _figures(ms: float | None, rows: int | None) -> str:
    parts = [] if ms is None else [figures.duration(ms)]
    return ", ".join(parts if rows is None else [*parts, f"{rows:,} row{'s'[: rows != 1]}"])
