"""A backfill watched live: its bar moves in place, it is paused, let go on, and ended with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from changecontrol.models import Execution
from changecontrol.services import executing
from tests.browser import audit
from tests.browser.conftest import People
from tests.browser.someone import PATIENCE_MS
from tests.browser.stack import Stack

FORWARD = """BEGIN;
ALTER TABLE dosings ADD COLUMN unit text;
COMMIT;

-- changecontrol: batch key=id size=100
UPDATE dosings SET unit = 'mg' WHERE unit IS NULL;
"""
ROLLBACK = "BEGIN;\nALTER TABLE dosings DROP COLUMN unit;\nCOMMIT;\n"
#: a batch of a hundred rows takes about a fifth of a second, so that there is time to look at the run
SLOW = (
    "CREATE TABLE dosings AS SELECT generate_series(1, 60000) AS id",
    "ALTER TABLE dosings ADD PRIMARY KEY (id)",
    "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$",
    "CREATE TRIGGER dawdle BEFORE UPDATE ON dosings FOR EACH ROW EXECUTE FUNCTION dawdle()",
)


@pytest.fixture
def run(stack: Stack) -> Iterator[Execution]:
    """A backfill at work on development; ended afterwards, whatever a test left of it."""
    for statement in SLOW:
        stack.send("development", statement)
    change = stack.journey.open(stack.add("fill_units", FORWARD, ROLLBACK))
    target = next(one for one in stack.places if one.name == "development")
    ada = stack.journey.who("ada")
    made = executing.start_development(
        change_id=change.pk, actor=ada, target_id=target.pk, direction="forward", now=timezone.now()
    )
    yield made
    made.refresh_from_db()
    if made.is_open:
        executing.abort(execution_id=made.pk, actor=ada, reason="The test is over.", now=timezone.now())
        stack.journey.wait(lambda: not Execution.objects.get(pk=made.pk).is_open, "the end of the run")
    for statement in ("DROP TABLE dosings", "DROP FUNCTION dawdle()"):
        stack.send("development", statement)


def share(bar: Locator) -> int:
    return int(bar.get_attribute("value") or 0)


def tall(page: Page) -> list[float]:
    """Where the parts below the live ones begin: these must not move while figures change."""
    return [round(page.locator(one).bounding_box()["y"]) for one in ("#hold", "#abort")]  # type: ignore[index]


def test_a_backfill_is_watched_paused_resumed_and_aborted(people: People, run: Execution) -> None:
    ada = people("ada")
    ada.go(f"/runs/{run.code}/")
    step = ada.page.locator("li.is-now")
    expect(step).to_contain_text("of 60,000 rows", timeout=PATIENCE_MS)
    expect(step).to_contain_text("rows/s")
    expect(step).to_contain_text("about")
    bar = step.get_by_role("progressbar")
    first, places = share(bar), tall(ada.page)
    expect(step.locator("b")).not_to_have_text(f"{first} %", timeout=PATIENCE_MS)
    assert share(bar) > first
    assert tall(ada.page) == places
    assert list(audit.faults(ada.page)) == []

    ada.click("link", "Pause")
    ada.page.get_by_label("Why to pause").fill("The export of the morning runs.")
    ada.page.get_by_role("button", name="Pause the run").click()
    expect(ada.page.locator("#run-note")).to_contain_text("Paused by Ada Lindqvist", timeout=PATIENCE_MS)
    ada.sees("The export of the morning runs.", "Nothing is locked")
    assert list(audit.faults(ada.page)) == []
    rested = step.locator("b").inner_text()

    quin = people("quin", java_script_enabled=False)
    quin.go(f"/runs/{run.code}/")
    quin.sees("Paused by Ada Lindqvist", rested)

    ada.page.get_by_role("button", name="Resume the run").click()
    expect(step.locator("b")).not_to_have_text(rested, timeout=PATIENCE_MS)
    expect(ada.page.locator("#hold")).to_contain_text("Pause the run")

    ada.page.get_by_role("button", name="Abort the run").click()
    expect(ada.page).to_have_url(re.compile(f"{run.code}/$"))  # the browser asks for the reason, nothing is sent
    ada.page.locator("#abort").get_by_label("Why").fill("The unit is another one.")
    ada.page.get_by_role("button", name="Abort the run").click()
    expect(ada.page.locator("#run-live")).to_have_count(0, timeout=PATIENCE_MS)
    ada.sees("The unit is another one.", "partly applied")
    expect(ada.page.locator("ol.cc-plan > li.is-bad")).to_contain_text(re.compile(r"of 60,000 rows"))
    for kind in ("pause_asked", "paused", "resume_asked", "resumed", "aborted"):
        assert run.events.filter(kind=kind).exists(), kind
    assert list(audit.faults(ada.page)) == []


def test_somebody_who_may_not_hold_a_run_is_told_so(people: People, run: Execution) -> None:
    tess = people("tess")
    tess.go(f"/runs/{run.code}/")
    expect(tess.page.locator("li.is-now")).to_contain_text("rows", timeout=PATIENCE_MS)
    expect(tess.page.get_by_role("button", name="Pause the run")).to_have_count(0)
    assert tess.post(f"/runs/{run.code}/pause/", reason="because").status == 403


def test_production_is_held_against_its_rehearsal(stack: Stack, people: People) -> None:
    run = Execution.objects.filter(purpose="deploy", state="succeeded").earliest("pk")
    theo = people("theo")
    theo.go(f"/runs/{run.code}/")
    table = theo.page.get_by_role("region", name="Predicted against observed, statement by statement")
    rows = table.locator("tbody tr")
    said = run.events.filter(kind="statement_done").count()
    assert rows.count() >= said > 0
    expect(rows.first).to_contain_text("as predicted")
    for width in audit.WIDTHS:
        theo.page.set_viewport_size({"width": width, "height": audit.HEIGHTS[width]})
        assert list(audit.faults(theo.page)) == []
