"""Runs: the list, the live page of one, its parts for polling, abort, resolution, second person, log."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from changecontrol.models import Execution, ExecutionEvent
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty, State
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import executing, resolving, texts
from changecontrol.web import run_page
from changecontrol.web.access import needs_duty, reads
from changecontrol.web.inbox import HEAVY
from changecontrol.web.refusals import CONFLICT

PAGE = 50


class NothingStated(Refused):
    """Say whether the step took effect or not. Nothing was signed."""


def run_or_404(code: str) -> Execution:
    """Return the execution with everything its page prints."""
    found = (
        Execution.objects.select_related(
            "change", "revision", "target__environment", "requested_by", "abort_asked_by", "pause_asked_by"
        )
        .filter(code=code.upper())
        .first()
    )
    if found is None:
        raise Http404
    return found


@reads
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    """List runs, newest first, filtered by state, target and text."""
    found = Execution.objects.for_lists().defer(*HEAVY, "outcome")
    state, text = request.GET.get("state", ""), request.GET.get("q", "").strip()[:100]
    if state == "open":
        found = found.open()
    elif state:
        found = found.filter(state=state)
    if text:
        matching = {f"{name}__icontains": text for name in ("change__code",)}
        found = found.filter(**matching) | found.filter(target__name__icontains=text)
    context = {
        "area": "runs",
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
        "states": [("open", "Open: queued, running, lost"), *((one.value, one.value) for one in State)],
        "state": state,
        "q": text,
    }
    return render(request, "runs/list.html", context)


@reads
@require_safe
def run(request: HttpRequest, code: str) -> HttpResponse:
    """Show one run: live while it is open, readable as a log afterwards."""
    return _page(request, run_or_404(code))


def _page(request: HttpRequest, execution: Execution, **more: Any) -> HttpResponse:
    context = run_page.whole(request, execution) | more
    forms = {
        "second": context["may_second"],
        "abort": context["may_abort"],
        "resolve": context["may_resolve"],
        "pause": context["hold"] == "running",
        "resume": context["hold"] == "paused",
    }
    context["loose"] = not forms.get(more.get("refused", ""))  # the form is gone: the refusal is told at the top
    return render(request, "runs/run.html", context, status=CONFLICT if more.get("refusal") else 200)


@reads
@require_safe
def live(request: HttpRequest, code: str) -> HttpResponse:
    """Give the parts of an open run that change: tally, note, steps, new events. When it ended: reload the page."""
    execution = run_or_404(code)
    after = request.GET.get("after", "0")
    context = run_page.parts(execution, after=int(after) if after.isdecimal() and len(after) < 10 else 0)
    context |= run_page.holding(request, execution)
    # the form is exchanged only when it becomes another one: nobody loses what they are typing
    context["swap_hold"] = request.GET.get("hold", "") != context["hold"]
    response = render(request, "runs/_live.html", context)
    if not execution.is_open:
        response.headers["HX-Refresh"] = "true"
    return response


@reads
@require_safe
def log(request: HttpRequest, code: str) -> HttpResponse:
    """Give the whole log of a run as text, oldest event first."""
    execution = run_or_404(code)
    lines = [texts.log_line(execution), ""]
    for event in ExecutionEvent.objects.filter(execution=execution).order_by("number"):
        place = " ".join(part for part in (event.phase, f"step {event.step}" if event.step else "") if part)
        lines.append(f"{event.at.isoformat()} {event.kind:<16} {f'[{place}] ' if place else ''}{event.text}")
    headers = {"Content-Disposition": f'attachment; filename="{execution.code}.log"'}
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8", headers=headers)


@needs_duty(Duty.AUTHOR, Duty.QA, Duty.TECH_LEAD)
@require_POST
def abort(request: HttpRequest, code: str) -> HttpResponse:
    """Ask the worker to stop; committed steps and batches stay."""
    execution = run_or_404(code)
    try:
        executing.abort(
            execution_id=execution.pk,
            actor=request.user,
            reason=request.POST.get("reason", "").strip(),
            now=timezone.now(),
        )
    except Refused as no:
        return _page(request, execution, refusal=no.sentence, refused="abort", given=request.POST)
    messages.info(request, "Asked. The worker stops at the next safe point and writes what stays.")
    return redirect("run", execution.code)


@needs_duty(Duty.AUTHOR, Duty.QA, Duty.TECH_LEAD)
@require_POST
def pause(request: HttpRequest, code: str) -> HttpResponse:
    """Ask the worker to rest between two batches or steps, where it holds no lock."""
    execution, reason = run_or_404(code), request.POST.get("reason", "").strip()
    try:
        executing.pause(execution_id=execution.pk, actor=request.user, reason=reason, now=timezone.now())
    except Refused as no:
        return _page(request, execution, refusal=no.sentence, refused="pause", given=request.POST)
    messages.info(request, "Asked. The worker rests as soon as the batch or step under way is committed.")
    return redirect("run", execution.code)


@needs_duty(Duty.AUTHOR, Duty.QA, Duty.TECH_LEAD)
@require_POST
def resume(request: HttpRequest, code: str) -> HttpResponse:
    """Let a paused run go on."""
    execution, reason = run_or_404(code), request.POST.get("reason", "").strip()
    try:
        executing.resume(execution_id=execution.pk, actor=request.user, reason=reason, now=timezone.now())
    except Refused as no:
        return _page(request, execution, refusal=no.sentence, refused="resume", given=request.POST)
    messages.info(request, "Asked. The worker goes on where it stopped.")
    return redirect("run", execution.code)


@needs_duty(*signing.DUTIES[Meaning.RESOLUTION])
@require_POST
@sensitive_post_parameters("password")
def resolve(request: HttpRequest, code: str) -> HttpResponse:
    """State under signature what became of a step that a lost run left in flight."""
    execution = run_or_404(code)
    try:
        if request.POST.get("done") not in ("yes", "no"):
            raise NothingStated
        resolving.resolve(
            execution_id=execution.pk,
            signer=request.user,
            password=request.POST.get("password", ""),
            done=request.POST.get("done") == "yes",
            reason=request.POST.get("reason", "").strip(),
            now=timezone.now(),
        )
    except Refused as no:
        return _page(request, execution, refusal=no.sentence, refused="resolve", given=request.POST)
    messages.success(request, "Signed. A worker writes the resolution into the target's ledger.")
    return redirect("run", execution.code)


@needs_duty(*signing.DUTIES[Meaning.SECOND_PERSON])
@require_POST
@sensitive_post_parameters("password")
def second(request: HttpRequest, code: str) -> HttpResponse:
    """Sign a waiting run as the second person."""
    execution = run_or_404(code)
    try:
        executing.second_sign(
            execution_id=execution.pk,
            signer=request.user,
            password=request.POST.get("password", ""),
            content_digest=request.POST.get("content_digest", ""),
            now=timezone.now(),
        )
    except Refused as no:
        return _page(request, execution, refusal=no.sentence, refused="second", given=request.POST)
    messages.success(request, "Signed as the second person.")
    return redirect("run", execution.code)
