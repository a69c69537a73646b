"""Every page, as the person who uses it sees it, wide and narrow, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.urls import URLPattern, get_resolver, resolve
from django.utils import timezone

from changecontrol.models import ChangeRequest, Execution, Incident, Person, Target
from changecontrol.services import executing
from tests.browser import audit
from tests.browser.conftest import People
from tests.browser.someone import Someone
from tests.browser.stack import Stack
from tests.factories import PASSWORD

#: addresses that give no page: parts, downloads, and what takes forms only (tests/web/test_doors.py)
NO_PAGES = {"health", "inbox-running", "run-live", "change-raw", "change-log", "change-changelog", "evidence"}
NO_PAGES |= {"matrix-csv", "run-log", "migration-log", "sign-out", "theme", "finding-waive", "item-attest"}
NO_PAGES |= {"change-revise", "run-abort", "run-resolve", "run-second", "incident-document", "incident-close"}
NO_PAGES |= {"change-person", "change-sites", "ask-target", "run-pause", "run-resume", "series-attest"}
NO_PAGES |= {"change-rehearsal-live", "change-rehearse", "change-rehearsal-upload", "certificate"}
#: looked at in every combination; all others wide and light, narrow and dark
MAIN = ("inbox", "change", "change-sql", "run", "matrix")
ODD = [(1280, "dark"), (390, "light")]


@dataclass(frozen=True)
class Seen:
    """What the pages show: a deployed change, a draft, one in review whose file changed, runs, an incident."""

    deployed: ChangeRequest
    draft: ChangeRequest
    review: ChangeRequest
    staged: Execution
    waiting: Execution
    incident: Incident
    free: int


@pytest.fixture(scope="module")
def seen(stack: Stack) -> Iterator[Seen]:
    """Changes in all that a page can show; the rollback waits for its second person and never starts."""
    text = "-- The\u200b note.\nALTER TABLE sites ADD COLUMN IF NOT EXISTS finding text;\n"
    draft = stack.journey.open(stack.add("add_finding", text, "ALTER TABLE sites DROP COLUMN finding;\n"))
    number = stack.add_note("changed_meanwhile")
    review = stack.journey.review(stack.submitted(number), "technical review")
    path = stack.repository / f"{review.migration_name}.sql"
    path.write_text(path.read_text().replace("'A note'", "'Another note'"))
    deployed = ChangeRequest.objects.filter(status="deployed").latest("migration_number")
    theo = stack.journey.who("theo")
    waiting = executing.start_rollback(
        change_id=deployed.pk,
        signer=theo,
        password=PASSWORD,
        version=deployed.version,
        content_digest=deployed.content_digest,
        reason="A drill; nobody signs as the second person.",
        now=timezone.now(),
    )[0]
    incident = Incident.objects.filter(change=deployed).latest("pk")
    staged = Execution.objects.filter(change=deployed, purpose="stage").latest("pk")
    yield Seen(deployed, draft, review, staged, waiting, incident, stack.add_note("unopened"))
    executing.abort(execution_id=waiting.pk, actor=theo, reason="The drill is over.", now=timezone.now())


def pages(seen: Seen) -> dict[str, list[str]]:
    """Return the paths that each person looks at."""
    deployed, draft, review = (f"/changes/{one.code}" for one in (seen.deployed, seen.draft, seen.review))
    target, person = Target.objects.get(name="production"), Person.objects.get(username="tess")
    return {
        "ada": [
            "/",
            "/changes/",
            "/changes/?q=nothing+like+it",
            f"/changes/new/{seen.free}/",
            f"{draft}/",
            f"{draft}/documentation/",
            f"{draft}/findings/",
            f"{draft}/rehearsal/",
            f"{draft}/sql/",
            f"{draft}/do/submit/",
            f"{draft}/do/start_development/",
            f"{draft}/do/withdraw/",
            f"{review}/disk/",
            "/repository/",
            "/series/",
            "/series/sort-sites-by-kind/",
            "/password/",
        ],
        "tess": [f"{review}/", f"{review}/do/reject/", f"{review}/signatures/"],
        "cora": ["/", f"{review}/do/compliance_review/", f"/runs/{seen.waiting.code}/"],
        "quin": [
            f"{deployed}/",
            f"{deployed}/checklist/",
            f"{deployed}/watch/",
            f"{deployed}/do/close_watch/",
            "/series/sort-sites-by-kind/",
            f"/incidents/{seen.incident.code}/",
            "/incidents/",
        ],
        "theo": [
            f"{deployed}/sql/",
            f"{deployed}/rehearsal/",
            f"{deployed}/runs/",
            f"{deployed}/timeline/",
            f"{deployed}/do/restore/",
            "/runs/",
            f"/runs/{seen.staged.code}/",
            f"/runs/{seen.waiting.code}/",
            "/matrix/",
        ],
        "olga": [
            "/administration/",
            "/administration/people/",
            f"/administration/people/{person.pk}/",
            "/administration/targets/",
            f"/administration/targets/{target.pk}/",
        ],
        "ines": ["/", f"{deployed}/", "/administration/people/"],
        "mallory": ["/", "/nothing/here/"],
    }


def name_of(path: str) -> str:
    """Return the name of an address; nothing for one that does not exist."""
    bare = path.partition("?")[0]
    return "" if bare.startswith("/nothing") else str(resolve(bare).url_name)


def faults(one: Someone, paths: list[str], wanted: Callable[[str], bool]) -> Iterator[str]:
    """Yield what is wrong with the pages of one person."""
    for path in paths:
        if wanted(name_of(path)):
            one.go(path)
            yield from (f"{one.username} {path}: {fault}" for fault in audit.faults(one.page))


def look_at_all(seen: Seen, people: People, width: int, scheme: str, wanted: Callable[[str], bool]) -> list[str]:
    found: list[str] = []
    for username, paths in pages(seen).items():
        size = {"width": width, "height": audit.HEIGHTS[width]}
        found += faults(people(username, viewport=size, color_scheme=scheme), paths, wanted)
    return found


def test_it_looks_at_every_address_that_is_a_page(seen: Seen) -> None:
    patterns = [one for one in get_resolver().url_patterns if isinstance(one, URLPattern)]
    looked_at = {name_of(path) for paths in pages(seen).values() for path in paths} | {"sign-in", ""}
    assert {str(one.name) for one in patterns} - NO_PAGES <= looked_at | {"administration", "people"}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_has_no_fault_on_any_page(seen: Seen, people: People, width: int, scheme: str) -> None:
    assert look_at_all(seen, people, width, scheme, lambda name: True) == []


@pytest.mark.parametrize(("width", "scheme"), ODD)
def test_it_has_no_fault_on_the_main_pages(seen: Seen, people: People, width: int, scheme: str) -> None:
    assert look_at_all(seen, people, width, scheme, lambda name: name in MAIN) == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_it_has_no_fault_before_anybody_signed_in(stack: Stack, people: People, width: int, scheme: str) -> None:
    size = {"width": width, "height": audit.HEIGHTS[width]}
    stranger = people("nobody", stranger=True, viewport=size, color_scheme=scheme)
    stranger.go("/matrix/")
    assert re.search(r"/sign-in/\?next=/matrix/$", stranger.page.url)
    assert list(audit.faults(stranger.page)) == []
    stranger.page.get_by_label("Username").fill("ada")
    stranger.page.get_by_label("Password").fill("wrong")
    stranger.main.get_by_role("button", name="Sign in").click()
    stranger.sees("Not signed in")
    assert list(audit.faults(stranger.page)) == []
