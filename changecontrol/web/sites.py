"""Environments and targets: registered by reference, probed by workers, adopted as a baseline."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from changecontrol.models import Environment, Errand, Target
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import errands
from changecontrol.services import sites as service
from changecontrol.web import probed
from changecontrol.web.access import duties_of, needs_duty, reads, require
from changecontrol.web.refusals import CONFLICT, number_in


def _sites(request: HttpRequest, **more: Any) -> HttpResponse:
    targets = Target.objects.select_related("environment").order_by("environment__position", "name")
    environments = list(Environment.objects.in_order())
    context = {
        "area": "administration",
        "section": "environments",
        "environments": environments,
        "targets": targets,
        "kinds": Environment.Kind.values,
        "given": request.POST,
        "administers_sites": Duty.ADMINISTRATOR in duties_of(request),
        **more,
    }
    return render(request, "administration/sites.html", context, status=CONFLICT if more.get("refusal") else 200)


def _add_environment(request: HttpRequest) -> str:
    service.add_environment(
        name=request.POST.get("name", "").strip(),
        kind=request.POST.get("kind", ""),
        queue=request.POST.get("queue", "").strip(),
        position=number_in(request, "position"),
        actor=request.user,
        reason=request.POST.get("reason", "").strip(),
        now=timezone.now(),
    )
    return "Added."


def _change_environment(request: HttpRequest) -> str:
    service.change_environment(
        environment_id=number_in(request, "environment"),
        name=request.POST.get("name", "").strip(),
        kind=request.POST.get("kind", ""),
        queue=request.POST.get("queue", "").strip(),
        position=number_in(request, "position"),
        stage_on_approval=request.POST.get("stage_on_approval") == "on",
        second_person_at_start=request.POST.get("second_person_at_start") == "on",
        actor=request.user,
        reason=request.POST.get("reason", "").strip(),
        now=timezone.now(),
    )
    return "Changed."


def _add_target(request: HttpRequest) -> str:
    service.add_target(
        name=request.POST.get("name", "").strip(),
        environment_id=number_in(request, "environment"),
        reference=request.POST.get("reference", "").strip(),
        set_role=request.POST.get("set_role", "").strip(),
        actor=request.user,
        reason=request.POST.get("reason", "").strip(),
        now=timezone.now(),
    )
    return "Added. A tech lead registers it next: that signs the bootstrap of its ledger."


FORMS = {"add_environment": _add_environment, "change_environment": _change_environment, "add_target": _add_target}


@reads
@require_safe
def environments(request: HttpRequest) -> HttpResponse:
    """Show environments and targets."""
    return _sites(request)


@needs_duty(Duty.ADMINISTRATOR)
@require_POST
def change_sites(request: HttpRequest) -> HttpResponse:
    """Add or change an environment, or add a target."""
    what = request.POST.get("what", "")
    try:
        said = FORMS.get(what, _add_target)(request)
    except Refused as no:
        return _sites(request, refusal=no.sentence, refused=what)
    messages.success(request, said)
    return redirect("environments")


def _target(request: HttpRequest, target: Target, **more: Any) -> HttpResponse:
    duties = duties_of(request)
    errand_rows = list(
        Errand.objects.filter(target=target).select_related("requested_by").order_by("-requested_at")[:20]
    )
    tables = probed.sizes(target.probe)
    compared = next((one for one in errand_rows if one.kind == Errand.Kind.COMPARE and one.result), None)
    context = {
        "area": "administration",
        "section": "environments",
        "target": target,
        "errands": errand_rows,
        "identity": probed.facts(target.fingerprint),
        "probed": probed.facts(target.probe),
        "sizes": tables[: probed.LARGEST],
        "smaller": tables[probed.LARGEST :],
        "open_errand": any(one.state in (Errand.State.QUEUED, Errand.State.RUNNING) for one in errand_rows),
        "compared": compared,
        "may_probe": bool(duties & {Duty.ADMINISTRATOR, Duty.TECH_LEAD, Duty.QA}),
        "may_sign": bool(duties & set(signing.DUTIES[Meaning.BOOTSTRAP])),
        "may_be_rebuilt": bool(target.registered_at) and target.environment.kind != Environment.Kind.PRODUCTION,
        "may_retire": Duty.ADMINISTRATOR in duties,
        "bootstrap_statement": signing.STATEMENTS[Meaning.BOOTSTRAP],
        "adoption_statement": signing.STATEMENTS[Meaning.ADOPTION],
        "history": target.history.select_related("history_user").order_by("-history_date")[:30],
        "given": request.POST,
        **more,
    }
    return render(request, "administration/target.html", context, status=CONFLICT if more.get("refusal") else 200)


@reads
@require_safe
def target(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one target: identity, last probe, ledger, errands."""
    return _target(request, get_object_or_404(Target.objects.select_related("environment"), pk=pk))


def _errand(request: HttpRequest, found: Target, what: str) -> str:
    now = timezone.now()
    signed = {"signer": request.user, "password": request.POST.get("password", ""), "now": now}
    if what == "register":
        errands.register(target_id=found.pk, **signed)
        return "Signed. A worker creates the ledger and stores the fingerprint."
    if what == "rebuilt":
        errands.rebuilt(target_id=found.pk, reason=request.POST.get("reason", "").strip(), **signed)
        return "Signed. A worker looks at the database and registers it anew."
    if what == "compare":
        errands.compare(target_id=found.pk, upto=number_in(request, "upto"), actor=request.user, now=now)
        return "Asked. A worker builds that state in a sandbox and compares it with the target."
    if what == "adopt":
        reason = request.POST.get("reason", "").strip()
        errands.adopt(target_id=found.pk, errand_id=number_in(request, "errand"), reason=reason, **signed)
        return "Signed. A worker writes the baseline into the target's ledger."
    if what == "retire":
        reason = request.POST.get("reason", "").strip()
        service.retire_target(target_id=found.pk, actor=request.user, reason=reason, now=now)
        return "Taken out of use."
    errands.probe(target_id=found.pk, actor=request.user, now=now)
    return "Asked. The answer of the worker appears here."


#: who may ask for what
ASKS = {
    "register": signing.DUTIES[Meaning.BOOTSTRAP],
    "rebuilt": signing.DUTIES[Meaning.BOOTSTRAP],
    "adopt": signing.DUTIES[Meaning.ADOPTION],
    "compare": (Duty.ADMINISTRATOR, Duty.TECH_LEAD),
    "probe": (Duty.ADMINISTRATOR, Duty.TECH_LEAD, Duty.QA),
    "retire": (Duty.ADMINISTRATOR,),
}


@needs_duty(Duty.ADMINISTRATOR, Duty.TECH_LEAD, Duty.QA)
@require_http_methods(["POST"])
@sensitive_post_parameters("password")
def ask_target(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a worker to probe, register (anew), compare or adopt; take a target out of use."""
    found = get_object_or_404(Target.objects.select_related("environment"), pk=pk)
    what = request.POST.get("what", "probe")
    require(request, *ASKS.get(what, ASKS["retire"]))
    try:
        said = _errand(request, found, what)
    except Refused as no:
        return _target(request, found, refusal=no.sentence, refused=what)
    messages.success(request, said)
    return redirect("target", pk)
