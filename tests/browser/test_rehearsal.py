"""A rehearsal in the browser: asked for, watched, read on four tabs, and made again elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from changecontrol.models import ChangeRequest, Rehearsal
from tests.browser import audit
from tests.browser.conftest import People
from tests.browser.someone import Someone
from tests.browser.stack import Stack

FORWARD = """BEGIN;
ALTER TABLE participants ADD COLUMN visit_note text;
COMMENT ON COLUMN participants.visit_note IS 'What the site wants to remember before the visit';
CREATE INDEX participants_visit_note ON participants (visit_note);
COMMIT;

CREATE INDEX CONCURRENTLY participants_left_on ON participants (left_on);
"""
ROLLBACK = """DROP INDEX CONCURRENTLY IF EXISTS participants_left_on;

BEGIN;
DROP INDEX participants_visit_note;
ALTER TABLE participants DROP COLUMN visit_note;
COMMIT;
"""


@pytest.fixture(scope="module")
def change(stack: Stack) -> ChangeRequest:
    return stack.journey.open(stack.add("add_visit_note", FORWARD, ROLLBACK))


def faults(one: Someone, *paths: str) -> list[str]:
    """What is wrong with pages at both widths, as this person sees them."""
    found = []
    for width in audit.WIDTHS:
        one.page.set_viewport_size({"width": width, "height": audit.HEIGHTS[width]})
        for path in paths:
            one.go(path)
            found += [f"{path} at {width}: {fault}" for fault in audit.faults(one.page)]
    return found


def test_an_author_rehearses_and_everybody_reads_it_where_they_work(
    stack: Stack, people: People, change: ChangeRequest
) -> None:
    ada, tess = people("ada"), people("tess")
    ada.look(change.code, "Rehearsal")
    ada.sees("Not rehearsed yet")
    ada.rehearse(change.code)
    ada.sees("The way back is exact", "Forward again", "+ ", "participants_visit_note", "Certificate R-")
    made = Rehearsal.objects.get(change=change)
    assert made.passed

    table = ada.page.get_by_role("region", name="Locks, table by table")
    expect(table.locator("tbody tr").first).to_contain_text("ACCESS EXCLUSIVE")
    with ada.page.expect_download() as download:
        ada.click("link", "Certificate as JSON")
    assert Path(download.value.path()).read_bytes().decode() == Rehearsal.objects.get(pk=made.pk).certificate

    tess.look(change.code, "SQL")
    line = next(at for at, text in enumerate(change_lines(stack, change), 1) if text.startswith("CREATE INDEX part"))
    under = tess.page.locator(f"#F{line} + .cc-seen")
    expect(under).to_contain_text("SHARE on participants")
    mark = tess.page.locator(f"#F{line} .cc-mark").first
    mark.click()
    finding = tess.page.locator("article.cc-finding:target")
    expect(finding).to_be_in_viewport()
    finding.get_by_role("link", name=f"Forward, line {line}.").click()
    expect(tess.page.locator(f"#F{line}")).to_be_in_viewport()

    tess.look(change.code)
    expect(tess.page.locator("section", has=tess.page.locator("#does"))).to_contain_text("SHARE on participants")
    expect(tess.page.locator("section", has=tess.page.locator("#back"))).to_contain_text("The way back is exact.")
    base = f"/changes/{change.code}"
    assert faults(ada, *(f"{base}/{tab}" for tab in ("rehearsal/", "findings/", "sql/", ""))) == []


def change_lines(stack: Stack, change: ChangeRequest) -> list[str]:
    return (stack.repository / f"{change.migration_name}.sql").read_text().splitlines()


def test_a_rehearsal_made_elsewhere_is_shown_and_counts_for_nothing(
    people: People, change: ChangeRequest, tmp_path: Path
) -> None:
    ada = people("ada")
    change.refresh_from_db()
    assert change.revision is not None
    one = {
        "script_digest": change.revision.script_digest,
        "verdict": "exact",
        "sentence": "Rehearsed on the author's own machine.",
        "passed": True,
        "statements": [{"step": 1, "statement": 1, "ms": 2.5, "locks": {"public.participants": "ACCESS EXCLUSIVE"}}],
    }
    file = tmp_path / "rehearsal.json"
    file.write_text(json.dumps({"migrations": [one]}))
    ada.look(change.code, "Rehearsal")
    ada.page.get_by_label("wrote").set_input_files(file)
    ada.main.get_by_role("button", name="Upload").click()
    ada.sees("no gate counts it")
    made = Rehearsal.objects.filter(change=change, basis="upload").latest("pk")
    ada.main.get_by_role("link", name=made.code, exact=True).click()
    ada.sees("Rehearsed on the author's own machine.", "shown only")
    expect(ada.page.locator("#verdict")).to_have_class("cc-note cc-note--warn")
    assert faults(ada, f"/changes/{change.code}/rehearsal/?show={made.code}") == []

    file.write_text("[]")
    ada.look(change.code, "Rehearsal")
    ada.page.get_by_label("wrote").set_input_files(file)
    ada.main.get_by_role("button", name="Upload").click()
    ada.refused("is not what `engine rehearse --json` writes".replace("`", ""))


def test_it_works_without_javascript(people: People, change: ChangeRequest) -> None:
    plain = people("tess", java_script_enabled=False)
    plain.go(f"/changes/{change.code}/rehearsal/")
    plain.main.get_by_role("button", name="Rehearse", exact=True).click()
    plain.sees("A worker builds the copy")
    expect(plain.page.locator("#rehearsing, #verdict").first).to_be_visible()
