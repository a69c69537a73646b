"""People, duties and passwords: what administrators may do, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth import authenticate
from django.contrib.sessions.backends.db import SessionStore
from django.db import InternalError, ProgrammingError, connection
from django.test import RequestFactory

from changecontrol.models import DutyChange, FailedSigning, Person
from changecontrol.rules.lifecycle import Duty
from changecontrol.services import administering, duties, people, signing_in
from changecontrol.services.recording import acting
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NEW = "a long enough sentence"


def named(username: str) -> Person:
    return Person.objects.get(username=username)


def add(username: str = "nora", **changed: object) -> tuple[Person, str]:
    given = {"printed_name": "Nora Field", "email": "nora@example.org", "reason": "joined", "now": NOW}
    return people.add_person(username=username, actor=named("olga"), **{**given, **changed})


def test_it_sets_up_the_cast_with_one_duty_each_and_a_record_of_it() -> None:
    people.set_up_cast(password="something else entirely", now=NOW)  # a second time changes nothing
    assert {person.username: sorted(person.duties) for person in Person.objects.all()} == {
        "ada": ["author"],
        "tess": ["technical reviewer"],
        "cora": ["compliance officer"],
        "quin": ["QA"],
        "theo": ["tech lead"],
        "olga": ["administrator"],
        "ines": ["inspector"],
        "mallory": [],
    }
    assert DutyChange.objects.filter(given=True, changed_by=None).count() == 7
    assert named("ada").check_password(PASSWORD)
    assert named("ada").email == "ada@example.org"


def test_it_adds_a_person_with_a_one_time_password_and_no_duty() -> None:
    person, password = add("Nora")
    assert (person.username, person.duties, person.identity_verified_at) == ("nora", frozenset(), None)
    assert len(password) >= 15
    assert authenticate(username="nora", password=password) == person
    assert password not in str(Person.objects.filter(pk=person.pk).values())


@pytest.mark.parametrize("username", ["ada", "ADA", " Ada "])
def test_it_never_gives_a_name_twice(username: str) -> None:
    people.deactivate(person_id=named("ada").pk, actor=named("olga"), reason="left", now=NOW)
    with pytest.raises(people.NameTaken, match="ada belongs to another account"):
        add(username)


@pytest.mark.parametrize("username", ["", "x", "аda", "ada lovelace", "1ada", "a" * 61, "ada\x00"])
def test_it_refuses_names_that_could_be_mistaken(username: str) -> None:
    with pytest.raises(people.NameUnusable):
        add(username)


def test_it_refuses_a_person_without_a_printed_name_or_with_a_broken_address() -> None:
    with pytest.raises(people.PrintedNameMissing):
        add(printed_name="  ")
    with pytest.raises(people.AddressUnusable):
        add(email="nora at example")


def test_it_gives_and_takes_a_duty_with_a_record() -> None:
    mallory, olga = named("mallory"), named("olga")
    people.give_duty(person_id=mallory.pk, duty="QA", actor=olga, reason="covers for Quin", now=NOW)
    assert named("mallory").duties == {"QA"}
    with pytest.raises(duties.DutyHeld):
        people.give_duty(person_id=mallory.pk, duty="QA", actor=olga, reason="again", now=NOW)
    people.take_duty(person_id=mallory.pk, duty="QA", actor=olga, reason="Quin is back", now=NOW)
    assert named("mallory").duties == frozenset()
    with pytest.raises(duties.DutyNotHeld):
        people.take_duty(person_id=mallory.pk, duty="QA", actor=olga, reason="again", now=NOW)
    records = DutyChange.objects.filter(person=mallory).order_by("pk").values_list("given", "changed_by", "reason")
    assert list(records) == [(True, olga.pk, "covers for Quin"), (False, olga.pk, "Quin is back")]


def test_it_refuses_an_unknown_duty() -> None:
    with pytest.raises(duties.DutyUnknown, match="technical reviewer, compliance officer"):
        people.give_duty(person_id=named("ada").pk, duty="emperor", actor=named("olga"), reason="why", now=NOW)


@pytest.mark.parametrize("duty", sorted(duties.BUSINESS))
def test_it_keeps_administrators_away_from_business_duties(duty: Duty) -> None:
    nora, _ = add()
    olga = named("olga")
    people.give_duty(person_id=nora.pk, duty=duty, actor=olga, reason="works here", now=NOW)
    with pytest.raises(duties.AdministratorsHoldNoOther, match=str(duty)):
        people.give_duty(person_id=nora.pk, duty="administrator", actor=olga, reason="helps out", now=NOW)
    people.take_duty(person_id=nora.pk, duty=duty, actor=olga, reason="changes sides", now=NOW)
    people.give_duty(person_id=nora.pk, duty="administrator", actor=olga, reason="helps out", now=NOW)
    with pytest.raises(duties.AdministratorsHoldNoOther):
        people.give_duty(person_id=nora.pk, duty=duty, actor=olga, reason="both", now=NOW)


@pytest.mark.parametrize("username", ["ada", "theo", "ines", "mallory"])
def test_it_refuses_everybody_who_is_no_administrator(username: str) -> None:
    actor, other = named(username), named("quin")
    common = {"person_id": other.pk, "actor": actor, "reason": "because", "now": NOW}
    for verb in (people.deactivate, people.reactivate, people.set_new_password):
        with pytest.raises(administering.NotAnAdministrator):
            verb(**common)
    for verb in (people.give_duty, people.take_duty):
        with pytest.raises(administering.NotAnAdministrator):
            verb(duty="QA", **common)


def test_it_refuses_a_superuser_and_a_revoked_or_deactivated_administrator() -> None:
    nora, _ = add()
    olga, mallory = named("olga"), named("mallory")
    with acting("setup"):
        Person.objects.filter(pk=mallory.pk).update(is_superuser=True)
    with pytest.raises(administering.NotAnAdministrator):
        people.deactivate(person_id=nora.pk, actor=named("mallory"), reason="I can", now=NOW)
    people.give_duty(person_id=nora.pk, duty="administrator", actor=olga, reason="second one", now=NOW)
    loaded = Person.objects.prefetch_related("groups").get(pk=olga.pk)  # as a page loaded her, before
    people.take_duty(person_id=olga.pk, duty="administrator", actor=nora, reason="moved on", now=NOW)
    with pytest.raises(administering.NotAnAdministrator):
        people.deactivate(person_id=nora.pk, actor=loaded, reason="back at you", now=NOW)


def test_it_refuses_the_own_account_and_a_missing_reason() -> None:
    olga = named("olga")
    with pytest.raises(duties.OwnAccount):
        people.give_duty(person_id=olga.pk, duty="inspector", actor=olga, reason="why not", now=NOW)
    with pytest.raises(duties.OwnAccount):
        people.deactivate(person_id=olga.pk, actor=olga, reason="holiday", now=NOW)
    with pytest.raises(administering.ReasonMissing):
        people.deactivate(person_id=named("ada").pk, actor=olga, reason="  ", now=NOW)
    with pytest.raises(duties.PersonMissing):
        people.deactivate(person_id=0, actor=olga, reason="who", now=NOW)


def test_it_deactivates_and_reactivates_and_keeps_the_duties() -> None:
    theo, olga = named("theo"), named("olga")
    people.deactivate(person_id=theo.pk, actor=olga, reason="sabbatical", now=NOW)
    assert named("theo").duties == frozenset()
    assert authenticate(username="theo", password=PASSWORD) is None
    with pytest.raises(duties.Inactive):
        people.deactivate(person_id=theo.pk, actor=olga, reason="again", now=NOW)
    with pytest.raises(duties.Inactive):
        people.give_duty(person_id=theo.pk, duty="QA", actor=olga, reason="meanwhile", now=NOW)
    people.reactivate(person_id=theo.pk, actor=olga, reason="is back", now=NOW)
    assert named("theo").duties == {"tech lead"}
    with pytest.raises(people.AlreadyActive):
        people.reactivate(person_id=theo.pk, actor=olga, reason="again", now=NOW)
    told = list(theo.history.order_by("-pk").values_list("history_user", "history_change_reason")[:2])
    assert told == [(olga.pk, "is back"), (olga.pk, "sabbatical")]


def test_it_sets_a_new_one_time_password() -> None:
    ada = named("ada")
    password = people.set_new_password(person_id=ada.pk, actor=named("olga"), reason="lost it", now=NOW)
    assert named("ada").check_password(password)
    assert not named("ada").check_password(PASSWORD)


def test_it_changes_the_own_password() -> None:
    people.change_password(person=named("ada"), old=PASSWORD, new=NEW, now=NOW)
    assert named("ada").check_password(NEW)


def test_it_records_a_wrong_old_password() -> None:
    with pytest.raises(people.WrongOldPassword):
        people.change_password(person=named("ada"), old="guess", new=NEW, now=NOW)
    one = FailedSigning.objects.get()
    assert (one.person, one.username, one.what, one.at) == (named("ada"), "ada", "change of password", NOW)


@pytest.mark.parametrize("new", ["short", PASSWORD, "ada.lindqvist", "x" * 129])
def test_it_refuses_a_weak_or_unchanged_password(new: str) -> None:
    with pytest.raises(people.PasswordUnusable):
        people.change_password(person=named("ada"), old=PASSWORD, new=new, now=NOW)
    assert named("ada").check_password(PASSWORD)


def test_it_signs_in_as_the_person_who_signs_in() -> None:
    request = RequestFactory().post("/sign-in")
    request.session = SessionStore()
    ada = authenticate(username="Ada", password=PASSWORD)
    assert isinstance(ada, Person)
    signing_in.sign_in(request, ada)
    assert request.session["_auth_user_id"] == str(ada.pk)
    assert named("ada").last_login is not None


@pytest.mark.parametrize("username", ["ada", "nobody", "o'; --", "\x00", "x" * 400, ""])
def test_it_records_a_failed_sign_in_for_any_name(username: str) -> None:
    signing_in.failed(username=username, now=NOW)
    one = FailedSigning.objects.get()
    assert (one.what, one.at) == ("sign-in", NOW)
    assert one.person == (named("ada") if username == "ada" else None)


def test_postgres_refuses_to_change_what_was_recorded() -> None:
    refused = (ProgrammingError, InternalError)
    for table in ("duty_change", "failed_signing"):
        with acting("setup"), pytest.raises(refused), connection.cursor() as cursor, _savepoint():
            cursor.execute(f"UPDATE {table} SET at = now()")


def _savepoint():  # type: ignore[no-untyped-def]
    from django.db import transaction

    return transaction.atomic()
