"""The ways out of a change, clicked: recall, reject, withdraw, stage again, send back, and out of a half-done run."""

from __future__ import annotations

from playwright.sync_api import expect

from changecontrol.models import Execution, Incident
from tests.browser.conftest import People
from tests.browser.stack import Stack

WHY = "The team decided otherwise."
#: step 2 needs a table that stands everywhere but on production
THREE_STEPS = """BEGIN;
CREATE TABLE visits (id int PRIMARY KEY);
COMMIT;

BEGIN;
INSERT INTO visits SELECT id FROM outsider;
COMMIT;

BEGIN;
COMMENT ON TABLE visits IS 'Visits of participants';
COMMIT;
"""


def test_it_recalls_supersedes_and_withdraws(stack: Stack, people: People) -> None:
    number = stack.add_note("room_number")
    change, ada = stack.submitted(number), people("ada")
    ada.say_why(change.code, "Recall", WHY)
    ada.sees("Recalled. It is a draft again.")
    ada.say_why(change.code, "Withdraw", WHY)
    ada.sees("Withdrawn.")
    ada.look(change.code, "Timeline")
    ada.sees(f"Why: {WHY}")
    assert stack.change(change.code).status == "withdrawn"
    ada.go(f"/changes/new/{number}/")
    ada.page.get_by_label("Reverses or replaces").fill(change.code)
    ada.page.get_by_role("button", name="Open the change").click()
    ada.sees("is open. Write its documentation", f"reverses or replaces {change.code}")


def test_it_goes_back_from_staging_to_a_draft(stack: Stack, people: People) -> None:
    change, quin, tess = stack.approved(stack.add_note("floor")), people("quin"), people("tess")
    code = stack.journey.stage(change).code
    quin.say_why(code, "Stage again", WHY)
    quin.sees("Staging is run again, content unchanged.")
    assert stack.change(code).status == "approved"

    tess.look(code)
    expect(tess.main.get_by_role("link", name="Send back")).to_have_count(0)
    tess.sees(f"still holds steps of {code}. Start the staging rollback first.")
    quin.say_why(code, "Roll staging back", WHY)
    quin.watches("succeeded")
    assert stack.columns("staging", "floor") == []
    tess.sign(code, "Send back", Reason=WHY)
    tess.sees("Sent back to the author.")
    assert stack.change(code).status == "draft"
    tess.look(code, "Signatures")
    tess.sees("Send back", f"Reason: {WHY}")


def test_it_shows_three_exits_from_a_half_done_production_run(stack: Stack, people: People) -> None:
    # only production has a row twice: no rehearsal on its schema can know that
    for environment in ("development", "staging", "production"):
        stack.send(environment, "CREATE TABLE outsider AS SELECT generate_series(1, 3) AS id")
    stack.send("production", "INSERT INTO outsider VALUES (3)")
    number = stack.add("add_visits", THREE_STEPS, "BEGIN;\nDROP TABLE visits;\nCOMMIT;\n")
    theo, tess = people("theo"), people("tess")
    change = stack.journey.authorize(stack.journey.accept(stack.journey.stage(stack.approved(number))))
    code = change.code
    theo.sign(code, "Start the production run")
    theo.watches("failed")
    theo.sees("partly applied", "visits_pkey")
    theo.look(code)
    theo.sees("What is on, and the three ways out")
    exits = theo.page.locator("section[aria-labelledby=exits]")
    expect(exits).to_contain_text("production")
    expect(exits.get_by_role("link")).to_have_count(3)
    assert stack.change(code).status == "authorized"
    assert Incident.objects.filter(change=change, closed_at=None).count() == 1

    exits.get_by_role("link", name="Restore the backup").click()
    theo.sees("Restoring comes with a later release.")
    theo.press()
    theo.refused("Restoring from a proven backup is not built yet.")
    theo.look(code)
    exits.get_by_role("link", name="Resume from the next step").click()
    theo.page.get_by_label("Password").fill("demonstration-only")
    theo.press()
    theo.refused("Say why it is run again.")

    stack.send("production", "DELETE FROM outsider WHERE id = 3")
    theo.page.get_by_label("Comment").fill("The row that was there twice is gone.")
    theo.page.get_by_label("Password").fill("demonstration-only")
    theo.press()
    theo.watches("succeeded")
    theo.sees("all applied")
    assert [row["step"] for row in stack.ledger("production", number)] == [1, 2, 3]
    assert Execution.objects.filter(change=change, purpose="deploy").count() == 2
    tess.look(code)
    expect(tess.page.locator("section[aria-labelledby=exits]")).to_have_count(0)
    assert stack.change(code).status == "deployed"
