"""Who may sign what: the verb refuses with a sentence, and PostgreSQL refuses the row (21 CFR 11.10(g), 11.70)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection
from django.utils import timezone

from changecontrol.models import ChangeRequest, FailedSigning, Person, Rehearsal, Signature
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty, Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import ceremony, content, drafting, moving, people, reviewing
from changecontrol.services.recording import SETUP, acting
from tests import factories

pytestmark = pytest.mark.django_db
now = timezone.now


@pytest.fixture
def in_review(tmp_path: Path, settings: Any) -> ChangeRequest:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    journey = factories.journey()
    return journey.submit(journey.open(1))


def who(username: str) -> Person:
    return Person.objects.get(username=username)


def review(change: ChangeRequest, username: str, meaning: str = "technical review", **other: Any) -> Signature:
    given = {"password": factories.PASSWORD, "version": change.version, "content_digest": change.content_digest} | other
    return reviewing.sign(change_id=change.pk, meaning=meaning, signer=who(username), now=now(), **given)


def test_it_snapshots_name_time_meaning_and_both_digests(in_review: ChangeRequest) -> None:
    signature = review(in_review, "tess")
    assert (signature.printed_name, signature.meaning, signature.zone) == ("Tess Moreau", "technical review", "UTC")
    assert signature.content_digest == in_review.content_digest
    assert len(signature.context_digest) == 64
    shown = Rehearsal.objects.get(change=in_review)
    assert f'"code":"{shown.code}"' in signature.context and shown.certificate_digest in signature.context
    items = {one["text"]: one["state"] for one in json.loads(signature.context)["checklist"]}
    assert items["Change description: What is being changed and why"] == "done"  # automatic, as the page showed it
    person = who("tess")
    with acting(SETUP):
        person.printed_name = "Tess Other"
        person.save()
    assert Signature.objects.get(pk=signature.pk).printed_name == "Tess Moreau"


def test_it_refuses_a_wrong_password_and_remembers_it(in_review: ChangeRequest) -> None:
    with pytest.raises(ceremony.WrongPassword):
        review(in_review, "tess", password="something else entirely")
    assert not Signature.objects.filter(meaning="technical review").exists()
    assert FailedSigning.objects.filter(person=who("tess")).count() == 1


def test_it_refuses_the_author(in_review: ChangeRequest) -> None:
    with acting(SETUP):
        who("ada").groups.add(Group.objects.get(name=Duty.TECHNICAL_REVIEWER))
    with pytest.raises(signing.AuthorCannotSign, match="You are an author of CR-"):
        review(in_review, "ada")


@pytest.mark.parametrize("username", ["mallory", "quin", "theo", "olga", "ines"])
def test_it_refuses_who_lacks_the_duty(in_review: ChangeRequest, username: str) -> None:
    with pytest.raises((signing.DutyMissing, signing.AdministratorsSignNothing)):
        review(in_review, username)


def test_it_refuses_a_superuser(in_review: ChangeRequest) -> None:
    with acting(SETUP):
        Person.objects.filter(username="mallory").update(is_superuser=True)
    with pytest.raises(signing.DutyMissing, match="Only a person with the duty technical reviewer"):
        review(in_review, "mallory")


def test_it_refuses_an_administrator_who_got_a_duty_behind_our_back(in_review: ChangeRequest) -> None:
    with acting(SETUP):
        who("olga").groups.add(Group.objects.get(name=Duty.TECHNICAL_REVIEWER))
    with pytest.raises(signing.AdministratorsSignNothing):
        review(in_review, "olga")


def test_it_refuses_a_second_meaning_of_the_same_person(in_review: ChangeRequest) -> None:
    with acting(SETUP):
        who("tess").groups.add(Group.objects.get(name=Duty.COMPLIANCE_OFFICER))
    review(in_review, "tess")
    with pytest.raises(signing.AlreadySignedOtherwise, match="You already gave the technical review"):
        review(in_review, "tess", "compliance review")


def test_it_refuses_a_duty_revoked_between_load_and_click(in_review: ChangeRequest) -> None:
    seen = who("tess")  # the page was loaded while Tess held the duty
    assert Duty.TECHNICAL_REVIEWER in seen.duties
    people.take_duty(
        person_id=seen.pk, duty=Duty.TECHNICAL_REVIEWER, actor=who("olga"), reason="left the team", now=now()
    )
    with pytest.raises(signing.DutyMissing):
        review(in_review, "tess")


def test_it_refuses_a_deactivated_account(in_review: ChangeRequest) -> None:
    people.deactivate(person_id=who("tess").pk, actor=who("olga"), reason="left the company", now=now())
    with pytest.raises(ceremony.Deactivated):
        review(in_review, "tess")


def test_it_refuses_what_moved_on_and_says_what_is_different(in_review: ChangeRequest) -> None:
    reviewing.recall(
        change_id=in_review.pk, actor=who("ada"), version=in_review.version, reason="forgot a column", now=now()
    )
    with pytest.raises(moving.MovedOn, match=r"it is draft now .* Ada Lindqvist did “recall”"):
        review(in_review, "tess")


def test_it_refuses_another_content_than_the_person_saw(in_review: ChangeRequest) -> None:
    with pytest.raises(moving.MovedOn, match="the content is"):
        review(in_review, "tess", content_digest="0" * 64)


def test_it_refuses_the_same_signature_twice(in_review: ChangeRequest) -> None:
    review(in_review, "tess")
    with pytest.raises(ceremony.AlreadyGiven, match="Tess Moreau already gave the technical review"):
        review(in_review, "tess")
    assert Signature.objects.filter(change=in_review, meaning="technical review").count() == 1


def test_a_changed_content_voids_what_was_signed(in_review: ChangeRequest) -> None:
    signature = review(in_review, "tess")
    fresh = ChangeRequest.objects.get(pk=in_review.pk)
    reviewing.recall(change_id=fresh.pk, actor=who("ada"), version=fresh.version, reason="a mistake", now=now())
    fresh.refresh_from_db()
    drafting.document(
        change_id=fresh.pk, actor=who("ada"), version=fresh.version, fields={"risk": "Another risk."}, now=now()
    )
    change = factories.journey().submit(fresh)
    assert change.content_digest != signature.content_digest
    assert signing.Meaning.TECHNICAL_REVIEW in signing.missing(
        signing.required(content.reviews(change)), ceremony.given(change), change.content_digest
    )
    assert Signature.objects.filter(pk=signature.pk).exists()


def test_asking_for_a_compliance_review_voids_nothing_and_binds(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    journey = factories.journey()
    change = journey.submit(journey.open(2))
    signature = review(change, "tess")
    change.refresh_from_db()
    if "compliance review" not in content.reviews(change):
        reviewing.ask_compliance(change_id=change.pk, actor=who("tess"), version=change.version, now=now())
        change.refresh_from_db()
    assert "compliance review" in content.reviews(change)
    assert change.content_digest == signature.content_digest
    assert change.status == Status.IN_REVIEW


FORGERIES: list[tuple[str, Callable[[ChangeRequest], dict[str, Any]]]] = [
    ("an author signs nothing", lambda change: {"signer": who("ada"), "meaning": "technical review"}),
    ("only an author", lambda change: {"signer": who("tess"), "meaning": "authorship"}),
    ("names the current content", lambda change: {"signer": who("tess"), "content_digest": "0" * 64}),
]


@pytest.mark.parametrize(("sentence", "forged"), FORGERIES, ids=[name for name, _ in FORGERIES])
def test_postgres_refuses_a_forged_signature(in_review: ChangeRequest, sentence: str, forged: Any) -> None:
    original = Signature.objects.get(change=in_review, meaning="authorship")
    values = {field.name: getattr(original, field.name) for field in Signature._meta.fields if field.name != "id"}
    values |= {"meaning": "technical review"} | forged(in_review)
    with pytest.raises(DatabaseError, match=sentence), acting(SETUP):
        Signature.objects.create(**values)


def test_postgres_refuses_two_meanings_of_one_person(in_review: ChangeRequest) -> None:
    original = review(in_review, "tess")
    values = {field.name: getattr(original, field.name) for field in Signature._meta.fields if field.name != "id"}
    with pytest.raises(DatabaseError, match="only one of these meanings"), acting(SETUP):
        Signature.objects.create(**(values | {"meaning": "compliance review"}))


def test_postgres_refuses_a_signer_as_author(in_review: ChangeRequest) -> None:
    review(in_review, "tess")
    with pytest.raises(DatabaseError, match="cannot become its author"), acting(SETUP), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO change_author (change_id, person_id, because, at) VALUES (%s, %s, 'x', now())",
            [in_review.pk, who("tess").pk],
        )


def test_a_signer_cannot_edit_what_was_signed(in_review: ChangeRequest) -> None:
    review(in_review, "tess")
    with acting(SETUP):
        who("tess").groups.add(Group.objects.get(name=Duty.AUTHOR))
    change = ChangeRequest.objects.get(pk=in_review.pk)
    reviewing.recall(change_id=change.pk, actor=who("ada"), version=change.version, reason="to edit", now=now())
    change.refresh_from_db()
    with pytest.raises(drafting.SignerCannotAuthor):
        drafting.document(
            change_id=change.pk, actor=who("tess"), version=change.version, fields={"risk": "x"}, now=now()
        )


def test_every_refusal_is_a_sentence() -> None:
    """No refusal of the services is without a docstring of its own that ends as a sentence does."""
    waiting, found = [Refused], []
    while waiting:
        for one in waiting.pop().__subclasses__():
            waiting.append(one)
            found.append(one)
    assert len(found) > 50
    assert [one.__name__ for one in found if not (one.__doc__ or "").strip()] == []
