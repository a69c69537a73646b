"""Recall, reject and withdraw before anything ran; what a change that comes back unchanged may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changecontrol.models import ChangeRequest, Signature
from changecontrol.rules.lifecycle import Status
from changecontrol.services import drafting, moving, reviewing
from tests import factories
from tests.services.places import named

pytestmark = pytest.mark.django_db
now = factories.timezone.now


@pytest.fixture
def draft(tmp_path: Path, settings: Any) -> ChangeRequest:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    return factories.journey().open(1)


def leaving(change: ChangeRequest, username: str, reason: str = "a column is missing") -> dict[str, Any]:
    fresh = ChangeRequest.objects.get(pk=change.pk)
    return {"change_id": fresh.pk, "actor": named(username), "version": fresh.version, "reason": reason, "now": now()}


def signing(change: ChangeRequest, username: str) -> dict[str, Any]:
    fresh = ChangeRequest.objects.get(pk=change.pk)
    found = {"change_id": fresh.pk, "signer": named(username), "password": factories.PASSWORD, "now": now()}
    return {**found, "version": fresh.version, "content_digest": fresh.content_digest}


def status(change: ChangeRequest) -> str:
    return ChangeRequest.objects.get(pk=change.pk).status


def test_it_is_recalled_and_submitted_again_unchanged(draft: ChangeRequest) -> None:
    journey = factories.journey()
    change = journey.review(journey.submit(draft), "technical review")
    digest = change.content_digest
    for username in ("tess", "theo", "mallory"):
        with pytest.raises(moving.NotYourMove, match=f"Only an author of {change.code}"):
            reviewing.recall(**leaving(change, username))
    with pytest.raises(moving.ReasonMissing):
        reviewing.recall(**leaving(change, "ada", ""))
    reviewing.recall(**leaving(change, "ada"))
    assert status(change) == Status.DRAFT
    change = journey.submit(journey.fresh(change))
    assert (change.status, change.content_digest) == (Status.IN_REVIEW, digest)
    assert Signature.objects.filter(change=change, meaning="authorship").count() == 2
    assert Signature.objects.filter(change=change, meaning="technical review", content_digest=digest).count() == 1


def test_an_edited_change_needs_every_signature_again(draft: ChangeRequest) -> None:
    journey = factories.journey()
    change = journey.review(journey.submit(draft), "technical review")
    reviewing.recall(**leaving(change, "ada"))
    fresh = journey.fresh(change)
    drafting.document(
        change_id=fresh.pk, actor=named("ada"), version=fresh.version, fields={"impact": "All of it."}, now=now()
    )
    again = journey.submit(journey.fresh(change))
    assert again.content_digest != change.content_digest
    counting = Signature.objects.filter(change=change, content_digest=again.content_digest)
    assert set(counting.values_list("meaning", flat=True)) == {"authorship"}
    reviewing.sign(**signing(change, "tess"), meaning="technical review")
    assert Signature.objects.filter(change=change, meaning="technical review").count() == 2


def test_it_is_withdrawn_and_a_new_change_takes_the_number(draft: ChangeRequest) -> None:
    with pytest.raises(drafting.AlreadyOpen, match=f"already has an open change, {draft.code}"):
        factories.journey().open(1)
    with pytest.raises(moving.NotYourMove):
        reviewing.withdraw(**leaving(draft, "tess"))
    reviewing.withdraw(**leaving(draft, "theo", "not needed any more"))
    assert status(draft) == Status.WITHDRAWN
    last = draft.moves.order_by("pk").last()
    assert (last.reason, last.actor, last.duty) == ("not needed any more", "Theo Brandt", "tech lead")
    with pytest.raises(moving.IllegalMove):
        reviewing.withdraw(**leaving(draft, "theo"))
    assert factories.journey().open(1).pk != draft.pk


def test_it_is_withdrawn_from_review_by_its_author(draft: ChangeRequest) -> None:
    change = factories.journey().submit(draft)
    reviewing.withdraw(**leaving(change, "ada"))
    assert status(change) == Status.WITHDRAWN


def test_it_is_rejected_for_good(draft: ChangeRequest) -> None:
    change = factories.journey().submit(draft)
    for username in ("quin", "theo", "ada"):
        with pytest.raises(moving.NotYourMove):
            reviewing.reject(**signing(change, username), reason="no")
    with pytest.raises(moving.ReasonMissing):
        reviewing.reject(**signing(change, "tess"), reason="  ")
    signature = reviewing.reject(**signing(change, "cora"), reason="it would delete the audit trail")
    assert (signature.meaning, signature.reason) == ("rejection", "it would delete the audit trail")
    assert status(change) == Status.REJECTED
    with pytest.raises(moving.IllegalMove, match="is rejected"):
        reviewing.withdraw(**leaving(change, "ada"))
