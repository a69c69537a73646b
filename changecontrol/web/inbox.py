"""The inbox: what waits for you, what is yours and waits for somebody else, what runs now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from changecontrol.models import Execution, ExecutionEvent
from changecontrol.rules.lifecycle import Purpose
from changecontrol.services import inbox as service
from changecontrol.web import event_words, saying
from changecontrol.web.access import duties_of, reads

#: after this many days a waiting signature is marked
LATE_DAYS = 2
#: what a list never shows and would be megabytes: frozen bytes, plans, canonical texts
HEAVY = (
    "change__content",
    "revision__forward",
    "revision__rollback",
    "revision__verify",
    "revision__sources",
    "revision__plan",
    "revision__findings",
)
PLAN = ("purpose", "direction", "revision__plan")


def _url(due: Any) -> str:
    """Return the page on which this is read and done."""
    return reverse("run", args=[due.execution.code]) if due.execution else reverse("change", args=[due.change.code])


def _groups(waiting: list[Any], now: Any) -> list[dict[str, Any]]:
    """Return what waits, by meaning; the meaning that has waited longest first, and oldest first within it."""
    by_meaning: dict[str, list[Any]] = {}
    for due in sorted(waiting, key=lambda one: one.since):
        by_meaning.setdefault(str(due.meaning), []).append(due)
    groups = []
    for meaning, dues in by_meaning.items():
        rows = [{"due": due, "late": (now - due.since).days >= LATE_DAYS, "url": _url(due)} for due in dues]
        groups.append({"meaning": meaning, "rows": rows})
    return groups


def running_now(runs: Sequence[Execution] | None = None) -> list[dict[str, Any]]:
    """Return open runs with how far they are, at most eight; two queries more, however many there are."""
    found = list(runs if runs is not None else Execution.objects.open().for_lists().defer(*HEAVY))[:8]
    plans = Execution.objects.filter(pk__in=[one.pk for one in found]).select_related("revision").only(*PLAN)
    steps = {run.pk: _steps(run) for run in plans}
    events = ExecutionEvent.objects.filter(execution__in=found)
    committed = Counter(events.filter(kind__in=("committed", "step_skipped")).values_list("execution_id", flat=True))
    newest = {
        event.execution_id: event for event in events.order_by("execution_id", "-number").distinct("execution_id")
    }
    return [_running(run, steps.get(run.pk, 1), committed[run.pk], newest.get(run.pk)) for run in found]


def _steps(run: Execution) -> int:
    """Return how many steps a run makes in all its passes."""
    passes = 3 if run.purpose == Purpose.STAGE else 1
    plan = run.revision.plan.get(run.direction) or {}
    return max(1, passes * len(plan.get("steps") or ()))


def _running(run: Execution, total: int, done: int, event: ExecutionEvent | None) -> dict[str, Any]:
    data = event.data if event and event.kind == "progress" else {}
    rows, of = data.get("rows"), data.get("total")
    percent = min(100, round(100 * rows / of)) if rows is not None and of else None
    return {
        "run": run,
        "value": percent if percent is not None else min(done, total),
        "max": 100 if percent is not None else total,
        "says": f"{percent} %" if percent is not None else f"{min(done, total)} of {total}",
        "step": event_words.told(event) if event else "Waiting for a worker",
        "left": f"About {saying.duration(data['eta_s'])} left." if data.get("eta_s") else "",
    }


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
        "running": running_now(found.running),
        "my_duties": sorted(duties_of(request)),
        "now": now,
    }
    return render(request, "inbox.html", context)


@reads
@require_safe
def running(request: HttpRequest) -> HttpResponse:
    """Give the list under "Running now" for polling."""
    return render(request, "_running.html", {"running": running_now()})
