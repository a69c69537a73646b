"""The dialog over a change: sign, give a reason, start a run. A refusal stays in place; only the password is lost."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from changecontrol.models import ChangeRequest, Target
from changecontrol.rules.refusal import Refused
from changecontrol.services import content
from changecontrol.web import frame
from changecontrol.web.access import reads, require
from changecontrol.web.acts import ACTS, Act, arguments, runs_in
from changecontrol.web.findings import findings_of, says
from changecontrol.web.refusals import CONFLICT
from changecontrol.web.summary import summary_context

VERDICTS = (
    ("within", "Within: everything stayed inside what was expected"),
    ("drifted", "Drifted: something moved, and it is acceptable"),
    ("breached", "Breached: not acceptable"),
)


def _seen(request: HttpRequest, change: ChangeRequest) -> dict[str, Any]:
    """Return version and digest of what the person looked at; a refused form keeps those of its first page."""
    digest = change.content_digest or content.preview(change).digest
    return {
        "seen_version": request.POST.get("version") or change.version,
        "seen_digest": request.POST.get("content_digest") or digest,
    }


def _shown(act: Act, context: dict[str, Any]) -> list[dict[str, str]]:
    """Return what the dialog lists under "What you have seen"."""
    change: ChangeRequest = context["change"]
    sentences = context["sentences"]
    protected = [table for table, words in context["touched"] if words.startswith("protected")]
    statements, steps = context["statement_count"], context["step_count"]
    counted = f"{statements} statement{'s'[: statements != 1]} in {steps} step{'s'[: steps != 1]}."
    rows = [{"icon": "file-text", "text": counted}]
    if statements <= 4:
        rows = [{"icon": "file-text", "text": row["text"]} for row in sentences]
    if protected:
        rows.append({"icon": "shield-lock", "text": f"Protected: {', '.join(f'`{one}`' for one in protected)}."})
    rows += [{"icon": row["icon"], "text": f"{row['head']} {row['text']}"} for row in context["way_back"]]
    findings = findings_of(change, change.revision, context["frame"].findings, may_waive=False)
    waived = sum(1 for one in findings if one["waiver"])
    if findings:
        rows.append(
            {"icon": "alert-triangle", "text": f"Findings: {says(findings)}; {waived} of them waived with a reason."}
        )
    return rows


def _gates(refusal: Refused | None, not_yet: str, unmet: list[Any]) -> list[Any]:
    """Return the conditions that keep this from happening, where they are several, to be shown as a list."""
    found: list[Any] = list(getattr(refusal, "unmet", ()))
    if not found and not refusal and unmet and unmet[0].sentence in not_yet:
        found = unmet
    return found if len(found) > 1 else []


def _page(request: HttpRequest, change: ChangeRequest, key: str, act: Act, refusal: Refused | None) -> HttpResponse:
    context = summary_context(request, change)
    stated = {one.key: one for one in [*context["frame"].actions, *context["frame"].asides]}
    not_yet = stated[key].refusal if key in stated else ""
    context |= _seen(request, change) | {
        "inert": True,
        "act": act,
        "act_key": key,
        "shown": _shown(act, context),
        "verdicts": VERDICTS,
        "targets": Target.objects.of("development") if "where" in act.asks else [],
        "not_yet": not_yet,
        "open_gates": _gates(refusal, not_yet, context["frame"].unmet),
        "refusal": refusal.sentence if refusal else "",
        "difference": refusal.details.get("difference", "") if refusal else "",
        "given": request.POST,
    }
    return render(request, "changes/act.html", context, status=CONFLICT if refusal else 200)


@reads
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, code: str, key: str) -> HttpResponse:
    """Show the dialog of one action, or carry it out."""
    if key not in ACTS:
        raise Http404
    found = ACTS[key]
    require(request, *found.duties)
    change = frame.change_or_404(code)
    if request.method != "POST":
        return _page(request, change, key, found, None)
    try:
        result = found.verb(**arguments(found, request, change, timezone.now()))
    except Refused as refusal:
        return _page(request, frame.change_or_404(code), key, found, refusal)
    if found.done:
        messages.success(request, found.done)
    runs = runs_in(result)
    if len(runs) == 1:
        return redirect("run", runs[0].code)
    return redirect("change-executions" if runs else "change", change.code)
