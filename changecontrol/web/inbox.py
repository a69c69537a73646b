"""The inbox: what waits for you, what is yours and waits for somebody else, what runs now."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from changecontrol.models import Execution
from changecontrol.services import inbox as service
from changecontrol.services import progress
from changecontrol.web import saying
from changecontrol.web.access import duties_of, reads

#: after this many days a waiting signature is marked
LATE_DAYS = 2


def _groups(waiting: list[Any], now: Any) -> list[dict[str, Any]]:
    """Return what waits, by meaning; the meaning that has waited longest first, and oldest first within it."""
    by_meaning: dict[str, list[Any]] = {}
    for due in sorted(waiting, key=lambda one: one.since):
        by_meaning.setdefault(str(due.meaning), []).append(due)
    groups = []
    for meaning, dues in by_meaning.items():
        rows = [{"due": due, "late": (now - due.since).days >= LATE_DAYS} for due in dues]
        groups.append({"meaning": meaning, "rows": rows})
    return groups


def running_now() -> list[dict[str, Any]]:
    """Return open runs with how far they are, at most eight."""
    rows = []
    for run in Execution.objects.open().for_lists()[:8]:
        steps = progress.progress(run).steps
        done = sum(1 for step in steps if step.state in ("done", "skipped"))
        now = next((step for step in steps if step.state == "running"), None)
        percent = round(100 * (now.rows or 0) / now.total) if now and now.total else None
        rows.append(
            {
                "run": run,
                "value": percent if percent is not None else done,
                "max": 100 if percent is not None else max(1, len(steps)),
                "says": f"{percent} %" if percent is not None else f"{done} of {len(steps)}",
                "step": now.title if now else run.get_state_display(),
                "left": f"About {saying.duration(now.eta_s)} left." if now and now.eta_s else "",
            }
        )
    return rows


@reads
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits for this person, by meaning and age."""
    now = timezone.now()
    found = service.inbox(person=request.user, now=now)
    waiting = list(found.waiting)
    oldest = min((due.since for due in waiting), default=None)
    context = {
        "area": "inbox",
        "groups": _groups(waiting, now),
        "waiting_count": len(waiting),
        "oldest": saying.age(oldest, now) if oldest else "",
        "yours": found.yours,
        "running": running_now(),
        "my_duties": sorted(duties_of(request)),
        "now": now,
    }
    return render(request, "inbox.html", context)


@reads
@require_safe
def running(request: HttpRequest) -> HttpResponse:
    """Give the list under "Running now" for polling."""
    return render(request, "_running.html", {"running": running_now()})
