"""The Rehearsal tab: what a copy showed, asking for one more, taking one made elsewhere, and the certificate itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from changecontrol.models import ChangeRequest, Rehearsal, Revision
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services import rehearsing, statements
from changecontrol.web import certificates, frame, observations, rehearsal_compared, saying
from changecontrol.web import rehearsal_parts as parts
from changecontrol.web.access import duties_of, needs_duty, reads
from changecontrol.web.refusals import CONFLICT, number_in

#: an uploaded certificate larger than this is none
LARGEST = 20_000_000
LISTED = 20


class NoFile(Refused):
    """Choose the file that `engine rehearse --json` wrote. Nothing was taken."""


class TooLarge(Refused):
    """This file has {size}; what `engine rehearse --json` writes is far smaller. Nothing was taken."""


@reads
@require_safe
def rehearsal(request: HttpRequest, code: str) -> HttpResponse:
    """Show the newest rehearsal of the current script, or the one asked for."""
    return _page(request, frame.change_or_404(code))


def _page(request: HttpRequest, change: ChangeRequest, **more: Any) -> HttpResponse:
    context = frame.context(request, change, "rehearsal")
    every = rehearsing.all_of(change)
    shown = _shown(request, change, every)
    asked, refused = rehearsing.waiting(change), rehearsing.refused(change)
    duties = duties_of(request)
    if asked is not None:  # what was asked for is not owed any more
        left = [act for act in context["frame"].actions if act.key != "rehearse"]
        context["frame"] = replace(context["frame"], actions=left)
    context |= {
        "every": every[:LISTED],
        "older": max(0, len(every) - LISTED),
        "shown": shown,
        "asked": asked,
        "refused_errand": refused if asked is None else None,
        "may_ask": bool(duties & set(rehearsing.MAY_ASK)) and not change.is_final,
        "may_upload": Duty.AUTHOR in duties and not change.is_final,
        "places": rehearsing.places(),
        "bases": [(key, said[:1].upper() + said[1:]) for key, said in rehearsing.BASES.items()],
        "given": request.POST,
        **(_drawn(change, shown) if shown else {}),
        **more,
    }
    return render(request, "changes/rehearsal.html", context, status=CONFLICT if more.get("refusal") else 200)


def _shown(request: HttpRequest, change: ChangeRequest, every: list[Rehearsal]) -> Rehearsal | None:
    wanted = request.GET.get("show", "")
    if wanted:
        found = next((one for one in every if one.code == wanted.upper()), None)
        if found is None:
            raise Http404
        return found
    return rehearsing.newest(change)


def _drawn(change: ChangeRequest, shown: Rehearsal) -> dict[str, Any]:
    """Return one rehearsal as the page draws it, and the one before it beside it."""
    certificate = rehearsing.certificate(shown)
    ours = shown.basis != "upload"
    found = certificates.observed(certificate.get("statements"))
    locks = parts.locks(found)
    before = rehearsing.previous(shown)
    return {
        "took": saying.duration(shown.milliseconds / 1000) if shown.milliseconds else "not told",
        "before_digest": certificates.text(certificates.mapping(certificate.get("fingerprints")).get("before")),
        "of_other_script": change.revision is not None and shown.script_digest != change.revision.script_digest,
        "verdict": parts.verdict(certificate, ours=ours),
        "bars": parts.bars(certificate),
        "data": parts.data(certificate),
        "sequences": certificates.texts(certificate.get("sequences")),
        "prefixes": parts.prefixes(certificate),
        "locks": locks,
        "statements": _statements(change, shown, certificate),
        "lock_sentence": parts.lock_sentence(locks, found, certificate),
        "changed": parts.schema(certificate.get("changed")),
        "differences": _said(certificate.get("differences")),
        "again": _said(certificate.get("again_differences")),
        "basis": parts.basis(certificate),
        "before": before,
        "compared": rehearsal_compared.compared(certificate, rehearsing.certificate(before)) if before else [],
    }


def _statements(change: ChangeRequest, shown: Rehearsal, certificate: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every statement of the forward script in words, with what it was seen to do."""
    same = change.revision is not None and change.revision.script_digest == shown.script_digest
    revision = change.revision if same else Revision.objects.get(pk=shown.revision_id)
    found = observations.found_in(certificate, statements.script(revision, "forward"), "forward")
    rows = []
    for one in statements.sentences(revision, "forward", []):
        seen = found.get((one.step, one.number))
        said = seen.sentences if seen else ["Not reached."]
        rows.append({"text": one.text, "seen": said, "took": seen.took if seen else ""})
    return rows


def _said(differences: Any) -> list[str]:
    return certificates.texts(certificates.mapping(differences).get("said"))


@reads
@require_safe
def live(request: HttpRequest, code: str) -> HttpResponse:
    """Give what the worker of an open rehearsal says; when it ended, reload the page."""
    change = frame.change_or_404(code)
    asked = rehearsing.waiting(change)
    response = render(request, "changes/_rehearsing.html", {"change": change, "asked": asked})
    if asked is None:
        response.headers["HX-Refresh"] = "true"
    return response


@needs_duty(*rehearsing.MAY_ASK)
@require_POST
def rehearse(request: HttpRequest, code: str) -> HttpResponse:
    """Ask a worker to rehearse the current revision on a copy."""
    change = frame.change_or_404(code)
    try:
        rehearsing.request(
            change_id=change.pk,
            target_id=number_in(request, "target"),
            basis=request.POST.get("basis", ""),
            actor=request.user,
            now=timezone.now(),
        )
    except Refused as no:
        return _page(request, change, refusal=no.sentence, refused="rehearse")
    messages.info(request, "Asked. A worker builds the copy and runs forward, rollback and forward on it.")
    return redirect("change-rehearsal", change.code)


@needs_duty(Duty.AUTHOR)
@require_POST
def upload(request: HttpRequest, code: str) -> HttpResponse:
    """Take a rehearsal that its author made with `engine rehearse`; it is shown and proves nothing."""
    change = frame.change_or_404(code)
    try:
        file = request.FILES.get("file")
        if file is None:
            raise NoFile
        if (file.size or 0) > LARGEST:
            raise TooLarge(size=saying.size(file.size))
        taken = rehearsing.upload(change_id=change.pk, data=file.read(), actor=request.user, now=timezone.now())
    except Refused as no:
        return _page(request, change, refusal=no.sentence, refused="upload")
    messages.success(request, f"Taken as {taken.code}. It is shown to everybody, and no gate counts it.")
    return redirect("change-rehearsal", change.code)


@reads
@require_safe
def certificate(request: HttpRequest, code: str) -> HttpResponse:
    """Give the exact canonical bytes of a certificate, whose SHA-256 is its digest."""
    found = get_object_or_404(Rehearsal.objects.select_related("change"), code=code.upper())
    name = f"{found.change.code}-{found.code}-certificate.json"
    headers = {
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(found.certificate.encode(), content_type="application/json", headers=headers)
