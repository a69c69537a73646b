"""Two new changes walked by five people in the browser: one to production, one to production and back."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from changecontrol.management.journey import DOCUMENTATION
from changecontrol.models import ChangeRequest, Evidence, Execution, Incident, Signature
from tests.browser.conftest import People
from tests.browser.someone import Someone
from tests.browser.stack import Stack

SEEN = "Looked at it for this change; nothing unusual was seen."
#: the invisible character in the comment is a finding that blocks until it is waived
FORWARD = """-- Every site\u200b may keep one.
BEGIN;
ALTER TABLE participants ADD COLUMN IF NOT EXISTS contact_note text;
COMMENT ON COLUMN participants.contact_note IS 'How the site reaches the participant';
COMMIT;

CREATE INDEX CONCURRENTLY participants_contact ON participants (contact_note);
"""
ROLLBACK = """DROP INDEX CONCURRENTLY IF EXISTS participants_contact;

BEGIN;
ALTER TABLE participants DROP COLUMN contact_note;
COMMIT;
"""
VERIFY = """SELECT 'the contact note exists and may be empty' AS name, count(*) = 1 AS ok
  FROM pg_catalog.pg_attribute
 WHERE attrelid = to_regclass('public.participants') AND attname = 'contact_note' AND NOT attisdropped
   AND NOT attnotnull;
