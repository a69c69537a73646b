"""The Timeline tab: every move, signature, edit, revision, run and attested item of a change, newest first."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from changecontrol.models import ChangeRequest, ChecklistItem, Execution, Signature, StatusMove
from changecontrol.web import frame, words
from changecontrol.web.access import reads

PAGE = 50
#: moves, once made
MOVED = {
    "submit": "Submitted",
    "recall": "Recalled",
    "approve": "Approved",
    "reject": "Rejected",
    "stage": "Staged",
    "restage": "To be staged again",
    "accept": "Accepted",
    "authorize": "Authorized",
    "deploy": "Deployed",
    "roll_back": "Rolled back",
    "close": "Closed",
    "send_back": "Sent back",
    "withdraw": "Withdrawn",
}
#: kept elsewhere on this page, or nothing a person edits
QUIET = {"status", "status_at", "version", "content", "content_digest", "revision", "opened_at", "number", "code"}


def _row(at: Any, icon: str, what: str, who: str, **more: Any) -> dict[str, Any]:
    return {"at": at, "icon": icon, "what": what, "who": who, "changes": [], **more}


def _moves(change: ChangeRequest) -> list[dict[str, Any]]:
    rows = []
    for move in StatusMove.objects.filter(change=change):
        icon = words.look(words.spoken(move.after)).icon
        changed = [("Status", words.spoken(move.before), words.spoken(move.after))]
        what = MOVED.get(move.move, words.spoken(move.move).capitalize()) + "."
        rows.append(_row(move.at, icon, what, move.actor, duty=move.duty, reason=move.reason, changes=changed))
    return rows


def _signed(change: ChangeRequest) -> list[dict[str, Any]]:
    url = reverse("change-signatures", args=[change.code])
    return [
        _row(
            one.signed_at,
            "signature",
            f"Signed: {one.meaning}.",
            one.printed_name,
            duty=one.duty,
            reason=one.reason,
            url=url,
            url_text=f"content {one.content_digest[:8]}",
        )
        for one in Signature.objects.filter(change=change)
    ]


def _revisions(change: ChangeRequest) -> list[dict[str, Any]]:
    url = reverse("change-sql", args=[change.code])
    return [
        _row(
            one.frozen_at,
            "file-text",
            f"Revision {one.number} frozen.",
            one.frozen_by.printed_name,
            url=f"{url}?show={one.number}",
            url_text=f"script {one.script_digest[:8]}",
        )
        for one in change.revisions.select_related("frozen_by")
    ]


def _runs(change: ChangeRequest) -> list[dict[str, Any]]:
    rows = []
    for run in Execution.objects.filter(change=change).select_related("target", "requested_by"):
        who = run.requested_by.printed_name if run.requested_by else "automatic"
        link = {"url": reverse("run", args=[run.code]), "url_text": run.code}
        where = f"{words.spoken(run.purpose)} on {run.target.name}, {run.direction}, attempt {run.attempt}"
        rows.append(_row(run.queued_at, "player-play", f"Asked for a run: {where}.", who, reason=run.reason, **link))
        if run.ended_at:
            look = words.STATE.get(run.state, words.PLAIN)
            effect = words.EFFECT.get(run.effect, (run.effect, words.PLAIN))[0]
            what = f"Run {run.state}: {effect}."
            rows.append(_row(run.ended_at, look.icon, what, run.worker or "worker", reason=run.sentence, **link))
    return rows


def _edits(history: Any, icon: str, name: str) -> list[dict[str, Any]]:
    """Return one row an edit that changed a field people read; the history is read once, oldest first."""
    rows: list[dict[str, Any]] = []
    before: dict[Any, dict[str, Any]] = {}
    for record in history:
        fields = {one.attname: getattr(record, one.attname) for one in record.tracked_fields if one.name not in QUIET}
        old = before.get(record.id)
        before[record.id] = fields
        changes = [
            (words.spoken(key.removesuffix("_id")).capitalize(), old[key], value)
            for key, value in fields.items()
            if old is not None and old[key] != value
        ]
        if changes:
            who = record.history_user.printed_name if record.history_user else "automatic"
            what = name.format(item=getattr(record, "text", ""))
            reason = record.history_change_reason or ""
            rows.append(_row(record.history_date, icon, what, who, reason=reason, changes=changes))
    return rows


def _history(model: Any, **filters: Any) -> Any:
    return model.history.filter(**filters).select_related("history_user").order_by("history_date", "history_id")


@reads
@require_safe
def timeline(request: HttpRequest, code: str) -> HttpResponse:
    """Show everything that happened to this change, old to new value, in a constant number of queries."""
    change = frame.change_or_404(code)
    context = frame.context(request, change, "timeline")
    waivers = [
        _row(
            one.waived_at, "ban", f"Waived {one.rule}, line {one.line}.", one.waived_by.printed_name, reason=one.reason
        )
        for one in change.waivers.select_related("waived_by")
    ]
    rows = [
        *_moves(change),
        *_signed(change),
        *_revisions(change),
        *_runs(change),
        *waivers,
        *_edits(_history(ChangeRequest, id=change.pk), "pencil", "Edited the documentation."),
        *_edits(_history(ChecklistItem, change_id=change.pk), "list-check", "Checklist: {item}"),
        _row(change.opened_at, "plus", f"Opened {change.code}.", change.opened_by.printed_name),
    ]
    rows.sort(key=lambda row: row["at"], reverse=True)
    context["page"] = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "changes/timeline.html", context)
