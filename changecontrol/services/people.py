"""People and their passwords: the verbs of administrators, and changing one's own password.

Accounts are never deleted and names never given twice (21 CFR 11.100(a)). Duties are kept in duties.py, the cast of the
demonstration in cast.py; both are verbs of people and callable from here.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from changecontrol.models import Person
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services import signing_in
from changecontrol.services.administering import require_administrator, require_reason
from changecontrol.services.cast import set_up_cast
from changecontrol.services.duties import Inactive, give_duty, grant, of_another, set_up_duties, take_duty
from changecontrol.services.recording import SETUP, acting

__all__ = [
    "add_person",
    "change_password",
    "deactivate",
    "give_duty",
    "reactivate",
    "set_new_password",
    "set_up_cast",
    "set_up_duties",
    "take_duty",
]

_MAX_PASSWORD = 128


class NameTaken(Refused):
    """The name {username} belongs to another account. Names are never given twice, not even after an account was
    deactivated: choose another one."""


class NameUnusable(Refused):
    """A user name has 2 to 60 characters: letters a to z, digits, dots, hyphens and underscores, beginning with a
    letter. Choose another one."""


class PrintedNameMissing(Refused):
    """A person needs a printed name of at most 120 printable characters: it stands beside every signature."""


class AddressUnusable(Refused):
    """The e-mail address cannot be used. Correct it, or leave it empty."""


class AlreadyActive(Refused):
    """{name} is active already."""


class WrongOldPassword(Refused):
    """The present password is wrong, so nothing was changed. The attempt was recorded."""


class PasswordUnusable(Refused):
    """{problems} Choose another password: 15 characters or more, of any kind."""


class AdministratorExists(Refused):
    """This installation already has an administrator, who adds further people on the administration pages."""


def add_person(
    *,
    username: str,
    printed_name: str,
    email: str,
    actor: Person,
    reason: str,
    now: datetime,
    identity_verified: bool = False,
) -> tuple[Person, str]:
    """Make an account without a duty; return it and its one-time password, which is shown once and stored nowhere.

    Raises NotAnAdministrator, ReasonMissing, NameUnusable, NameTaken, PrintedNameMissing or AddressUnusable.
    """
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        require_administrator(actor)
        return _make(username, printed_name, email, verified_at=now if identity_verified else None)


def first_administrator(*, username: str, printed_name: str, email: str, now: datetime) -> tuple[Person, str]:
    """Set up the duties and the first account of a new installation; return it and its one-time password.

    Only while nobody active is an administrator; after that, administrators add people. Raises AdministratorExists, or
    what `add_person` raises about names and addresses.
    """
    reason = "first administrator of the installation"
    with acting(SETUP, reason=reason):
        set_up_duties()
        if Person.objects.with_duty(Duty.ADMINISTRATOR).exists():
            raise AdministratorExists
        person, password = _make(username, printed_name, email, verified_at=None)
        grant(person, Duty.ADMINISTRATOR, changed_by=None, reason=reason, now=now)
        return person, password


def _make(username: str, printed_name: str, email: str, *, verified_at: datetime | None) -> tuple[Person, str]:
    """Write an account with a one-time password, inside acting()."""
    name, printed = username.strip().casefold(), " ".join(printed_name.split())
    if not re.fullmatch(r"[a-z][a-z0-9._-]{1,59}", name):
        raise NameUnusable
    if not 0 < len(printed) <= 120 or not printed.isprintable():
        raise PrintedNameMissing
    email = email.strip()
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise AddressUnusable from None
    password = _one_time_password()
    fields = {"printed_name": printed, "email": email, "identity_verified_at": verified_at}
    try:
        with transaction.atomic():
            return Person.objects.create_user(name, password, **fields), password
    except IntegrityError:
        raise NameTaken(username=name) from None


def deactivate(*, person_id: int, actor: Person, reason: str, now: datetime) -> None:
    """Close an account: no signing in, no signing, its duties rest. Its signatures and its name stay."""
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        person = of_another(person_id, actor)
        if not person.is_active:
            raise Inactive(name=person.printed_name)
        person.is_active = False
        person.save(update_fields=["is_active"])
        _end_sessions(person)


def _end_sessions(person: Person) -> None:
    """End every session of a person: a closed account must not find one again when it is opened."""
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) == str(person.pk):
            session.delete()


def reactivate(*, person_id: int, actor: Person, reason: str, now: datetime) -> None:
    """Open a closed account again, with the duties it had."""
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        person = of_another(person_id, actor)
        if person.is_active:
            raise AlreadyActive(name=person.printed_name)
        person.is_active = True
        person.save(update_fields=["is_active"])


def set_new_password(*, person_id: int, actor: Person, reason: str, now: datetime) -> str:
    """Give a one-time password to somebody who lost theirs; returned once. Ends that person's sessions."""
    password = _one_time_password()
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        person = of_another(person_id, actor)
        person.set_password(password)
        person.save(update_fields=["password"])
    return password


def change_password(*, person: Person, old: str, new: str, now: datetime) -> Person:
    """Change one's own password; return the person as saved, for keeping this session alive.

    Raises WrongOldPassword (after recording the attempt) or PasswordUnusable.
    """
    fresh = Person.objects.get(pk=person.pk)
    if not fresh.is_active:
        raise Inactive(name=fresh.printed_name)
    if not check_password(old, fresh.password):
        signing_in.failed(username=fresh.username, now=now, what="change of password", person=fresh)
        raise WrongOldPassword
    problems = [f"The password is longer than {_MAX_PASSWORD} characters."] if len(new) > _MAX_PASSWORD else []
    if check_password(new, fresh.password):
        problems.append("The new password is the present one.")
    try:
        validate_password(new, fresh)
    except ValidationError as error:
        problems += error.messages
    if problems:
        raise PasswordUnusable(problems=" ".join(problems))
    with acting(fresh, reason="changed the own password"):
        fresh.set_password(new)
        fresh.save(update_fields=["password"])
    return fresh


def _one_time_password() -> str:
    return secrets.token_urlsafe(18)
