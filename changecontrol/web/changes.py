"""The list of changes, opening one from a file of the repository, its documentation, and taking a new revision."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from changecontrol.models import ChangeRequest, Person
from changecontrol.rules.lifecycle import FINAL, Duty, Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import drafting, shelf
from changecontrol.web import frame
from changecontrol.web.access import needs_duty, reads
from changecontrol.web.inbox import HEAVY
from changecontrol.web.refusals import CONFLICT, number_in

PAGE = 50
TEXTS = (
    "title",
    "ticket",
    "description",
    "impact",
    "risk",
    "mitigation",
    "compliance_impact",
    "pull_request_url",
    "requires_release",
    "impact_level",
    "downtime",
)
SCORES = ("risk_severity", "risk_probability", "risk_detectability")


@reads
@require_safe
def changes(request: HttpRequest) -> HttpResponse:
    """List changes, newest first, filtered by status, person and text."""
    found = ChangeRequest.objects.for_lists().defer("content", *(name for name in HEAVY if name.startswith("revision")))
    text, status, person = (request.GET.get(key, "").strip()[:200] for key in ("q", "status", "person"))
    if text:
        people = Q(opened_by__printed_name__icontains=text)
        found = found.filter(Q(pk__in=ChangeRequest.objects.having(text).values("pk")) | people)
    if status == "open":
        found = found.exclude(status__in=FINAL)
    elif status:
        found = found.filter(status=status)
    if person.isascii() and person.isdigit() and len(person) < 10:
        took_part = Q(authors__person=person) | Q(signatures__signer=person) | Q(opened_by=person)
        found = found.filter(pk__in=ChangeRequest.objects.filter(took_part).values("pk"))
    context = {
        "area": "changes",
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
        "statuses": [("open", "Every open status"), *((one.value, one.value.replace("_", " ")) for one in Status)],
        "people": Person.objects.order_by("printed_name")[:500],
        "q": text,
        "status": status,
        "person": person,
    }
    return render(request, "changes/list.html", context)


@needs_duty(Duty.AUTHOR)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, number: int) -> HttpResponse:
    """Open a change for one migration of the repository."""
    refusal = ""
    if request.method == "POST":
        try:
            change = drafting.open_change(
                migration_number=number,
                actor=request.user,
                now=timezone.now(),
                title=request.POST.get("title", "").strip(),
                supersedes=request.POST.get("supersedes", "").strip().upper(),
            )
        except Refused as no:
            refusal = no.sentence
        else:
            messages.success(request, f"{change.code} is open. Write its documentation, then submit it.")
            return redirect("change-documentation", change.code)
    entry = next((one for one in shelf.shelf().entries if one.number == number), None)
    if entry is None:
        raise Http404
    context = {"area": "changes", "entry": entry, "refusal": refusal, "given": request.POST}
    return render(request, "changes/new.html", context, status=CONFLICT if refusal else 200)


def _fields(request: HttpRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {name: request.POST[name].strip() for name in TEXTS if name in request.POST}
    for name in SCORES:
        text = request.POST.get(name, "")
        fields[name] = int(text) if text in ("1", "2", "3", "4", "5") else None
    return fields


@needs_duty(Duty.AUTHOR)
@require_http_methods(["GET", "HEAD", "POST"])
def documentation(request: HttpRequest, code: str) -> HttpResponse:
    """Write what the change is for, what it risks and how it is mended."""
    change = frame.change_or_404(code)
    refusal = ""
    if request.method == "POST":
        try:
            drafting.document(
                change_id=change.pk,
                actor=request.user,
                version=number_in(request, "version"),
                fields=_fields(request),
                now=timezone.now(),
            )
        except Refused as no:
            refusal = no.sentence
        else:
            messages.success(request, "Saved.")
            return redirect("change", change.code)
    context = frame.context(request, change, "documentation")
    values = request.POST if refusal else {name: getattr(change, name) for name in (*TEXTS, *SCORES)}
    context["frame"].actions = []
    context |= {
        "tab_title": "Documentation",
        "refusal": refusal,
        "values": values,
        "seen_version": request.POST.get("version") or change.version,
        "levels": ChangeRequest.Level.values,
        "scores": [
            ("risk_severity", "Severity", "how bad it would be", str(values.get("risk_severity") or "")),
            ("risk_probability", "Probability", "how likely it is", str(values.get("risk_probability") or "")),
            (
                "risk_detectability",
                "Detectability",
                "1 surely seen, 5 hardly seen",
                str(values.get("risk_detectability") or ""),
            ),
        ],
    }
    return render(request, "changes/documentation.html", context, status=CONFLICT if refusal else 200)


@reads
@require_safe
def disk(request: HttpRequest, code: str) -> HttpResponse:
    """Show how the files on disk differ from the current revision, and offer to take them."""
    change = frame.change_or_404(code)
    context = frame.context(request, change, "disk")
    every = [*context["frame"].actions, *context["frame"].asides]
    context |= {"tab_title": "On disk", "revise": next((act for act in every if act.key == "revise"), None)}
    return render(request, "changes/disk.html", context)


@needs_duty(Duty.AUTHOR)
@require_POST
def revise(request: HttpRequest, code: str) -> HttpResponse:
    """Take the files on disk as a new revision."""
    change = frame.change_or_404(code)
    revision = drafting.revise(
        change_id=change.pk, actor=request.user, version=number_in(request, "version"), now=timezone.now()
    )
    messages.success(request, f"Revision {revision.number} is what everybody sees now. Earlier signatures are void.")
    return redirect("change-sql", change.code)
