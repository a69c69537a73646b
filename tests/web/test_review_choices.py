"""Choices that a page must not make for a person: what was seen, what became of a step, who may attest."""

from __future__ import annotations

import pytest
from django.urls import reverse

from changecontrol.models import Signature
from changecontrol.rules.lifecycle import Duty
from changecontrol.services import checking, closing
from changecontrol.services.recording import acting
from tests import factories
from tests.services import rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db


def test_it_does_not_take_silence_for_an_answer_about_a_cut_step() -> None:
    change = rows.change("authorized")
    run = rows.execution(
        change, rows.target("production", "production"), purpose="deploy", state="lost", effect="unknown"
    )
    answer = client_of("theo").post(
        reverse("run-resolve", args=[run.code]), {"password": factories.PASSWORD, "reason": "I looked"}
    )
    assert answer.status_code == 409
    assert "whether the step took effect" in answer.content.decode()


@pytest.mark.parametrize(("username", "allowed"), [("ada", False), ("tess", False), ("quin", True), ("theo", True)])
def test_it_offers_an_incident_to_those_who_may_write_it(username: str, *, allowed: bool) -> None:
    found = rows.incident(rows.change("rolled_back"))
    browser = client_of(username)
    page = browser.get(reverse("incident", args=[found.code])).content.decode()
    assert (reverse("incident-document", args=[found.code]) in page) is allowed
    answer = browser.post(reverse("incident-document", args=[found.code]), {"cause": "a typo"})
    assert answer.status_code == (302 if allowed else 403)


def test_it_refuses_a_closure_of_words_that_changed_meanwhile() -> None:
    found = rows.incident(rows.change("rolled_back"), cause="a typo", lesson="read twice")
    browser = client_of("quin")
    seen = browser.get(reverse("incident", args=[found.code])).context["seen"]
    where = reverse("incident-close", args=[found.code])
    assert f'value="{seen}"' in browser.get(reverse("incident", args=[found.code])).content.decode()
    with acting("setup"):
        found.cause = "somebody else"
        found.save()
    answer = browser.post(where, {"password": factories.PASSWORD, "seen": seen})
    assert answer.status_code == 409
    assert "changed since you opened" in answer.content.decode()
    assert not Signature.objects.exists()
    assert browser.post(where, {"password": factories.PASSWORD, "seen": closing.seen_of(found)}).status_code == 302


def test_an_author_attests_only_as_an_author() -> None:
    ada = rows.in_duty("ada", "author", "QA", "technical reviewer")
    change = rows.change("in_review")
    for item in change.items.filter(automatic=False).exclude(duty=Duty.AUTHOR.value)[:3]:
        with pytest.raises(checking.AuthorCannotAttest):
            checking.tick(item_id=item.pk, actor=ada, state="done", note="fine", now=rows.NOW)


@pytest.mark.parametrize(("state", "offered"), [("queued", True), ("running", True), ("lost", False)])
def test_it_offers_to_abort_only_what_can_be_aborted(state: str, *, offered: bool) -> None:
    run = rows.execution(
        rows.change("authorized"), rows.target("production", "production"), purpose="deploy", state=state
    )
    page = client_of("theo").get(reverse("run", args=[run.code])).content.decode()
    assert (reverse("run-abort", args=[run.code]) in page) is offered
