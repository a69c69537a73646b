"""No page asks the database more often because there is more to show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from changecontrol.models import ChangeRequest, CodeCounter, Person
from changecontrol.services.recording import SETUP, acting
from tests.web.visitors import client_of

NOW = dt.datetime(2026, 11, 19, 13, 20, tzinfo=dt.UTC)
PAGES = [
    ("cora", "inbox", "/"),
    ("ada", "changes", "/changes/"),
    ("ada", "changes, filtered", "/changes/?q=change&status=open&person=1"),
    ("ada", "all series", "/series/"),
    ("theo", "matrix", "/matrix/"),
    ("theo", "runs", "/runs/"),
    ("ada", "repository", "/repository/"),
    ("olga", "people", "/administration/people/"),
    ("olga", "targets", "/administration/targets/"),
    ("quin", "incidents", "/incidents/"),
]


def fill(first: int, last: int) -> None:
    """Make the drafts `first` to `last`, one migration each."""
    ada = Person.objects.get(username="ada")
    with acting(SETUP, reason="many changes"):
        ChangeRequest.objects.bulk_create(
            ChangeRequest(
                number=number,
                code=f"CR-{number:04d}",
                title=f"Change {number}",
                status_at=NOW,
                migration_number=number,
                migration_name=f"{number:03d}_change",
                opened_by=ada,
                opened_at=NOW,
            )
            for number in range(first, last + 1)
        )
        CodeCounter.objects.update_or_create(name="change", defaults={"last": last})


def counted() -> Iterator[tuple[str, int]]:
    """Count the queries of each page, after a first visit."""
    for username, name, address in PAGES:
        client = client_of(username)
        assert client.get(address).status_code == 200, name
        with CaptureQueriesContext(
            connection,
        ) as seen:
            client.get(address)
        yield name, len(seen)


@pytest.mark.django_db
def test_it_asks_as_often_for_a_thousand_changes_as_for_ten() -> None:
    fill(1, 10)
    with_ten = dict(counted())
    fill(11, 1000)
    assert dict(counted()) == with_ten
    assert max(with_ten.values()) < 40


@pytest.mark.django_db
def test_it_shows_fifty_of_a_thousand_changes_a_page() -> None:
    fill(1, 1000)
    answer = client_of("ada").get(reverse("changes"))
    assert answer.content.decode().count('class="cc-rowhead"') == 50
    assert "Page 1 of 20" in answer.content.decode()
