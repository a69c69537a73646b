"""Every "no" is a page with its sentence and a way back; a live part gets the same sentence as a fragment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from changecontrol.rules.refusal import Refused
from changecontrol.web.access import DutyMissing

#: the request was understood and the state of things does not allow it
CONFLICT = 409


class NulByte(Refused):
    """The text in “{field}” holds a NUL byte, which cannot be stored. Remove it and send the form again."""


def way_back(request: HttpRequest) -> str:
    """Return the page the person came from, if it is one of ours and not this one; otherwise the inbox."""
    referer = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure())
    if ours and not referer.endswith(request.get_full_path()):
        return referer
    return reverse("inbox")


def refused(request: HttpRequest, refusal: Refused, *, back: str = "", status: int = CONFLICT) -> HttpResponse:
    """Return the page of a refusal; for a live part only its note."""
    template = "_refused.html" if request.headers.get("HX-Request") else "refused.html"
    return render(request, template, {"sentence": refusal.sentence, "back": back or way_back(request)}, status=status)


class RefusalMiddleware:
    """Turn a Refused that a view lets through into its page. Anything else stays an error and is logged as one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Refuse a NUL byte before any verb or query sees it: PostgreSQL stores none. Sign-in has a form for that."""
        if not request.user.is_authenticated:
            return None
        if "\x00" in request.path:
            return missing(request)
        for field, values in (*request.GET.lists(), *request.POST.lists()):
            if any("\x00" in str(value) for value in (field, *values)):
                return refused(request, NulByte(field=field.replace("\x00", "")), status=400)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a refusal: 403 where a duty is missing, 409 otherwise."""
        if not isinstance(exception, Refused):
            return None
        return refused(request, exception, status=403 if isinstance(exception, DutyMissing) else CONFLICT)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without a valid token: an old tab, or a page of somebody else (CSRF_FAILURE_VIEW)."""
    return render(request, "403.html", {"stale": True, "back": way_back(request)}, status=403)


def forbidden(request: HttpRequest, exception: PermissionDenied | None = None) -> HttpResponse:
    """Answer 403 (handler403)."""
    return render(request, "403.html", {"back": way_back(request)}, status=403)


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404 (handler404)."""
    return render(request, "404.html", {"back": way_back(request)}, status=404)


class FormBroken(Refused):
    """The form lacks a whole number in “{field}”. Open the page again and send it from there."""


def number_in(request: HttpRequest, field: str) -> int:
    """Return the whole number that a form carries in a hidden field; refuses what no page of ours ever sends."""
    text = request.POST.get(field, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise FormBroken(field=field)
    return int(text)
