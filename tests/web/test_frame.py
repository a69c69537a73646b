"""Headers, theme, refusals and error pages: what every page has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import reverse

from changecontrol.models import FailedSigning, Person
from changecontrol.web.refusals import RefusalMiddleware
from tests.factories import PASSWORD
from tests.web.visitors import client_for, client_of

TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))


@pytest.mark.django_db
def test_it_allows_nothing_that_is_not_ours() -> None:
    answer = Client().get(reverse("sign-in"))
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"].startswith(("no-store", "max-age=0, no-cache, no-store"))
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_it_writes_no_script_or_style_into_a_page(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:|hx-on", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_it_protects_every_form_that_changes_something(template: Path) -> None:
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", template.read_text(encoding="utf-8"), re.DOTALL):
        assert "{% csrf_token %}" in form


@pytest.mark.django_db
def test_it_signs_in_and_records_a_failed_attempt() -> None:
    client = Client()
    answer = client.post(reverse("sign-in"), {"username": "ada", "password": "wrong"})
    assert "Not signed in" in answer.content.decode()
    assert FailedSigning.objects.filter(username="ada").count() == 1
    answer = client.post(reverse("sign-in"), {"username": "Ada", "password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"] == "/"


@pytest.mark.django_db
def test_it_remembers_the_theme_without_a_script() -> None:
    client = client_of("ada")
    client.post(reverse("theme"), {"theme": "dark", "back": "/changes/"})
    assert 'data-bs-theme="dark"' in client.get(reverse("changes")).content.decode()
    client.post(reverse("theme"), {"theme": "system"})
    assert 'data-cc-theme="system"' in client.get(reverse("changes")).content.decode()


@pytest.mark.django_db
def test_it_never_follows_a_theme_form_to_another_site() -> None:
    answer = client_of("ada").post(reverse("theme"), {"theme": "dark", "back": "https://elsewhere.example/"})
    assert answer["Location"] == "/"


@pytest.mark.django_db
def test_it_answers_an_unknown_address_with_a_page() -> None:
    answer = client_of("ada").get("/changes/CR-9999/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


@pytest.mark.django_db
def test_it_refuses_a_form_without_a_token_with_a_page() -> None:
    client = client_for(Person.objects.get(username="ada"), enforce_csrf_checks=True)
    answer = client.post(reverse("theme"), {"theme": "dark"})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


@pytest.mark.django_db
def test_it_refuses_a_form_that_no_page_of_ours_sends() -> None:
    answer = client_of("ada").post(reverse("finding-waive", args=["CR-0001"]), {"version": "-1; DROP"})
    assert answer.status_code in (404, 409)


def test_it_leaves_errors_to_be_errors() -> None:
    middleware = RefusalMiddleware(lambda request: None)  # type: ignore[arg-type,return-value]
    assert middleware.process_exception(RequestFactory().get("/"), ValueError("a bug")) is None
