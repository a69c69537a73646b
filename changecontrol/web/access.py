"""Who may use which page. Every view names it with one of these decorators; a test walks the URLs and asks.

Duties are Django groups and nothing else: a superuser has none. The services ask again; a page that was open when a
duty was revoked is refused there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils import timezone

from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused

View = Callable[..., HttpResponse]


class DutyMissing(Refused):
    """This is for {needed}. You have {given}. An administrator grants duties."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a view: anyone at all, or a person with one of these duties (empty: any signed-in person)."""

    public: bool
    duties: frozenset[str]


#: qualified name of the view -> who may use it
REGISTRY: dict[str, Access] = {}


def key(view: Any) -> str:
    """Return the name under which a view is registered."""
    return f"{view.__module__}.{view.__qualname__}"


def duties_of(request: HttpRequest) -> frozenset[str]:
    """Return the duties of the signed-in person, read once a request."""
    kept: frozenset[str] | None = getattr(request, "duties", None)
    if kept is None:
        kept = request.user.duties if request.user.is_authenticated else frozenset()
        request.duties = kept  # type: ignore[attr-defined]
    return kept


def zone_of(request: HttpRequest) -> ZoneInfo:
    """Return the zone in which this person reads times; the site's own where it is unknown."""
    try:
        return ZoneInfo(getattr(request.user, "time_zone", "") or settings.TIME_ZONE)
    except (ValueError, ZoneInfoNotFoundError):
        return ZoneInfo(settings.TIME_ZONE)


def listed(names: frozenset[str] | tuple[str, ...], *, last: str = "or") -> str:
    """Return names as a person lists them: "QA", "QA or tech lead", "author, QA or tech lead"."""
    ordered = [duty.value for duty in Duty if duty.value in names]
    return ordered[0] if len(ordered) == 1 else f"{', '.join(ordered[:-1])} {last} {ordered[-1]}"


def require(request: HttpRequest, *duties: str) -> None:
    """Raise DutyMissing unless the signed-in person has one of `duties` (none named: anybody may)."""
    needed, given = frozenset(str(duty) for duty in duties), duties_of(request)
    if needed and not needed & given:
        raise DutyMissing(needed=listed(needed), given=listed(given, last="and") if given else "no duty")


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """Send to the sign-in page and back afterwards; a form that was sent is not repeated, only its page."""
    back = request.get_full_path() if request.method in ("GET", "HEAD") else request.headers.get("Referer", "/")
    if request.method not in ("GET", "HEAD"):
        messages.warning(request, "Your session had ended, so nothing was recorded. Sign in and send it again.")
    where = f"{resolve_url(settings.LOGIN_URL)}?next={quote(back)}"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": where})
    return HttpResponseRedirect(where)


def _guard(view: View, access: Access) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        require(request, *access.duties)
        with timezone.override(zone_of(request)):
            return view(request, *args, **kwargs)

    REGISTRY[key(view)] = access
    return guarded


def anyone(view: View) -> View:
    """Let everybody in, signed in or not: sign-in, health, theme."""
    REGISTRY[key(view)] = Access(public=True, duties=frozenset())
    return view


def signed_in(view: View) -> View:
    """Let every signed-in person in, also without a duty."""
    return _guard(view, Access(public=False, duties=frozenset()))


def reads(view: View) -> View:
    """Let every signed-in person with at least one duty read."""
    return _guard(view, Access(public=False, duties=frozenset(duty.value for duty in Duty)))


def needs_duty(*duties: str) -> Callable[[View], View]:
    """Let people with one of these duties in; everybody else gets a page that says which duty is missing."""
    return lambda view: _guard(view, Access(public=False, duties=frozenset(str(duty) for duty in duties)))
