"""Incidents: what happened in production, why, what is learned, and two signatures to close it."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from changecontrol.models import Incident, Signature
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import closing
from changecontrol.web.access import duties_of, needs_duty, reads
from changecontrol.web.refusals import CONFLICT

PAGE = 50
WRITES = (Duty.QA, Duty.TECH_LEAD)


def _incident(code: str) -> Incident:
    found = Incident.objects.select_related("change", "execution__target").filter(code=code.upper()).first()
    if found is None:
        raise Http404
    return found


def _page(request: HttpRequest, incident: Incident, *, refusal: str = "", where: str = "") -> HttpResponse:
    duties = duties_of(request)
    signatures = Signature.objects.filter(change=incident.change, meaning=Meaning.INCIDENT_CLOSURE)
    context = {
        "area": "runs",
        "incident": incident,
        "signatures": list(signatures.filter(signed_at__gte=incident.opened_at).order_by("signed_at")),
        "may_write": bool(duties & set(WRITES)) and incident.closed_at is None,
        "may_sign": bool(duties & set(signing.DUTIES[Meaning.INCIDENT_CLOSURE])) and incident.closed_at is None,
        "statement": signing.STATEMENTS[Meaning.INCIDENT_CLOSURE],
        "seen": request.POST.get("seen") or closing.seen_of(incident),
        "refusal": refusal,
        "refused": where,
        "given": request.POST,
        "history": incident.history.select_related("history_user").order_by("-history_date")[:50],
    }
    return render(request, "incidents/incident.html", context, status=CONFLICT if refusal else 200)


@reads
@require_safe
def incidents(request: HttpRequest) -> HttpResponse:
    """List incidents, open ones first."""
    found = Incident.objects.select_related("change", "execution__target").order_by("closed_at", "-opened_at")
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    return render(request, "incidents/list.html", {"area": "runs", "page": page})


@reads
@require_safe
def incident(request: HttpRequest, code: str) -> HttpResponse:
    """Show one incident."""
    return _page(request, _incident(code))


@needs_duty(*WRITES)
@require_POST
def document(request: HttpRequest, code: str) -> HttpResponse:
    """Write cause, lesson and who was told."""
    found = _incident(code)
    fields = {name: request.POST.get(name, "").strip() for name in ("told", "cause", "lesson")}
    try:
        closing.document_incident(incident_id=found.pk, actor=request.user, now=timezone.now(), **fields)
    except Refused as no:
        return _page(request, found, refusal=no.sentence, where="document")
    messages.success(request, "Saved.")
    return redirect("incident", found.code)


@needs_duty(*signing.DUTIES[Meaning.INCIDENT_CLOSURE])
@require_POST
@sensitive_post_parameters("password")
def close(request: HttpRequest, code: str) -> HttpResponse:
    """Sign the closure; with the second of the two signatures the incident is closed."""
    found = _incident(code)
    try:
        closing.close_incident(
            incident_id=found.pk,
            signer=request.user,
            password=request.POST.get("password", ""),
            seen=request.POST.get("seen", ""),
            now=timezone.now(),
        )
    except Refused as no:
        return _page(request, found, refusal=no.sentence, where="close")
    messages.success(request, "Signed: incident closure.")
    return redirect("incident", found.code)
