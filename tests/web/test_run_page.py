"""A refusal is told even when the form it came from is no longer on the page: another tab was faster."""

from __future__ import annotations

import pytest
from django.urls import reverse

from changecontrol.models import Execution
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
