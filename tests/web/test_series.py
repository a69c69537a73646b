"""The pages of series: members in order, what is next, which releases are out, and who may say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from changecontrol.models import ChangeRequest, ReleaseAttestation, Series, Target
from changecontrol.services.recording import acting
from tests import factories
from tests.services import rows
from tests.services.rows import NOW
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db
PAGE = "/series/paint-things/"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    return tmp_path


def name_places(folder: Path, *numbers: int, length: int = 3) -> None:
    """Write into the headers of migrations that they are a series; the last one waits for a release."""
    for place, number in enumerate(numbers, 1):
        [path] = folder.glob(f"{number:03d}_*.sql")
        release = "-- Requires-release: app >= 4.2\n" if place == length else ""
        path.write_text(f"-- Series: paint-things, {place} of {length}\n{release}{path.read_text()}")


def series(length: int = 3) -> Series:
    with acting("setup"):
        return Series.objects.get_or_create(
            slug="paint-things",
            defaults={"title": "Paint things", "length": length, "opened_by": rows.person("ada"), "opened_at": NOW},
        )[0]


def member(place: int, status: str = "draft", **fields: Any) -> ChangeRequest:
    return rows.change(status, series=series(), series_position=place, **fields)


def said(path: str = PAGE, username: str = "ada") -> str:
    answer = client_of(username).get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def attest(username: str = "quin", **changed: Any) -> Any:
    form = {"target": Target.objects.get(name="production").pk, "application": "app", "version": "4.2.0"}
    form |= {"note": "Deployed at noon, seen on every host."}
    return client_of(username).post(f"{PAGE}attest/", {**form, **changed})


def test_it_shows_members_in_order_and_what_nobody_opened_or_wrote_yet(folder: Path) -> None:
    name_places(folder, 1, 2)
    change = member(1, "in_review", migration=1, title="Make things")
    page = said()
    assert "Series <code>paint-things</code>" in page and "0 of 3 in production" in page
    assert page.index(f"{change.code}, <code>001_add_device.sql") < page.index("2. 002_second.sql")
    assert page.index("2. 002_second.sql") < page.index("3. No migration yet")
    assert reverse("change-new", args=[2]) in page
    assert reverse("change-new", args=[2]) not in said(username="theo")


def test_it_says_what_is_next_and_who_owes_it(folder: Path) -> None:
    name_places(folder, 1, 2)
    assert "Next: 1 of 3" in said() and "001_first.sql is written and not opened yet: an author opens" in said()
    first = member(1, "in_review")
    assert f'Next: 1 of 3, <a href="/changes/{first.code}/">{first.code}' in said()
    assert "The technical review is owed by a technical reviewer." in said()
    with acting("setup"):
        rows.move_to(first, "deployed")
    assert "Next: 2 of 3" in said()


def test_nothing_is_next_once_all_are_in_production() -> None:
    for place in (1, 2, 3):
        member(place, "deployed")
    assert "Nothing is owed" in said() and "3 of 3 in production" in said()
    assert "all in production" in said("/series/")


def test_a_cell_shows_where_each_member_is_on() -> None:
    target = rows.target("production", "production")
    change = member(1, "authorized")
    run = rows.execution(change, target, purpose="deploy")
    assert f'href="/runs/{run.code}/"' in said()


def test_the_list_names_series_of_files_too(folder: Path) -> None:
    assert "There is no series yet." in said("/series/")
    name_places(folder, 1, 2)
    assert "0 of 3 opened" in said("/series/") and "not opened" in said("/series/")
    member(1)
    page = said("/series/")
    assert "1 of 3 opened" in page and page.count("<code>paint-things</code>") == 1


def test_a_series_that_nobody_names_is_not_found() -> None:
    assert client_of("ada").get("/series/nothing-like-it/").status_code == 404


def test_the_change_leads_to_its_series() -> None:
    change = member(2)
    assert f'2 of 3 in <a href="{PAGE}">Paint things</a>' in said(f"/changes/{change.code}/")
    assert 'href="/series/"' in said("/changes/")


def test_a_release_is_attested_on_the_page(folder: Path) -> None:
    rows.target("production", "production"), rows.target("development", "development")
    name_places(folder, 1, 2, 3)
    page = said(username="quin")
    assert "app &gt;= 4.2" in page and "nobody yet" in page and "Attest the release" in page
    answer = attest()
    assert answer.status_code == 302 and answer["Location"] == PAGE
    found = ReleaseAttestation.objects.get()
    assert (found.version, found.attested_by.username) == ("4.2.0", "quin")
    page = said(username="quin")
    assert "Deployed at noon, seen on every host." in page and "nobody yet" not in page


def test_a_refused_attestation_keeps_what_was_written(folder: Path) -> None:
    rows.target("production", "production")
    name_places(folder, 1, 2, 3)
    answer = attest(version="newest")
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "“newest” is no release" in page and 'value="newest"' in page and "seen on every host" in page
    assert not ReleaseAttestation.objects.exists()


@pytest.mark.parametrize("username", ["ada", "tess", "cora", "olga", "ines"])
def test_nobody_else_attests(username: str, folder: Path) -> None:
    rows.target("production", "production")
    name_places(folder, 1, 2, 3)
    assert attest(username).status_code == 403
    assert not ReleaseAttestation.objects.exists()
    page = said(username=username)
    assert "Attest the release" not in page and "QA or tech lead attests releases." in page


def test_a_change_waits_on_its_page_for_the_release() -> None:
    rows.target("staging", "staging")
    change = member(1, "approved", requires_release="app >= 4.2")
    assert "The release app &gt;= 4.2 is not attested for staging." in said(f"/changes/{change.code}/", "quin")


def test_it_asks_as_often_for_many_members_as_for_few(folder: Path) -> None:
    def queries(path: str) -> int:
        client = client_of("theo")
        client.get(path)
        with CaptureQueriesContext(connection) as seen:
            client.get(path)
        return len(seen)

    rows.target("staging", "staging"), rows.target("production", "production")
    member(1, "approved")
    change = member(2, "approved", requires_release="app >= 4.2")
    few = queries(PAGE), queries(f"/changes/{change.code}/")
    for place in (3, 4, 5):
        member(place, "approved", requires_release="app >= 4.2, api >= 3")
    with acting("setup"):
        Series.objects.update(length=5)
    for number in range(5):
        rows.target(f"production-{number}", "production")
    assert (queries(PAGE), queries(f"/changes/{change.code}/")) == few
