"""Administration of people and duties. It can grant and close, and it cannot bypass a rule: every edit asks why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from changecontrol.models import DutyChange, FailedSigning, Person
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services import people as service
from changecontrol.web.access import needs_duty, require
from changecontrol.web.refusals import CONFLICT

PAGE = 50
LOOKS_IN = (Duty.ADMINISTRATOR, Duty.INSPECTOR)


def _people(request: HttpRequest, **more: Any) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:100]
    found = Person.objects.prefetch_related("groups").order_by("printed_name", "pk")
    if text:
        found = found.filter(Q(printed_name__icontains=text) | Q(username__icontains=text))
    held = set(Person.objects.filter(is_active=True).values_list("groups__name", flat=True))
    context = {
        "area": "administration",
        "section": "people",
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
        "empty_duties": [duty.value for duty in Duty if duty.value not in held],
        "q": text,
        "given": request.POST,
        **more,
    }
    return render(request, "administration/people.html", context, status=CONFLICT if more.get("refusal") else 200)


@needs_duty(*LOOKS_IN)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def people(request: HttpRequest) -> HttpResponse:
    """List people; add one. The one-time password is shown once, on the answer itself."""
    if request.method != "POST":
        return _people(request)
    require(request, Duty.ADMINISTRATOR)
    try:
        person, password = service.add_person(
            username=request.POST.get("username", ""),
            printed_name=request.POST.get("printed_name", ""),
            email=request.POST.get("email", ""),
            actor=request.user,
            reason=request.POST.get("reason", ""),
            now=timezone.now(),
        )
    except Refused as no:
        return _people(request, refusal=no.sentence)
    return _people(request, added=person, one_time_password=password, given={})


def _person(request: HttpRequest, person: Person, **more: Any) -> HttpResponse:
    held = {group.name for group in person.groups.all()}
    context = {
        "area": "administration",
        "section": "people",
        "person": person,
        "held": [duty.value for duty in Duty if duty.value in held],
        "free": [duty.value for duty in Duty if duty.value not in held],
        "changes": DutyChange.objects.filter(person=person).select_related("changed_by").order_by("-at")[:100],
        "failed": FailedSigning.objects.filter(person=person).order_by("-at")[:20],
        "history": person.history.select_related("history_user").order_by("-history_date")[:50],
        "given": request.POST,
        **more,
    }
    return render(request, "administration/person.html", context, status=CONFLICT if more.get("refusal") else 200)


@needs_duty(*LOOKS_IN)
@require_safe
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one person: duties, who gave them and why, failed sign-ins."""
    return _person(request, get_object_or_404(Person.objects.prefetch_related("groups"), pk=pk))


#: what an administrator can do to an account -> (verb, what is said afterwards)
VERBS: dict[str, tuple[Callable[..., Any], str]] = {
    "give": (service.give_duty, "Given."),
    "take": (service.take_duty, "Taken away."),
    "deactivate": (service.deactivate, "Closed. Its sessions end, its signatures stay."),
    "reactivate": (service.reactivate, "Open again."),
}


class NoSuchVerb(Refused):
    """Nothing was done: the form does not say what to do with this account. Open the page again and send it there."""


@needs_duty(Duty.ADMINISTRATOR)
@never_cache
@require_POST
def change_person(request: HttpRequest, pk: int) -> HttpResponse:
    """Give or take a duty, close or open an account, or give a one-time password."""
    found = get_object_or_404(Person.objects.prefetch_related("groups"), pk=pk)
    what = request.POST.get("what", "")
    asked = {"person_id": pk, "actor": request.user, "reason": request.POST.get("reason", ""), "now": timezone.now()}
    try:
        if what == "password":
            return _person(request, found, one_time_password=service.set_new_password(**asked))
        if what not in VERBS:
            raise NoSuchVerb
        verb, said = VERBS[what]
        if what in ("give", "take"):
            asked["duty"] = request.POST.get("duty", "")
        verb(**asked)
    except Refused as no:
        return _person(request, found, refusal=no.sentence, refused=what)
    messages.success(request, said)
    return redirect("person", pk)
