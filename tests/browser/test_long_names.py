"""A migration with long names, long lines and many statements: every tab keeps its shape, on a phone as well."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from changecontrol.models import ChangeRequest
from tests.browser import audit
from tests.browser.conftest import People
from tests.browser.stack import Stack

NAME = "a_name_that_goes_on_and_on_until_nobody_can_read_it_without_taking_a_breath"
TABLE = "participants_with_a_very_long_name_that_fills_all_63_characters"
COLUMNS = 60
FORWARD = "\n".join(
    [
        "BEGIN;",
        f'CREATE TABLE {TABLE} (id bigint PRIMARY KEY, "Größe in Zentimetern – gemessen" numeric);',
        f"COMMENT ON TABLE {TABLE} IS '数据库 🩺 {'without any end in sight ' * 30}';",
        *(f"ALTER TABLE {TABLE} ADD COLUMN column_number_{at}_of_a_wide_table text;" for at in range(COLUMNS)),
        "COMMIT;\n",
    ]
)
ROLLBACK = f"BEGIN;\nDROP TABLE {TABLE};\nCOMMIT;\n"
TABS = ("", "sql/", "findings/", "rehearsal/")
#: how far the label of a button stands out of it
LABELS = """() => [...document.querySelectorAll('.cc-act .btn')]
  .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"""


@pytest.fixture(scope="module")
def change(stack: Stack) -> ChangeRequest:
    return stack.journey.open(stack.add(NAME, FORWARD, ROLLBACK))


def tall(page: Page, name: str) -> float:
    box = page.locator(f"section[aria-labelledby={name}]").bounding_box()
    assert box is not None
    return box["height"]


@pytest.mark.parametrize("width", [1280, 390, 360])
def test_every_tab_keeps_its_shape(people: People, change: ChangeRequest, width: int) -> None:
    ada = people("ada", viewport={"width": width, "height": 844})
    if width == 1280:
        ada.rehearse(change.code)
    found = []
    for tab in TABS:
        ada.go(f"/changes/{change.code}/{tab}")
        found += [f"{tab} at {width}: {fault}" for fault in audit.faults(ada.page)]
        found += [f"{tab} at {width}: {label} stands out of its button" for label in ada.page.evaluate(LABELS)]
    assert found == []
    ada.go(f"/changes/{change.code}/")
    ada.sees(f"statements 1 to {COLUMNS + 2}")
    assert tall(ada.page, "prot") < 700


def test_paper_shows_everything(people: People, change: ChangeRequest) -> None:
    """What folds, scrolls or is a form on the screen is printed in full, or not at all."""
    tess = people("tess")
    tess.go(f"/changes/{change.code}/rehearsal/")
    folded = tess.page.locator("details", has_text="Statement by statement").locator("li").last
    assert not folded.is_visible()
    tess.page.emulate_media(media="print")
    assert folded.is_visible()
    diff = tess.page.get_by_role("region", name="Changes to the schema")
    assert diff.evaluate("one => one.scrollHeight <= one.clientHeight + 1")
    assert not tess.page.get_by_role("button", name="Rehearse", exact=True).is_visible()
    said = tess.page.locator("time.cc-full").first
    assert said.evaluate("one => getComputedStyle(one, '::after').content") == "none"


def test_names_in_a_series_take_the_lines_they_need(people: People, stack: Stack) -> None:
    quin = people("quin", viewport={"width": 390, "height": 844})
    quin.go("/series/rename-enrolled-on/")
    names = quin.page.locator(".cc-grid tbody th :is(a, code)")
    assert names.count() > 0
    out = "one => one.getBoundingClientRect().right > one.closest('th').getBoundingClientRect().right + 1"
    assert [one.inner_text() for one in names.all() if one.evaluate(out)] == []
