"""Every "no" as a person meets it: a sentence in place, what was entered kept, nothing recorded."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from changecontrol.models import ChangeRequest, Execution, FailedSigning, Person, Signature
from changecontrol.services import people as people_service
from tests.browser.conftest import People
from tests.browser.stack import Stack
from tests.factories import PASSWORD

WHY = "The column is named after the wrong thing."


def signed(change: ChangeRequest, meaning: str) -> int:
    return Signature.objects.filter(change=change, meaning=meaning).count()


def test_it_keeps_what_was_entered_when_the_password_is_wrong(stack: Stack, people: People) -> None:
    change, tess = stack.submitted(stack.add_note("wrong_password")), people("tess")
    failed = FailedSigning.objects.count()
    tess.sign(change.code, "Reject", password="not-the-password", Reason=WHY)
    tess.refused("The password is wrong, so nothing was signed.")
    expect(tess.page.get_by_label("Reason")).to_have_value(WHY)
    expect(tess.page.get_by_label("Password")).to_have_value("")
    assert FailedSigning.objects.count() == failed + 1
    assert (stack.change(change.code).status, signed(change, "rejection")) == ("in_review", 0)
    tess.page.get_by_label("Password").fill(PASSWORD)
    tess.press()
    tess.sees("Rejected.")
    assert (stack.change(change.code).status, signed(change, "rejection")) == ("rejected", 1)


def test_it_refuses_the_second_of_two_tabs(stack: Stack, people: People) -> None:
    change, tess = stack.submitted(stack.add_note("two_tabs")), people("tess")
    tabs = [tess.page, tess.tab()]
    for tab in tabs:
        tab.goto(f"{stack.url}/changes/{change.code}/do/technical_review/")
        tab.get_by_label("Password").fill(PASSWORD)
    for tab in tabs:
        with tab.expect_navigation():
            tab.locator("dialog button[type=submit]").click()
    expect(tabs[0].locator("body")).to_contain_text("Signed: technical review.")
    expect(tabs[1].locator(".cc-note--bad")).to_contain_text("already gave the technical review")
    assert signed(change, "technical review") == 1


def test_it_starts_one_run_for_two_clicks(stack: Stack, people: People) -> None:
    change, quin = stack.approved(stack.add_note("two_clicks")), people("quin")
    tabs = [quin.page, quin.tab()]
    for tab in tabs:
        tab.goto(f"{stack.url}/changes/{change.code}/do/start_staging/")
    for tab in tabs:
        with tab.expect_navigation():
            tab.locator("dialog button[type=submit]").click()
    expect(tabs[1].locator(".cc-note--bad")).to_contain_text(change.code)
    assert Execution.objects.filter(change=change, purpose="stage").count() == 1
    quin.watches("succeeded")


def test_it_records_nothing_for_an_ended_session(stack: Stack, people: People) -> None:
    change, tess = stack.submitted(stack.add_note("ended_session")), people("tess", fresh=True)
    tess.dialog(change.code, "Sign technical review")
    key = next(one["value"] for one in tess.context.cookies() if "session" in one["name"])
    Session.objects.filter(session_key=key).delete()
    tess.page.get_by_label("Password").fill(PASSWORD)
    tess.press()
    assert "/sign-in/" in tess.page.url
    tess.sees("Your session had ended, so nothing was recorded.")
    assert signed(change, "technical review") == 0
    tess.page.get_by_label("Username").fill("tess")
    tess.page.get_by_label("Password").fill(PASSWORD)
    tess.main.get_by_role("button", name="Sign in").click()
    expect(tess.page.get_by_role("dialog")).to_be_visible()


def test_it_asks_again_for_a_duty_revoked_between_page_and_click(stack: Stack, people: People) -> None:
    change, tess = stack.submitted(stack.add_note("revoked_duty")), people("tess")
    tess.dialog(change.code, "Sign technical review")
    about = {
        "person_id": Person.objects.get(username="tess").pk,
        "duty": "technical reviewer",
        "actor": Person.objects.get(username="olga"),
        "reason": "on leave",
    }
    people_service.take_duty(**about, now=timezone.now())
    try:
        tess.page.get_by_label("Password").fill(PASSWORD)
        tess.press()
        tess.refused("You have no duty. An administrator grants duties.")
        assert signed(change, "technical review") == 0
    finally:
        people_service.give_duty(**about, now=timezone.now())


def test_it_shows_people_without_a_duty_what_they_lack(stack: Stack, people: People) -> None:
    mallory, ines = people("mallory"), people("ines")
    code = ChangeRequest.objects.values_list("code", flat=True)[0]
    for path in ("/", "/changes/", f"/changes/{code}/", "/matrix/", "/runs/", "/repository/", "/administration/"):
        answer = mallory.go(path)
        assert answer is not None and answer.status == 403, path
        mallory.refused("You have no duty.")
    assert mallory.post(f"/changes/{code}/do/withdraw/", version="1", reason="x").status == 403
    ines.look(code)
    expect(ines.page.locator(".cc-act a, section[aria-labelledby=other] a")).to_have_count(0)
    answer = ines.go(f"/changes/{code}/do/withdraw/")
    assert answer is not None and answer.status == 403
    ines.refused("This is for author or tech lead. You have inspector.")


def test_it_lets_no_author_review_the_own_change(stack: Stack, people: People) -> None:
    """Ada is given the reviewer's duty as well: the button stays away, and a sent form is refused."""
    change, ada = stack.submitted(stack.add_note("own_review")), people("ada")
    about = {
        "person_id": Person.objects.get(username="ada").pk,
        "duty": "technical reviewer",
        "actor": Person.objects.get(username="olga"),
        "reason": "a test of separation",
    }
    people_service.give_duty(**about, now=timezone.now())
    try:
        ada.look(change.code)
        expect(ada.main.get_by_role("link", name="Sign technical review")).to_have_count(0)
        ada.sees("You are an author of")
        answer = ada.post(
            f"/changes/{change.code}/do/technical_review/",
            version=str(change.version),
            content_digest=change.content_digest,
            password=PASSWORD,
        )
        assert answer.status == 409
        assert f"You are an author of {change.code}, so you cannot give its technical review." in answer.text()
        assert signed(change, "technical review") == 0
    finally:
        people_service.take_duty(**about, now=timezone.now())


