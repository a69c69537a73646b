"""The Watch tab: a period that QA ends with a signed verdict on attested items."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from changecontrol.models import Watch
from changecontrol.rules.lifecycle import Move
from changecontrol.web import frame, saying
from changecontrol.web.access import reads
from changecontrol.web.items import lists_of


def _note(watch: Watch | None) -> dict[str, str]:
    """Return what the page says first."""
    if watch is None:
        text = "It begins by itself when the change is complete and verified on every production target."
        return {"tone": "info", "heading": "The watch has not begun", "text": text}
    if watch.verdict:
        tone = {"within": "ok", "drifted": "warn"}.get(watch.verdict, "bad")
        return {"tone": tone, "heading": f"Verdict: {watch.verdict}", "text": watch.note}
    now = timezone.now()
    if now < watch.ends_at:
        heading = f"Watching for another {saying.duration(watch.ends_at - now)}"
        return {"tone": "info", "heading": heading, "text": "QA signs the verdict when the period is over."}
    heading = "The period is over: QA signs the verdict"
    return {"tone": "info", "heading": heading, "text": "The attested items below are what the verdict rests on."}


@reads
@require_safe
def watch(request: HttpRequest, code: str) -> HttpResponse:
    """Show the period, what was looked at, and the verdict."""
    change = frame.change_or_404(code)
    context = frame.context(request, change, "watch")
    found = Watch.objects.filter(change=change).first()
    lists: list[dict[str, Any]] = [one for one in lists_of(request, context) if str(one["gate"]) == Move.CLOSE]
    context |= {
        "watch": found,
        "watch_note": _note(found),
        "watched": [row for one in lists for row in one["rows"] if not row["item"].automatic],
    }
    return render(request, "changes/watch.html", context)
