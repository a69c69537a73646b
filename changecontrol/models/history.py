"""Who acts right now, and simple-history bound to it.

`services.recording.acting` sets the actor; the web and the workers alike. Nothing else writes here.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from simple_history.models import HistoricalRecords


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person (id) or a named system actor (id None), with duty and reason."""

    person_id: int | None
    name: str
    duty: str = ""
    reason: str = ""


current_actor: ContextVar[Actor | None] = ContextVar("current_actor", default=None)


def _history_person(instance: Any, **_: Any) -> Any:
    """Return the acting person for a row of history, or None for a system actor."""
    from changecontrol.models.people import Person

    actor = current_actor.get()
    return Person.objects.filter(pk=actor.person_id).first() if actor and actor.person_id else None


class History(HistoricalRecords):
    """simple-history with the actor and reason of `acting`; a system actor is named in the reason."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("get_user", _history_person)
        super().__init__(**options)

    def get_change_reason_for_object(self, instance: Any, history_type: str, using: str) -> str | None:
        """Return why: the reason given to `acting`, and the name of a system actor."""
        actor = current_actor.get()
        if actor is None:
            return super().get_change_reason_for_object(instance, history_type, using)
        named = "" if actor.person_id else f"[{actor.name}] "
        return f"{named}{actor.reason}"[:100] or None
