"""Separation of duties where it is easily lost: names in files, later edits, renewals, rows made by hand."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from changecontrol.models import ChangeAuthor, ChangeRequest, Person, Signature
from changecontrol.rules import signing
from changecontrol.rules.refusal import Refused
from changecontrol.services import ceremony, content, drafting, freezing, moving, reviewing, running, standing
from changecontrol.services.recording import acting
from tests import factories
from tests.services import rows

pytestmark = pytest.mark.django_db
now = timezone.now


def who(username: str) -> Person:
    return Person.objects.get(username=username)


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    return tmp_path


def write(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_it_refuses_files_that_name_an_earlier_signer_as_author(folder: Path) -> None:
    journey = factories.journey()
    change = journey.submit(journey.open(1))
    reviewing.sign(
        change_id=change.pk,
        meaning="technical review",
        signer=who("tess"),
        password=factories.PASSWORD,
        version=change.version,
        content_digest=change.content_digest,
        now=now(),
    )
    change = journey.fresh(change)
    reviewing.recall(change_id=change.pk, actor=who("ada"), version=change.version, reason="a typo", now=now())
    write(folder, "001_first.sql", "Author: Ada Lindqvist", "Author: Tess Moreau")
    change = journey.fresh(change)
    with pytest.raises(freezing.SignerNamedAuthor, match="Tess Moreau"):
        drafting.revise(change_id=change.pk, actor=who("ada"), version=change.version, now=now())
    assert journey.fresh(change).version == change.version


def test_it_counts_the_author_of_the_rollback_and_every_name_of_a_list(folder: Path) -> None:
    write(folder, "001_first.sql", "Author: Ada Lindqvist", "Author: Ada Lindqvist, Quin Harper and Nobody Known")
    write(folder, "rollback/001_rollback.sql", "-- Rollback:", "-- Author: Tess Moreau\n-- Rollback:")
    change = factories.journey().open(1)
    assert {one.person.username for one in change.authors.all()} == {"ada", "quin", "tess"}


@pytest.mark.parametrize("meaning", ["execution", "second person", "watch verdict", "incident closure"])
def test_whoever_signed_anything_but_a_way_back_never_becomes_author(meaning: str) -> None:
    theo = rows.in_duty("theo", "tech lead", "author", "QA")
    change = rows.change("authorized")
    rows.sign(change, meaning, "theo", duty="tech lead")
    with acting(theo):
        rows.move(change, "send_back", "draft")
    change.refresh_from_db()
    with pytest.raises(drafting.SignerCannotAuthor):
        drafting.document(change_id=change.pk, actor=theo, version=change.version, fields={"impact": "mine"}, now=now())


def test_postgres_refuses_an_author_who_executed() -> None:
    change = rows.change("authorized")
    rows.sign(change, "execution", "theo")
    with pytest.raises(DatabaseError, match="cannot become its author"), transaction.atomic(), acting(who("theo")):
        ChangeAuthor.objects.create(change=change, person=who("theo"), because="edited", at=now())


def test_sending_back_bars_nobody_from_writing() -> None:
    tess = rows.in_duty("tess", "technical reviewer", "author")
    change = rows.change("in_review")
    rows.sign(change, "send back", "tess", duty="technical reviewer")
    with acting(tess):
        rows.move(change, "send_back", "draft")
    change.refresh_from_db()
    drafting.document(change_id=change.pk, actor=tess, version=change.version, fields={"impact": "mine"}, now=now())
    assert tess.pk in ceremony.author_ids(change)


@pytest.mark.parametrize("username", ["mallory", "ines", "olga"])
def test_only_people_with_a_part_in_it_ask_for_a_compliance_review(username: str) -> None:
    change = rows.change("in_review", revised={"reviews": ("technical review",)})
    with pytest.raises(Refused, match="Ask an administrator"):
        reviewing.ask_compliance(change_id=change.pk, actor=who(username), version=change.version, now=now())
    change.refresh_from_db()
    assert change.compliance_asked_by is None


def test_an_acceptance_that_grew_old_twice_is_renewed_twice() -> None:
    change = rows.change("authorized")
    rows.sign(change, "staging acceptance", "quin", at=now() - timedelta(days=30))

    def renew(days_ago: int) -> Signature:
        fresh = ChangeRequest.objects.get(pk=change.pk)
        return reviewing.accept(
            change_id=change.pk,
            signer=who("quin"),
            password=factories.PASSWORD,
            version=fresh.version,
            content_digest=fresh.content_digest,
            now=now() - timedelta(days=days_ago),
        )

    with acting(who("ada")):
        ChangeRequest.objects.filter(pk=change.pk).update(status_at=now() - timedelta(days=29))
    renew(20)
    with pytest.raises(ceremony.AlreadyGiven):
        renew(19)
    renew(10)


def test_the_worker_refuses_a_second_signature_of_the_executor() -> None:
    change = rows.change("deployed")
    target = rows.target("production", "production")
    run = rows.execution(change, target, purpose="roll_back", direction="rollback", state="queued")
    rows.sign(change, "execution", "theo", execution=run)
    rows.sign(change, "second person", "theo", execution=run)
    with pytest.raises(running.NotSigned, match="second person"):
        running._ensure_signed(run, signing.Meaning.SECOND_PERSON)
    rows.sign(change, "second person", "tess", execution=run)
    running._ensure_signed(run, signing.Meaning.SECOND_PERSON)
    assert moving.fresh_duties(who("tess"))


@pytest.mark.parametrize("data", [b"SELECT 'a\x00b';\n", b"SELECT '\xff';\n"])
def test_it_refuses_a_standing_check_that_is_no_text(folder: Path, data: bytes) -> None:
    (folder / "checks").mkdir()
    (folder / "checks" / "odd.sql").write_bytes(data)
    with pytest.raises(Refused, match=r"checks/odd\.sql"):
        factories.journey().open(1)
    assert not ChangeRequest.objects.exists()


def test_it_says_which_names_belong_to_nobody_here(folder: Path) -> None:
    write(folder, "001_first.sql", "Author: Ada Lindqvist", "Author: Somebody Else")
    change = factories.journey().open(1)
    assert change.revision is not None
    found = [one for one in change.revision.findings if one["rule"] == "author-unknown"]
    assert [(one["severity"], one["file"]) for one in found] == [("note", "001_first.sql")]
    assert "Somebody Else" in found[0]["message"]


def test_nobody_revises_a_required_compliance_review_away(folder: Path) -> None:
    journey = factories.journey()
    change = journey.submit(journey.open(1))
    assert "compliance review" in content.reviews(change)
    reviewing.recall(change_id=change.pk, actor=who("ada"), version=change.version, reason="a typo", now=now())
    (folder / "changecontrol.toml").write_text(
        '[[routing]]\nname = "all is harmless"\ntables = ["thing"]\nreviews = ["technical review"]\n', encoding="utf-8"
    )
    write(folder, "001_first.sql", "A small migration", "A very small migration")
    change = journey.fresh(change)
    revision = drafting.revise(change_id=change.pk, actor=who("ada"), version=change.version, now=now())
    assert "compliance review" in revision.routing["reviews"]
    assert "Revision 1 needed a compliance review" in revision.routing["reasons"][-1]["sentence"]
    change = journey.submit(journey.fresh(change))
    assert "compliance review" in standing.read(change).required


def test_a_draft_that_was_never_submitted_is_routed_anew(folder: Path) -> None:
    change = factories.journey().open(1)
    (folder / "changecontrol.toml").write_text(
        '[[routing]]\nname = "all is harmless"\ntables = ["thing"]\nreviews = ["technical review"]\n', encoding="utf-8"
    )
    write(folder, "001_first.sql", "A small migration", "A very small migration")
    revision = drafting.revise(change_id=change.pk, actor=who("ada"), version=change.version, now=now())
    assert revision.routing["reviews"] == ["technical review"]
