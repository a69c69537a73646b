"""Signing in, and the durable record of every attempt that failed (21 CFR 11.300(d))."""

from __future__ import annotations

from datetime import datetime

from django.contrib import auth
from django.http import HttpRequest

from changecontrol.models import FailedSigning, Person
from changecontrol.services.recording import ANONYMOUS, acting


def sign_in(request: HttpRequest, person: Person) -> None:
    """Begin a session for a person whose password was just checked. Use it instead of auth.login.

    The time of signing in is a write to the account, so it needs a named actor like every other.
    """
    with acting(person, reason="signed in"):
        auth.login(request, person)


def failed(*, username: str, now: datetime, what: str = "sign-in", person: Person | None = None) -> None:
    """Record a failed sign-in or signing in a transaction of its own: it stays, whatever refusal follows."""
    # PostgreSQL stores no NUL; a name that holds one is still an attempt
    given = username.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:150]
    owner = person or Person.objects.filter(username=given.casefold()).first()
    # in a session the person is known; before one, a name is only a claim
    with acting(person or ANONYMOUS, reason=f"failed {what}", durable=True):
        FailedSigning.objects.create(person=owner, username=given, what=what[:120], at=now)
