"""What every page knows: the demonstration strip, the theme, who is signed in and with which duties."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from changecontrol.rules.lifecycle import Duty
from changecontrol.services import inbox
from changecontrol.web.access import duties_of

THEME_COOKIE = "cc_theme"


def _waiting(request: HttpRequest) -> Callable[[], int]:
    """Return a function that counts what waits for this person; asked at most once a page, and only by the menu."""

    @cache
    def count() -> int:
        return len(inbox.inbox(person=request.user, now=timezone.now()).waiting)

    return count


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the frame around every page."""
    signed_in = hasattr(request, "user") and request.user.is_authenticated
    duties = duties_of(request) if signed_in else frozenset()
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return {
        "DEMO": settings.DEMO,
        "theme": theme if theme in ("light", "dark") else "",
        "duties": [duty.value for duty in Duty if duty.value in duties],
        "waiting_count": _waiting(request) if duties else 0,
        "administers": Duty.ADMINISTRATOR.value in duties,
        "zone": timezone.get_current_timezone_name(),
    }