def test_it_aborts_a_run_only_with_a_reason(stack: Stack, people: People) -> None:
    number = stack.add(
        "wait_long",
        "BEGIN;\nCREATE TABLE waiting (id int);\nCOMMIT;\n\nBEGIN;\nSELECT pg_sleep(240);\nCOMMIT;\n",
        "BEGIN;\nDROP TABLE waiting;\nCOMMIT;\n",
    )
    change, ada = stack.journey.open(number), people("ada")
    ada.dialog(change.code, "Run on development")
    ada.press()
    expect(ada.page.locator("#events")).to_contain_text("tep 2", timeout=60_000)
    ada.page.get_by_label("Why", exact=True).fill("   ")
    with ada.page.expect_navigation():
        ada.page.get_by_role("button", name="Abort the run").click()
    ada.refused("Say why")
    assert Execution.objects.get(change=change).state == "running"
    ada.page.get_by_label("Why", exact=True).fill("It waits for nothing.")
    with ada.page.expect_navigation():
        ada.page.get_by_role("button", name="Abort the run").click()
    ada.watches("failed")
    ada.sees("partly applied")
    assert Execution.objects.get(change=change).abort_reason == "It waits for nothing."
    ada.develop(change.code, "rollback")


def test_it_shows_a_file_that_changed_on_disk_and_takes_it(stack: Stack, people: People) -> None:
    number = stack.add_note("changed_file")
    change, ada, tess = stack.submitted(number), people("ada"), people("tess")
    tess.sign(change.code, "Sign technical review")
    name = f"{number:03d}_add_changed_file.sql"
    text = (stack.repository / name).read_text(encoding="utf-8")
    stack.write(name, text.replace("'A note'", "'A better note'"))

    tess.look(change.code)
    tess.page.get_by_role("link", name="See the difference").click()
    tess.sees("'A better note'", "Only an author takes a new revision")
    ada.go("/repository/")
    expect(ada.page.locator(f"#m{number}")).to_contain_text("changed on disk")
    ada.say_why(change.code, "Recall", "The comment is to say more.")
    ada.sees("Recalled. It is a draft again.")
    ada.page.get_by_role("link", name="See the difference").click()
    with ada.page.expect_navigation():
        ada.page.get_by_role("button", name="Take as new revision").click()
    ada.sees("Revision 2 is what everybody sees now. Earlier signatures are void.", "'A better note'")
    expect(ada.page.get_by_role("link", name="See the difference")).to_have_count(0)
    ada.look(change.code, "Signatures")
    expect(ada.page.locator(".cc-sigs .is-void, tr.is-void").first).to_be_visible()
    ada.sees("void")
    assert stack.change(change.code).content_digest == ""
    assert bytes(stack.change(change.code).revision.forward) == (stack.repository / name).read_bytes()
