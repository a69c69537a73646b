"""A series on its page: what is next, its change, and a release attested by somebody whose browser runs no scripts."""

from __future__ import annotations

from playwright.sync_api import expect

from changecontrol.models import ChangeRequest, ReleaseAttestation
from tests.browser import audit
from tests.browser.conftest import People
from tests.browser.stack import Stack

PAGE = "/series/rename-enrolled-on/"


def test_it_shows_what_is_next_and_takes_the_attested_release(stack: Stack, people: People) -> None:
    ada = people("ada", viewport={"width": 390, "height": 844})
    ada.go("/changes/")
    ada.click("link", "Series")
    ada.click("link", "Rename enrolled on")
    ada.sees("Next: 1 of 3", "009_rename_enrolled_on_expand.sql is written and not opened yet", "needs app >= 4.2.0")
    assert list(audit.faults(ada.page)) == []
    ada.click("link", "Open its change")
    ada.click("button", "Open the change")
    change = ChangeRequest.objects.get(migration_number=9)
    ada.look(change.code)
    ada.sees("1 of 3 in Rename enrolled on")
    ada.click("link", "Rename enrolled on")
    ada.sees(f"Next: 1 of 3, {change.code}", "You write its documentation")
    expect(ada.main.get_by_role("button", name="Attest")).to_have_count(0)

    quin = people("quin", java_script_enabled=False, viewport={"width": 390, "height": 844})
    quin.go(PAGE)
    quin.page.get_by_label("Database", exact=True).select_option("production")
    quin.page.get_by_label("Release that is out everywhere").fill("latest")
    quin.page.get_by_label("How that is known").fill("Deployed at noon, seen on every host.")
    quin.click("button", "Attest the release")
    quin.sees("Not attested", "“latest” is no release that can be compared.")
    expect(quin.page.get_by_label("How that is known")).to_have_value("Deployed at noon, seen on every host.")
    quin.page.get_by_label("Release that is out everywhere").fill("4.2.0")
    quin.click("button", "Attest the release")
    quin.sees("Attested: app 4.2.0 is out for production.")
    row = quin.page.get_by_role("row").filter(has_text="app >= 4.2.0").filter(has_text="production")
    expect(row).to_contain_text("4.2.0, Quin")
    assert ReleaseAttestation.objects.get().attested_by.username == "quin"
