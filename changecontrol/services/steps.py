"""The way of a change as eight steps: where it is, since when, who made each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from changecontrol.models import Environment
from changecontrol.rules.lifecycle import Status
from changecontrol.services.standing import Standing

ORDER = (
    Status.DRAFT,
    Status.IN_REVIEW,
    Status.APPROVED,
    Status.STAGED,
    Status.ACCEPTED,
    Status.AUTHORIZED,
    Status.DEPLOYED,
    Status.CLOSED,
)
#: who is still to make a step
OWED = {
    Status.IN_REVIEW: "author signs",
    Status.APPROVED: "automatic",
    Status.STAGED: "automatic",
    Status.ACCEPTED: "QA signs",
    Status.AUTHORIZED: "tech lead signs",
    Status.CLOSED: "QA signs",
}
#: statuses off the way, and the step whose place they take
INSTEAD = {
    Status.ROLLED_BACK: Status.DEPLOYED,
    Status.REJECTED: Status.CLOSED,
    Status.WITHDRAWN: Status.CLOSED,
}


@dataclass(frozen=True, slots=True)
class StatusStep:
    """One step: the status, its words, how it stands, when it was reached, and who made or owes it."""

    status: Status
    label: str
    state: Literal["done", "now", "todo", "skipped"]
    at: datetime | None
    who: str


def steps(known: Standing) -> list[StatusStep]:
    """Return the eight steps; a change that left the way shows where it went instead of the step it missed."""
    change, status = known.change, Status(known.change.status)
    reached = _reached(known)
    way = [next((off for off, place in INSTEAD.items() if place is one and off in reached), one) for one in ORDER]
    found = []
    for one in way:
        at, who = reached.get(one, (None, ""))
        state: Literal["done", "now", "todo", "skipped"]
        if one is status:
            state = "done" if status is Status.CLOSED else "now"
        elif at is not None:
            state = "done"
        else:
            state = "skipped" if change.is_final else "todo"
        found.append(StatusStep(one, one.replace("_", " "), state, at, who or _owed(known, one)))
    return found


def _reached(known: Standing) -> dict[Status, tuple[datetime, str]]:
    """Return when and by whom each status was reached that still counts: a step back forgets what came after."""
    change = known.change
    reached: dict[Status, tuple[datetime, str]] = {
        Status.DRAFT: (change.opened_at, _first(change.opened_by.printed_name))
    }
    for move in known.moves:
        after = Status(move.after)
        if after in ORDER:
            later = ORDER[ORDER.index(after) :]
            reached = {status: value for status, value in reached.items() if status not in later}
        reached[after] = (move.at, _first(move.actor) if move.person_id else "automatic")
    reached.setdefault(Status(change.status), (change.status_at, ""))
    return reached


def _first(name: str) -> str:
    return name.split(" ", 1)[0]


def _owed(known: Standing, status: Status) -> str:
    if status is Status.DEPLOYED:
        count = len(known.registered(Environment.Kind.PRODUCTION))
        return f"{count} database{'' if count == 1 else 's'}"
    return OWED.get(status, "")
