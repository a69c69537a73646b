"""Series: several changes with one purpose on one page, and the releases of the application that they wait for."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services import releasing, series_pages
from changecontrol.web.access import duties_of, listed, needs_duty, reads
from changecontrol.web.matrix import cell
from changecontrol.web.refusals import CONFLICT, number_in

PAGE = 50


@reads
@require_safe
def all_series(request: HttpRequest) -> HttpResponse:
    """List every series, also those of which only files exist."""
    page = Paginator(series_pages.listing(), PAGE).get_page(request.GET.get("page"))
    return render(request, "series/list.html", {"area": "changes", "page": page})


def _page(request: HttpRequest, slug: str, *, refusal: str = "") -> HttpResponse:
    view = series_pages.view(slug, person=request.user, now=timezone.now())
    if view is None:
        raise Http404
    duties = duties_of(request)
    rows: list[dict[str, Any]] = [
        {"member": one, "cells": [cell(found) for found in one.cells], "is_next": view.next.member is one}
        for one in view.members
    ]
    applications = list(dict.fromkeys(one.requirement.application for one in view.releases))
    context = {
        "area": "changes",
        "series": view,
        "rows": rows,
        "asked": list(dict.fromkeys(one.target for one in view.releases)),
        "applications": applications,
        "may_attest": bool(duties & set(releasing.ATTESTS)),
        "attesters": listed(tuple(duty.value for duty in releasing.ATTESTS)),
        "may_open": Duty.AUTHOR in duties,
        "refusal": refusal,
        "given": request.POST,
    }
    return render(request, "series/series.html", context, status=CONFLICT if refusal else 200)


@reads
@require_safe
def one_series(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the members of a series in order, where each is on, and what is next."""
    return _page(request, slug)


@needs_duty(*releasing.ATTESTS)
@require_POST
def attest(request: HttpRequest, slug: str) -> HttpResponse:
    """Attest that a release of the application is out for a target."""
    try:
        said = releasing.attest_release(
            target_id=number_in(request, "target"),
            application=request.POST.get("application", ""),
            version=request.POST.get("version", ""),
            note=request.POST.get("note", ""),
            actor=request.user,
            now=timezone.now(),
        )
    except Refused as no:
        return _page(request, slug, refusal=no.sentence)
    messages.success(request, f"Attested: {said.application} {said.version} is out for {said.target.name}.")
    return redirect("one-series", slug)
