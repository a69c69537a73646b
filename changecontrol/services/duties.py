"""Duties: the groups a person is in, given and taken by administrators, each time with a DutyChange (11.10(d), (g))."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group

from changecontrol.models import DutyChange, Person
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services.administering import require_administrator, require_reason
from changecontrol.services.recording import acting

#: duties that take part in a change; whoever administers holds none of them (Administrators sign nothing)
BUSINESS = frozenset(
    {Duty.AUTHOR, Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER, Duty.QA, Duty.TECH_LEAD},
)


class PersonMissing(Refused):
    """There is no such person. Reload the page."""


class DutyUnknown(Refused):
    """There is no such duty. The duties are {duties}."""


class DutyHeld(Refused):
    """{name} already holds the duty {duty}."""


class DutyNotHeld(Refused):
    """{name} does not hold the duty {duty}."""


class AdministratorsHoldNoOther(Refused):
    """Administrators sign nothing, so nobody holds the duty administrator together with {duty}. Take the one away
    first, or use a second account."""


class OwnAccount(Refused):
    """You cannot do this to your own account. Another administrator has to."""


class Inactive(Refused):
    """{name} is deactivated. Reactivate the account first."""


def set_up_duties() -> None:
    """Create the groups that stand for the duties, as far as they are missing. Needs to run inside acting()."""
    for duty in Duty:
        Group.objects.get_or_create(name=duty.value)


def give_duty(*, person_id: int, duty: str, actor: Person, reason: str, now: datetime) -> None:
    """Give a duty. Raises besides the common refusals DutyUnknown, DutyHeld, Inactive, AdministratorsHoldNoOther."""
    known, why = _known(duty), require_reason(reason)
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=why):
        person = of_another(person_id, actor)
        if not person.is_active:
            raise Inactive(name=person.printed_name)
        grant(person, known, changed_by=actor, reason=why, now=now)


def take_duty(*, person_id: int, duty: str, actor: Person, reason: str, now: datetime) -> None:
    """Take a duty away; effective at once, also for pages already open. Raises besides DutyUnknown and DutyNotHeld."""
    known, why = _known(duty), require_reason(reason)
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=why):
        person = of_another(person_id, actor)
        if not person.groups.filter(name=known.value).exists():
            raise DutyNotHeld(name=person.printed_name, duty=known)
        person.groups.remove(Group.objects.get(name=known.value))
        DutyChange.objects.create(person=person, duty=known.value, given=False, changed_by=actor, reason=why, at=now)


def grant(person: Person, duty: Duty, *, changed_by: Person | None, reason: str, now: datetime) -> None:
    """Write the membership and its record; changed_by is None at set-up. Runs inside the acting() of the caller."""
    held = set(person.groups.values_list("name", flat=True))
    if duty.value in held:
        raise DutyHeld(name=person.printed_name, duty=duty)
    wanted = held | {duty.value}
    business = [one for one in Duty if one in BUSINESS and one.value in wanted]
    if Duty.ADMINISTRATOR.value in wanted and business:
        raise AdministratorsHoldNoOther(duty=business[0])
    person.groups.add(Group.objects.get(name=duty.value))
    DutyChange.objects.create(person=person, duty=duty.value, given=True, changed_by=changed_by, reason=reason, at=now)


def of_another(person_id: int, actor: Person) -> Person:
    """Return the person, locked, for an administrator who is somebody else: two at once see each other's duties."""
    require_administrator(actor)
    if person_id == actor.pk:
        raise OwnAccount
    person = Person.objects.select_for_update().filter(pk=person_id).first()
    if person is None:
        raise PersonMissing
    return person


def _known(duty: str) -> Duty:
    try:
        return Duty(duty)
    except ValueError:
        raise DutyUnknown(duties=", ".join(Duty)) from None
