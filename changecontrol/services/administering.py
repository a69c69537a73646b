"""What every verb of an administrator asks first: the duty, read fresh from the database, and a reason."""

from __future__ import annotations

from changecontrol.models import Person
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused


class NotAnAdministrator(Refused):
    """Only a person with the duty administrator can do this. Ask one of them."""


class ReasonMissing(Refused):
    """Say why in a few words: the reason is kept with what was changed."""


def require_administrator(actor: Person) -> None:
    """Raise NotAnAdministrator unless the actor is active and holds the duty now, whatever the page showed."""
    if not Person.objects.with_duty(Duty.ADMINISTRATOR.value).filter(pk=actor.pk).exists():
        raise NotAnAdministrator


def require_reason(reason: str) -> str:
    """Return the reason without blanks around it, or raise ReasonMissing."""
    said = reason.replace("\x00", "").strip()  # PostgreSQL stores no NUL
    if not said:
        raise ReasonMissing
    return said
