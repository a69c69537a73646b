"""The Checklist tab: the twelve lists, what is automatic, and attesting the rest with text or file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from changecontrol.models import ChecklistItem, Evidence
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services import checking
from changecontrol.web import frame
from changecontrol.web.access import duties_of, needs_duty, reads
from changecontrol.web.refusals import CONFLICT

#: what a list is owed before, in words
GATES = {
    "submit": "it is submitted",
    "approve": "it is approved",
    "accept": "staging is accepted",
    "authorize": "production is authorized",
    "close": "it is closed",
}


class FileTooBig(Refused):
    """{name} is {size} bytes; at most {limit} bytes are kept as evidence."""


def _row(view: Any, duties: frozenset[str], names: dict[str, str], *, final: bool) -> dict[str, Any]:
    item = view.item
    skipped = item.state == ChecklistItem.State.NOT_APPLICABLE
    return {
        "item": item,
        "met": view.done,
        "due": True,
        "says": view.how,
        "word": "not applicable" if skipped else "done" if view.done else "open",
        "evidence_name": names.get(item.evidence_id or "", ""),
        "may_attest": not item.automatic and not final and item.duty in duties,
    }


def lists_of(request: HttpRequest, context: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lists with their rows; one query for the names of evidence files."""
    view, change = context["view"], context["change"]
    wanted = {row.item.evidence_id for one in view.items for row in one.items if row.item.evidence_id}
    names = dict(Evidence.objects.filter(pk__in=wanted).values_list("digest", "name"))
    duties = duties_of(request)
    lists = []
    for one in view.items:
        rows = [_row(row, duties, names, final=change.is_final) for row in one.items]
        lists.append(
            {
                "title": one.title,
                "gate": one.gate,
                "gate_says": GATES.get(str(one.gate), str(one.gate)),
                "rows": rows,
                "done": sum(row["met"] for row in rows),
                "total": len(rows),
            }
        )
    return lists


def _page(request: HttpRequest, code: str, *, refusal: str = "", opened: int = 0) -> HttpResponse:
    context = frame.context(request, frame.change_or_404(code), "checklist")
    context["frame"].actions = [act for act in context["frame"].actions if act.key != "checklist"]
    context |= {
        "lists": lists_of(request, context),
        "refusal": refusal,
        "refusal_heading": "Not attested",
        "opened": opened,
    }
    return render(request, "changes/checklist.html", context, status=CONFLICT if refusal else 200)


@reads
@require_safe
def checklist(request: HttpRequest, code: str) -> HttpResponse:
    """Show the twelve lists and where they stand."""
    return _page(request, code)


def _upload(request: HttpRequest) -> checking.Upload | None:
    file = request.FILES.get("file")
    if file is None:
        return None
    if (file.size or 0) > settings.EVIDENCE_MAX_BYTES:
        raise FileTooBig(name=file.name, size=f"{file.size:,}", limit=f"{settings.EVIDENCE_MAX_BYTES:,}")
    return checking.Upload(file.name or "evidence", file.content_type or "", file.read())


@needs_duty(*(duty for duty in Duty if duty not in (Duty.ADMINISTRATOR, Duty.INSPECTOR)))
@require_POST
def attest(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Attest one item: done with what was seen, or not applicable with why."""
    item = get_object_or_404(ChecklistItem, pk=pk, change__code=code.upper())
    try:
        checking.tick(
            item_id=item.pk,
            actor=request.user,
            state=request.POST.get("how", "done"),
            note=request.POST.get("note", "").strip(),
            now=timezone.now(),
            upload=_upload(request),
        )
    except Refused as no:
        return _page(request, code, refusal=no.sentence, opened=item.pk)
    messages.success(request, f"Attested: {item.text}")
    return redirect(f"{redirect('change-checklist', code).url}#item-{item.pk}")


@reads
@require_safe
def evidence(request: HttpRequest, digest: str) -> HttpResponse:
    """Give an evidence file as an attachment, never shown by the browser as a page of ours."""
    found = Evidence.objects.filter(pk=digest.lower()).first()
    if found is None:
        raise Http404
    headers = {
        "Content-Disposition": content_disposition_header(True, found.name) or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return HttpResponse(bytes(found.bytes), content_type="application/octet-stream", headers=headers)
