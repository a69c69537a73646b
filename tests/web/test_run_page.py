"""A refusal is told even when the form it came from is no longer on the page: another tab was faster."""

from __future__ import annotations

import pytest
from django.urls import reverse

from changecontrol.models import Execution
from changecontrol.services.recording import acting
from tests.services import rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ended() -> Execution:
    target = rows.target("production", "production")
    return rows.execution(rows.change("deployed"), target, purpose="deploy", state="succeeded", effect="complete")


@pytest.mark.parametrize("name", ["run-abort", "run-second", "run-resolve"])
def test_it_says_why_an_ended_run_takes_no_more_acts(ended: Execution, name: str) -> None:
    form = {"reason": "late", "done": "yes", "password": "whatever", "content_digest": ended.content_digest}
    answer = client_of("theo").post(reverse(name, args=[ended.code]), form)
    assert answer.status_code == 409
    assert 'role="alert"' in answer.content.decode()


def test_a_page_that_was_opened_early_learns_who_took_the_run() -> None:
    """The tally said it, and the facts beside it went on saying "none yet"."""
    target = rows.target("production", "production")
    run = rows.execution(rows.change("authorized"), target, purpose="deploy", state="running")
    with acting("setup"):
        Execution.objects.filter(pk=run.pk).update(worker="host:4711")
    answer = client_of("theo").get(reverse("run-live", args=[run.code]))
    assert answer.status_code == 200
    assert '<dd id="run-worker" hx-swap-oob="true">host:4711, fencing token' in answer.content.decode()
