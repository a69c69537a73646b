"""Every address names who may use it, and nobody else gets in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from changecontrol.models import Person
from changecontrol.web.access import REGISTRY, key, listed
from tests.web.visitors import client_for, client_of

VALUES = {
    "code": "CR-0001",
    "number": 1,
    "pk": 1,
    "part": "forward",
    "key": "withdraw",
    "digest": "0" * 64,
    "slug": "x",
}
PUBLIC = {"sign-in", "theme", "health"}


def patterns() -> list[URLPattern]:
    """Return every address of the product."""
    return [one for one in get_resolver().url_patterns if isinstance(one, URLPattern)]


def address(pattern: URLPattern) -> str:
    """Return an example of an address."""
    names = re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))
    return reverse(str(pattern.name), kwargs={name: VALUES[name] for name in names})


@pytest.mark.parametrize("pattern", patterns(), ids=lambda one: str(one.name))
def test_it_names_who_may_use_each_view(pattern: URLPattern) -> None:
    view: Any = pattern.callback
    assert key(getattr(view, "__wrapped__", view)) in REGISTRY or key(view) in REGISTRY


def test_it_lets_only_three_views_be_public() -> None:
    public = {str(one.name) for one in patterns() if REGISTRY[key(one.callback)].public}
    assert public == PUBLIC


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", patterns(), ids=lambda one: str(one.name))
def test_it_sends_a_stranger_to_the_sign_in_page(pattern: URLPattern) -> None:
    if pattern.name in PUBLIC:
        return
    answer = Client().get(address(pattern))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?next=")


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", patterns(), ids=lambda one: str(one.name))
def test_it_shows_mallory_nothing(pattern: URLPattern) -> None:
    if pattern.name in PUBLIC | {"sign-out", "password"}:
        return
    answer = client_of("mallory").get(address(pattern))
    assert answer.status_code == 403
    assert "You have no duty" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("username", ["ada", "theo", "quin"])
def test_it_keeps_people_out_of_the_administration(username: str) -> None:
    answer = client_of(username).get(reverse("people"))
    assert answer.status_code == 403
    assert "This is for administrator or inspector." in answer.content.decode()


@pytest.mark.django_db
def test_it_gives_a_superuser_no_duty() -> None:
    from changecontrol.services.recording import SETUP, acting

    with acting(SETUP, reason="test"):
        root = Person.objects.create_superuser("root", "a password of twenty", printed_name="Root")
    assert client_for(root).get(reverse("inbox")).status_code == 403


@pytest.mark.django_db
def test_it_says_that_a_form_of_an_ended_session_was_not_recorded() -> None:
    client = Client()
    answer = client.post(reverse("act", args=["CR-0001", "withdraw"]), {"reason": "x"}, follow=True)
    assert "nothing was recorded" in answer.content.decode()


@pytest.mark.django_db
def test_it_sends_a_live_part_of_an_ended_session_to_the_sign_in_page() -> None:
    answer = Client().get(reverse("inbox-running"), headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"].startswith("/sign-in/")


def test_it_lists_duties_as_a_person_does() -> None:
    assert listed(("tech lead", "author", "QA")) == "author, QA or tech lead"