"""
HAS_COLUMN = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('participants') AND attname = 'contact_note'"
)


def open_from_file(ada: Someone, number: int) -> str:
    """Ada opens the change on the repository page and writes its documentation; returns the code."""
    ada.go("/repository/")
    ada.click("link", "Open a change", inside=ada.page.locator(f"#m{number}"))
    ada.main.get_by_role("button", name="Open the change").click()
    ada.sees("is open. Write its documentation")
    code = ada.page.url.split("/changes/")[1].split("/")[0]
    for name, text in DOCUMENTATION.items():
        field = ada.page.locator(f"[name={name}]")
        value = text.format(number=number)
        field.select_option(value) if name.endswith("level") or name.startswith("risk_") else field.fill(value)
    ada.page.get_by_role("button", name="Save").click()
    ada.sees("Saved.")
    return code


def to_review(ada: Someone, code: str) -> None:
    """Ada has it rehearsed, runs it on development both ways and submits it with her signature."""
    ada.rehearse(code)
    ada.waive(code, "The table is small on every target; seen in the rehearsal.")
    for direction in ("forward", "rollback", "forward"):
        ada.develop(code, direction)
    ada.attest(code, "it is submitted", note=SEEN)
    ada.sign(code, "Submit for review")
    ada.sees("Submitted. The content is fixed now")


def through_staging(quin: Someone, cora: Someone, code: str, file: Path | None = None) -> None:
    """Quin starts staging, watches it, attests with a file, and signs the acceptance."""
    quin.dialog(code, "Start the staging run")
    quin.press()
    quin.watches("succeeded")
    assert cora.attest(code, "staging is accepted", note=SEEN) == 1
    assert quin.attest(code, "staging is accepted", note=SEEN, file=file) > 8
    quin.sign(code, "Sign staging acceptance")
    quin.sees("Signed: staging acceptance.")


def to_production(theo: Someone, code: str) -> None:
    """Theo attests the pre-deployment list, authorizes, starts production and watches it."""
    assert theo.attest(code, "production is authorized", note=SEEN) == 4
    theo.sign(code, "Sign production authorization")
    theo.sees("Signed: production authorization.")
    theo.sign(code, "Start the production run")
    theo.watches("succeeded")
    theo.sees("all applied")


def test_it_walks_a_new_change_through_five_roles_to_production(stack: Stack, people: People, tmp_path: Path) -> None:
    number = stack.add("add_contact_note", FORWARD, ROLLBACK, verify=VERIFY)
    ada, tess, cora, quin, theo = (people(name) for name in ("ada", "tess", "cora", "quin", "theo"))

    code = open_from_file(ada, number)
    ada.look(code, "Findings")
    ada.sees("IF NOT EXISTS keeps a column of this name", "The invisible character U+200B")
    assert ada.waive(code, "It stands in a comment and changes nothing.") >= 1
    ada.sees("waived", "It stands in a comment and changes nothing.")
    ada.look(code, "SQL")
    ada.sees("CREATE INDEX CONCURRENTLY participants_contact", "DROP COLUMN contact_note")
    to_review(ada, code)

    for reviewer, meaning in ((tess, "technical review"), (cora, "compliance review")):
        reviewer.go("/")
        reviewer.sees(code)
        reviewer.sign(code, f"Sign {meaning}", Comment="Read line by line.")
        reviewer.sees(f"Signed: {meaning}.")
    assert stack.change(code).status == "approved"

    evidence = tmp_path / "test-report.txt"
    evidence.write_text("214 tests passed\n", encoding="utf-8")
    through_staging(quin, cora, code, evidence)
    quin.look(code, "Checklist")
    with quin.page.expect_download() as download:
        quin.page.get_by_role("link", name="test-report.txt").click()
    assert Path(download.value.path()).read_text() == "214 tests passed\n"
    assert Evidence.objects.get(name="test-report.txt").size == 17

    to_production(theo, code)
    change = stack.change(code)
    assert change.status == "deployed"
    run = Execution.objects.get(change=change, purpose="deploy")
    rows = stack.ledger("production", number)
    assert [row["step"] for row in rows] == [1, 2]
    assert {row["content_digest"] for row in rows} == {change.content_digest}
    assert {row["execution_id"] for row in rows} == {str(run.uuid)}
    assert stack.columns("production", "contact_note") == ["contact_note"]

    for one, least in ((ada, 2), (cora, 1), (theo, 2), (quin, 6)):
        assert one.attest(code, "it is closed", note=SEEN) >= least, one.username
    quin.dialog(code, "Sign watch verdict")
    quin.page.get_by_label("Within: everything stayed inside").check()
    quin.page.get_by_label("What you saw").fill("No errors, no slower pages.")
    quin.page.get_by_label("Password").fill("demonstration-only")
    quin.press()
    quin.sees("Signed: watch verdict.", "closed")
    assert stack.change(code).status == "closed"
    quin.look(code, "Timeline")
    for name in ("Ada Lindqvist", "Tess Moreau", "Cora Whitfield", "Quin Harper", "Theo Brandt"):
        quin.sees(name)


def test_it_walks_a_change_to_production_and_back(stack: Stack, people: People) -> None:
    number = stack.add_note("opening_hours")
    ada, tess, cora, quin, theo = (people(name) for name in ("ada", "tess", "cora", "quin", "theo"))
    code = open_from_file(ada, number)
    to_review(ada, code)
    tess.sign(code, "Sign technical review")
    cora.sign(code, "Sign compliance review")
    assert stack.change(code).status == "approved"
    through_staging(quin, cora, code)
    to_production(theo, code)
    assert len(stack.ledger("production", number)) == 1

    theo.sign(code, "Roll production back", Reason="The sites print the wrong hours.")
    expect(theo.page.get_by_role("heading", name="A second person has to sign")).to_be_visible()
    where = theo.page.url.removeprefix(stack.url)
    theo.sees("Somebody else than Theo Brandt")
    run = Execution.objects.get(change__code=code, purpose="roll_back")
    assert run.state == "queued"

    cora.go(where)
    cora.page.get_by_label("Password").fill("demonstration-only")
    cora.page.get_by_role("button", name="Sign as Cora Whitfield").click()
    cora.sees("Signed as the second person.")
    for one in (cora, theo):
        one.watches("succeeded")
        one.sees("nothing applied")
    assert stack.change(code).status == "rolled_back"
    assert len(stack.ledger("production", number, "rollback")) == 1
    assert not stack.columns("production", "opening_hours")

    incident = Incident.objects.get(change__code=code)
    theo.go(f"/incidents/{incident.code}/")
    theo.page.locator("[name=cause]").fill("The hours were stored without a time zone.")
    theo.page.locator("[name=lesson]").fill("A time of day needs the zone of its site.")
    theo.page.locator("[name=told]").fill("The sites and the sponsor.")
    theo.page.get_by_role("button", name="Save").click()
    theo.sees("Saved.")
    for one in (quin, theo):
        one.go(f"/incidents/{incident.code}/")
        one.page.get_by_label("Password").fill("demonstration-only")
        one.page.get_by_role("button", name="Sign as").click()
        one.sees("Signed: incident closure.")
    assert stack.change(code).status == "closed"
    meanings = list(Signature.objects.filter(change__code=code).order_by("pk").values_list("meaning", flat=True))
    assert meanings[-4:] == ["execution", "second person", "incident closure", "incident closure"]
    assert ChangeRequest.objects.get(code=code).status == "closed"
