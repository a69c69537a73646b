"""The other tabs of a change: signatures, executions, watch, timeline, and the papers made of what was recorded."""

from __future__ import annotations

import json
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from changecontrol.models import Execution
from changecontrol.services import texts
from changecontrol.web import frame
from changecontrol.web.access import reads
from changecontrol.web.exits import exits_of
from changecontrol.web.inbox import HEAVY
from changecontrol.web.signature_rows import required_rows, void_rows

PAGE = 50


def _given(view: Any) -> list[dict[str, Any]]:
    rows = []
    for row in sorted(view.signatures, key=lambda one: one.signature.signed_at, reverse=True):
        try:
            shown = json.dumps(json.loads(row.signature.context or "{}"), indent=1, ensure_ascii=False)
        except ValueError:
            shown = row.signature.context
        rows.append(
            {
                "signature": row.signature,
                "void": not row.valid,
                "word": "valid" if row.valid else "void",
                "say": row.why_void,
                "context": shown,
            }
        )
    return rows


@reads
@require_safe
def signatures(request: HttpRequest, code: str) -> HttpResponse:
    """Show every signature with what it names; void ones struck through."""
    change = frame.change_or_404(code)
    context = frame.context(request, change, "signatures")
    view = context["view"]
    asks = [act for act in context["frame"].asides if act.key == "ask_compliance" and not act.refusal]
    context |= {
        "given": _given(view),
        "required_rows": [*required_rows(view), *void_rows(view)],
        "reasons": [str(reason) for reason in view.routing],
        "may_ask_compliance": bool(asks),
    }
    return render(request, "changes/signatures.html", context)


@reads
@require_safe
def executions(request: HttpRequest, code: str) -> HttpResponse:
    """Show every run of this change."""
    change = frame.change_or_404(code)
    context = frame.context(request, change, "executions")
    context["exits"] = exits_of(change)
    pages = Paginator(Execution.objects.filter(change=change).for_lists().defer(*HEAVY, "outcome"), PAGE)
    context["page"] = pages.get_page(request.GET.get("page"))
    return render(request, "changes/executions.html", context)


@reads
@require_safe
def log(request: HttpRequest, code: str) -> HttpResponse:
    """Give the document's migration_log.txt lines of this change's runs."""
    change = frame.change_or_404(code)
    lines = [texts.log_line(one) for one in Execution.objects.filter(change=change).for_lists().order_by("queued_at")]
    return _text("\n".join(lines) + "\n", f"{change.code}-migration_log.txt")


@reads
@require_safe
def changelog(request: HttpRequest, code: str) -> HttpResponse:
    """Give the CHANGELOG entry of this change."""
    change = frame.change_or_404(code)
    return _text(texts.changelog(change), f"{change.code}-CHANGELOG.md")


def _text(body: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(body, content_type="text/plain; charset=utf-8", headers=headers)
