"""What the newest rehearsal lets expect of each statement on a target: how long it may hold a strong lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from changecontrol.models import Execution, Rehearsal
from changecontrol.rules.estimating import estimated
from changecontrol.rules.observed import Observed


def milliseconds(execution: Execution, direction: str) -> dict[int, float]:
    """Return statement number → milliseconds by the sizes the target had at its last look.

    A statement of which nothing honest can be said is left out, and so is everything where there is no rehearsal.
    """
    made = Rehearsal.objects.filter(
        change_id=execution.change_id, script_digest=execution.revision.script_digest, passed=True
    )
    newest = made.order_by("-pk").first()
    if newest is None:
        return {}
    certificate: dict[str, Any] = json.loads(newest.certificate)
    sizes = (execution.target.probe or {}).get("tables") or {}
    found = certificate.get("statements" if direction == "forward" else "rollback_statements") or []
    return {number: ms for number, ms in (_one(_observed(one), sizes) for one in found) if ms is not None}


def _one(one: Observed, sizes: Mapping[str, list[int]]) -> tuple[int, float | None]:
    estimate = estimated(one, sizes)
    return one.statement, one.ms if estimate is None else estimate.ms


def _observed(value: Mapping[str, Any]) -> Observed:
    """Fractions are text in a certificate."""
    held = {name: float(ms) for name, ms in (value.get("held_ms") or {}).items()}
    return Observed.from_json({**value, "ms": float(value["ms"]), "held_ms": held})
