"""move(): the one writer of a change's status (design 3; 21 CFR 11.10(f))."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from changecontrol.models import ChangeRequest, Person, StatusMove
from changecontrol.models.history import current_actor
from changecontrol.rules import lifecycle
from changecontrol.rules.lifecycle import Duty, Move, Status
from changecontrol.rules.refusal import Refused


class IllegalMove(Refused):
    """{code} is {status}, so it cannot be moved by “{move}”. Reload the page to see what it waits for."""


class NotYourMove(Refused):
    """Only {duties} can do this with {code}. Ask an administrator if this duty is yours."""


class ReasonMissing(Refused):
    """Say why: a reason is needed to {what} {code}. Nothing was changed."""


class MovedOn(Refused):
    """{code} has moved on since you opened the page: {difference} Reload it, read what changed, and decide again."""


def lock(change_id: int) -> ChangeRequest:
    """Return the change, locked until the end of the transaction: whoever moves or signs it holds this lock."""
    return ChangeRequest.objects.select_for_update().get(pk=change_id)


def seen(change: ChangeRequest, *, version: int, content_digest: str | None = None) -> None:
    """Raise MovedOn if the change is not the one the person saw; the refusal says what is different."""
    told = []
    if change.version != version:
        last = change.moves.order_by("-pk").first()
        told.append(
            f"it is {change.status.replace('_', ' ')} now (version {change.version}, you saw {version})"
            + (f"; last, {last.actor} did “{last.move.replace('_', ' ')}”." if last else ".")
        )
    if content_digest is not None and content_digest != change.content_digest:
        now = change.content_digest[:12] or "not fixed"
        told.append(f"the content is {now} now, and you saw {content_digest[:12] or 'none'}.")
    if told:
        raise MovedOn(code=change.code, difference=" ".join(told))


def move(
    change: ChangeRequest, step: Move, *, now: datetime, reason: str = "", duty: str = "", person: Person | None = None
) -> StatusMove:
    """Move a locked change and leave a row: old, new, who, why.

    Called inside acting(); `person` is empty for automatic moves. Raises IllegalMove or ReasonMissing.
    """
    before = Status(change.status)
    after = lifecycle.after(before, step)
    if after is None:
        raise IllegalMove(code=change.code, status=before.replace("_", " "), move=step.replace("_", " "))
    if step in lifecycle.WITH_REASON and not reason.strip():
        raise ReasonMissing(what=step.replace("_", " "), code=change.code)
    actor = current_actor.get()
    with connection.cursor() as cursor:
        # the trigger compares (before, move, after) with legal_move, so the move has to be named to it
        cursor.execute("SELECT set_config('changecontrol.move', %s, true)", [step.value])
    change.status = after.value
    change.status_at = now
    change.version += 1
    change.save(update_fields=["status", "status_at", "version"])
    return StatusMove.objects.create(
        change=change,
        move=step.value,
        before=before.value,
        after=after.value,
        version=change.version,
        person=person,
        actor=person.printed_name if person else (actor.name if actor else ""),
        duty=duty,
        reason=reason.strip(),
        at=now,
    )


def duty_for(change: ChangeRequest, step: Move, person: Person, *, author_ids: set[int]) -> Duty:
    """Return the duty under which `person` may make `step`, asked fresh of the database.

    An author's moves (recall, withdraw as author) belong to the authors of this change alone. Raises IllegalMove or
    NotYourMove.
    """
    legal = lifecycle.BY_KEY.get((Status(change.status), step))
    if legal is None:
        raise IllegalMove(code=change.code, status=change.status.replace("_", " "), move=step.replace("_", " "))
    held = fresh_duties(person)
    for duty in legal.duties:
        if duty in held and (duty is not Duty.AUTHOR or person.pk in author_ids):
            return duty
    whose = " or ".join(f"an author of {change.code}" if duty is Duty.AUTHOR else f"a {duty}" for duty in legal.duties)
    raise NotYourMove(code=change.code, duties=whose)


def fresh_duties(person: Person) -> frozenset[str]:
    """Return the duties of a person as the database has them now; none for a deactivated one."""
    if not Person.objects.filter(pk=person.pk, is_active=True).exists():
        return frozenset()
    return frozenset(person.groups.values_list("name", flat=True))
