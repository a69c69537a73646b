"""What is on production and not complete: step by step, target by target, and exactly three ways out (design 3)."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from changecontrol.models import ChangeRequest, Execution
from changecontrol.rules.lifecycle import Effect, Purpose, State

WAYS = (
    ("start_production", "Resume from the next step", "rocket"),
    ("start_rollback", "Roll back what is on", "arrow-back-up"),
    ("restore", "Restore the backup", "lifebuoy"),
)


def exits_of(change: ChangeRequest) -> list[dict[str, Any]]:
    """Return one row a production target whose newest ended run left part of this change; one query."""
    newest: dict[int, Execution] = {}
    ended = Execution.objects.filter(
        change=change, purpose__in=[Purpose.DEPLOY, Purpose.ROLL_BACK], ended_at__isnull=False
    ).exclude(state=State.CANCELLED)
    for run in ended.select_related("target").order_by("queued_at"):
        newest[run.target_id] = run
    rows = []
    for run in newest.values():
        if run.effect not in (Effect.PARTIAL, Effect.UNKNOWN):
            continue
        passes = (run.outcome or {}).get("passes") or [{}]
        done = passes[-1]
        ways = [
            {"label": label, "icon": icon, "url": reverse("act", args=[change.code, key])} for key, label, icon in WAYS
        ]
        rows.append(
            {
                "target": run.target.name,
                "steps": f"{done.get('steps_done', '?')} of {done.get('steps_total', '?')}",
                "effect": run.effect,
                "ways": ways,
            }
        )
    return rows
