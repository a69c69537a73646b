"""What only takes a form answers nothing else, and no form counts without the token of a page of ours."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern

from changecontrol.rules.lifecycle import Duty
from tests.services import rows
from tests.web.test_access import address, patterns
from tests.web.visitors import client_for

ONLY_FORMS = {
    "sign-out",
    "theme",
    "finding-waive",
    "item-attest",
    "change-revise",
    "run-abort",
    "run-pause",
    "run-resolve",
    "run-resume",
    "run-second",
    "change-rehearse",
    "change-rehearsal-upload",
    "incident-document",
    "incident-close",
    "change-person",
    "change-sites",
    "ask-target",
    "series-attest",
}


def everybody(*, enforce_csrf_checks: bool) -> Client:
    """Return the browser of somebody who holds every duty."""
    return client_for(rows.in_duty("ada", *(duty.value for duty in Duty)), enforce_csrf_checks=enforce_csrf_checks)


@pytest.mark.django_db
def test_it_takes_nothing_but_forms_where_it_takes_forms() -> None:
    client = everybody(enforce_csrf_checks=False)
    refusing = {str(one.name) for one in patterns() if client.get(address(one)).status_code == 405}
    assert refusing == ONLY_FORMS


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", patterns(), ids=lambda one: str(one.name))
def test_it_takes_no_form_without_its_token(pattern: URLPattern) -> None:
    client = everybody(enforce_csrf_checks=True)
    answer = client.post(address(pattern), {"reason": "x", "version": "1", "password": "demonstration-only"})
    assert answer.status_code == 403
    assert "Nothing was changed." in answer.content.decode()
