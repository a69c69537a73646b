"""What the pages of a change show to one person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.models import ChangeRequest
from changecontrol.rules.lifecycle import BEFORE_DEPLOYED, Status
from changecontrol.services import freezing
from changecontrol.services.overview import Overview, overview
from changecontrol.services.recording import acting
from tests.services import rows
from tests.services.rows import NOW
from tests.services.test_facts import PROVEN

pytestmark = pytest.mark.django_db
FORWARD = b"""-- Migration: 900
-- Title: Add a note
-- Author: Ada Lindqvist
-- Purpose: Keep a note with every site.
-- Rollback: lossless

ALTER TABLE sites ADD COLUMN note text;
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """A repository of one migration, 900, in which record_audit is protected."""
    (tmp_path / "rollback").mkdir()
    (tmp_path / "900_add_note.sql").write_bytes(FORWARD)
    (tmp_path / "rollback/900_rollback.sql").write_bytes(b"-- Migration: 900\n\nALTER TABLE sites DROP COLUMN note;\n")
    (tmp_path / "changecontrol.toml").write_text('protected_tables = ["record_audit"]\n')
    settings.REPOSITORY = tmp_path
    return tmp_path


def seen(change: ChangeRequest, by: str = "ada", **more: Any) -> Overview:
    change.refresh_from_db()
    return overview(change=change, person=rows.person(by), now=more.get("now", NOW))


def offered(view: Overview) -> dict[str, str]:
    """The actions on the page: key -> why not now."""
    return {one.key: one.refusal for one in view.actions}


def test_it_draws_eight_steps_with_when_and_who() -> None:
    change = rows.change("in_review")
    steps = seen(change).steps
    assert [step.state for step in steps] == ["done", "now", *["todo"] * 6]
    assert [step.label for step in steps][:3] == ["draft", "in review", "approved"]
    assert (steps[0].who, steps[0].at) == ("Ada", NOW)
    assert [step.who for step in steps[2:]] == [
        "automatic", "automatic", "QA signs", "tech lead signs", "0 databases", "QA signs",
    ]  # fmt: skip


def test_a_step_back_forgets_what_came_after_it() -> None:
    change = rows.change("staged")
    with acting("setup"):
        rows.move(change, "restage", "approved", by=rows.person("quin"))
    assert [step.state for step in seen(change).steps][:4] == ["done", "done", "now", "todo"]


@pytest.mark.parametrize(("status", "place"), [("rolled_back", 6), ("withdrawn", 7), ("rejected", 7)])
def test_a_change_that_left_the_way_shows_where_it_went(status: str, place: int) -> None:
    steps = seen(rows.change(status)).steps
    assert len(steps) == 8
    assert (steps[place].status, steps[place].state) == (Status(status), "now")
    assert "skipped" in [step.state for step in steps] or status == "rolled_back"


def test_the_author_is_told_what_a_draft_lacks() -> None:
    view = seen(rows.change(ticket=""))
    assert offered(view)["submit"] == "The field “Ticket” is empty." + " " + _gone()
    assert {one.key for one in view.actions if one.primary} == {"submit", "document"}
    assert view.next_action.startswith("You write its documentation: ")
    assert "No finding blocks it." in view.met


def _gone() -> str:
    return "The file on disk is not the revision shown here. Take it as a new revision first."


def test_each_person_sees_only_what_a_duty_makes_theirs() -> None:
    change = rows.change("in_review")
    assert set(offered(seen(change, "ada"))) == {"recall", "withdraw"}
    assert set(offered(seen(change, "tess"))) == {"technical_review", "send_back", "reject"}
    assert set(offered(seen(change, "cora"))) == {"compliance_review", "send_back", "reject"}
    assert set(offered(seen(change, "quin"))) == {"send_back"}
    assert set(offered(seen(change, "theo"))) == {"send_back", "withdraw"}
    for nobody in ("olga", "ines", "mallory"):
        assert offered(seen(change, nobody)) == {}


def test_another_author_cannot_recall_what_is_not_theirs() -> None:
    change = rows.change("in_review")
    rows.in_duty("mallory", "author")
    assert offered(seen(change, "mallory")) == {}


def test_separation_of_duties_is_said_in_place() -> None:
    change = rows.change("in_review")
    rows.in_duty("ada", "author", "technical reviewer")
    assert "You are an author" in offered(seen(change, "ada"))["technical_review"]
    rows.in_duty("tess", "technical reviewer", "compliance officer")
    rows.sign(change, "technical review", "tess", duty="technical reviewer")
    shown = offered(seen(change, "tess"))
    assert "technical_review" not in shown
    assert "You already gave the technical review" in shown["compliance_review"]


def test_administrators_sign_nothing_even_with_another_duty() -> None:
    rows.in_duty("tess", "technical reviewer", "administrator")
    assert offered(seen(rows.change("in_review"), "tess"))["technical_review"].startswith("Administrators sign nothing")


def test_it_says_who_owes_what_next() -> None:
    change = rows.change("in_review")
    assert seen(change, "tess").next_action.startswith("You sign the technical review: ")
    rows.sign(change, "technical review", "tess")
    assert seen(change, "quin").next_action == (
        "It is being reviewed: The compliance review is owed by a compliance officer."
    )
    assert "The technical review is signed by Tess Moreau." in seen(change, "quin").met
    assert seen(rows.change("withdrawn")).next_action.startswith("Nothing is owed")


def test_qa_accepts_once_staging_and_checklist_are_done() -> None:
    change, place = rows.change("staged"), rows.target("staging-eu", "staging")
    refusal = offered(seen(change, "quin"))["accept"]
    assert "The run on staging-eu has not succeeded for this content." in refusal
    rows.execution(change, place, purpose="stage", outcome=PROVEN)
    with acting(rows.person("quin")):
        change.items.filter(automatic=False).update(state="done")
    view = seen(change, "quin")
    assert offered(view)["accept"] == ""
    assert view.unmet == []
    assert "The run on staging-eu succeeded for this content." in view.met


def test_leaving_backwards_is_refused_while_staging_holds_it() -> None:
    change = rows.change("staged")
    rows.execution(change, rows.target("staging-eu", "staging"), purpose="stage", outcome=PROVEN)
    shown = offered(seen(change, "theo"))
    assert "staging-eu still holds steps" in shown["send_back"]
    assert shown["undo_staging"] == ""
    assert shown["restage"] == ""


def test_a_partly_applied_production_has_three_exits() -> None:
    change = rows.change("authorized")
    rows.execution(change, rows.target("prod", "production"), purpose="deploy", state="failed", effect="partial")
    view = seen(change, "theo")
    shown = offered(view)
    assert {"start_production", "start_rollback", "restore"} <= set(shown)
    assert shown["start_rollback"] == ""
    assert "not built yet" in shown["restore"]
    assert next(one.label for one in view.actions if one.key == "start_production") == "Resume the production run"


@pytest.mark.parametrize(
    ("status", "runs"),
    [(one, True) for one in (*BEFORE_DEPLOYED, Status.DEPLOYED)]
    + [(one, False) for one in (Status.ROLLED_BACK, Status.WITHDRAWN, Status.REJECTED)],
)
def test_an_author_runs_it_on_development_until_it_is_over(status: Status, runs: bool) -> None:
    """Approval is automatic, even with development rolled back, and other changes wait for this one there."""
    rows.target("dev", "development")
    change = rows.change(status)
    assert ("start_development" in offered(seen(change))) is runs
    assert "start_development" not in offered(seen(change, "tess"))


def test_a_run_on_development_holds_nobody_up_on_production() -> None:
    change = rows.change("authorized")
    rows.execution(change, rows.target("prod", "production"), purpose="deploy", state="failed", effect="partial")
    rows.execution(change, rows.target("dev", "development"), purpose="develop", state="running")
    view = seen(change, "theo")
    assert offered(view)["start_rollback"] == ""
    assert view.next_action.startswith("Steps of it are on prod")


def test_an_old_acceptance_can_be_renewed_by_qa() -> None:
    change = rows.change("accepted")
    rows.sign(change, "staging acceptance", "quin", at=NOW - timedelta(days=8))
    view = seen(change, "quin")
    assert next(one.label for one in view.actions if one.key == "accept") == "Renew staging acceptance"


def test_the_incident_is_closed_by_both_duties_once_it_is_written() -> None:
    change = rows.change("rolled_back")
    found = rows.incident(change)
    assert "has no cause yet" in offered(seen(change, "quin"))["close_incident"]
    with acting(rows.person("quin")):
        found.cause, found.lesson = "A lock.", "Look first."
        found.save()
    assert offered(seen(change, "quin")) == {"close_incident": ""}
    rows.sign(change, "incident closure", "quin", about={"incident": found.code})
    assert offered(seen(change, "quin")) == {}
    assert offered(seen(change, "theo")) == {"close_incident": ""}


def test_old_signatures_are_void_and_say_since_when() -> None:
    change = rows.change("in_review")
    rows.sign(change, "technical review", "tess")
    with acting(rows.person("ada")):
        rows.revision(change, number=2, author=rows.person("ada"), at=NOW + timedelta(days=1), bytes_of=b"SELECT 3;")
        change.content_digest = "e" * 64
        change.save()
    row = seen(change).signatures[0]
    assert (row.valid, row.why_void) == (False, "Void: the content changed on 23 Nov 2026 (revision 2).")
    assert dict(seen(change).required)["technical review"] is None


def test_a_signature_that_was_tampered_with_is_invalid() -> None:
    change, other = rows.change("in_review"), rows.change("in_review")
    row = rows.sign(change, "technical review", "tess")
    values = {name: getattr(row, name) for name in ("duty", "username", "printed_name", "signed_at", "zone", "status")}
    copied = {**values, "statement": "", "content_digest": other.content_digest, "meaning": "technical review"}
    with acting(rows.person("tess")):
        type(row).objects.create(
            change=other, signer=row.signer, context=row.context.replace("in_review", "staged"),
            context_digest=row.context_digest, **copied,
        )  # fmt: skip
    shown = seen(other).signatures[0]
    assert not shown.valid
    assert shown.why_void.startswith("INVALID: what is stored")
    assert dict(seen(other).required)["technical review"] is None


def test_items_say_how_they_are_met() -> None:
    change = rows.change("in_review")
    with acting(rows.person("quin")):
        item = change.items.get(key="staging_application")
        item.state, item.note, item.ticked_by, item.ticked_at = "done", "Opened ten diaries.", rows.person("quin"), NOW
        item.save()
    items = {view.item.key: view for one in seen(change).items for view in one.items}
    assert len(seen(change).items) == 12
    assert (items["request_id"].done, items["request_id"].how) == (True, "Met by itself: the ticket is filled in.")
    assert items["staging_application"].how == "Seen by Quin Harper: Opened ten diaries."
    assert (items["staging_performance"].done, items["staging_performance"].how) == (False, "")


def test_statements_are_put_into_words_and_marked_where_protected() -> None:
    view = seen(rows.change("in_review"))
    said = view.sentences("forward")
    assert [one.protected for one in said] == [True, False, False]
    assert [one.step for one in said] == [1, 1, 2]
    assert "`device_info`" in said[0].text and said[0].understood
    assert view.protected_tables == ["record_audit"]
    assert view.way_back == ("lossless", "")
    assert view.routing == ["Alters `record_audit`."]
    assert view.sentences("verify") == []


def test_without_a_readable_policy_the_frozen_routing_says_what_is_protected(folder: Path) -> None:
    (folder / "changecontrol.toml").write_text("protected_tables = [")
    assert seen(rows.change("in_review")).protected_tables == ["record_audit"]


def frozen_900() -> ChangeRequest:
    """A draft whose revision is what lies on disk."""
    change = rows.change(migration=900)
    with acting(rows.person("ada")):
        change.revision = freezing.freeze(change, freezing.repository().read(900), actor=change.opened_by, now=NOW)
        change.save()
        rows.rehearsal(change.revision)
    return change


def test_files_that_are_the_revision_leave_no_banner() -> None:
    view = seen(frozen_900())
    assert not view.disk.differs
    assert offered(view)["submit"] == ""
    assert "revise" not in offered(view)


def test_files_that_changed_on_disk_are_shown_line_by_line(folder: Path) -> None:
    change = frozen_900()
    (folder / "900_add_note.sql").write_bytes(FORWARD.replace(b"note text", b"note varchar"))
    view = seen(change)
    assert (view.disk.differs, view.disk.missing) == (True, False)
    assert {(line.kind, line.text) for line in view.disk.diff} >= {
        ("at", "900_add_note.sql"),
        ("del", "-ALTER TABLE sites ADD COLUMN note text;"),
        ("add", "+ALTER TABLE sites ADD COLUMN note varchar;"),
    }
    assert "Take it as a new revision" in view.disk.sentence
    assert offered(view)["revise"] == ""
    assert "not the revision shown here" in offered(view)["submit"]


def test_files_that_are_gone_or_refused_say_so(folder: Path) -> None:
    change = frozen_900()
    (folder / "900_add_note.sql").write_bytes(b"ALTER TABEL sites;\n")
    view = seen(change)
    assert (view.disk.differs, view.disk.missing) == (True, False)
    assert "900_add_note.sql" in view.disk.sentence
    (folder / "900_add_note.sql").unlink()
    assert seen(change).disk.missing


def test_it_asks_the_same_number_of_queries_however_much_happened() -> None:
    quiet, busy = rows.change("authorized"), rows.change("authorized")
    rows.execution(quiet, rows.target("prod", "production"), purpose="deploy", state="failed", effect="partial")
    for at in range(8):
        for kind, purpose in (("staging", "stage"), ("production", "deploy")):
            place = rows.target(f"{kind}-{at}", kind)
            for _ in range(3):
                rows.execution(busy, place, purpose=purpose, state="failed", effect="partial")
    for meaning, who in (("technical review", "tess"), ("staging acceptance", "quin"), ("compliance review", "cora")):
        rows.sign(busy, meaning, who)

    def queries(change: ChangeRequest) -> int:
        found = ChangeRequest.objects.select_related("revision", "opened_by").get(pk=change.pk)
        person = rows.person("theo")
        with CaptureQueriesContext(connection) as caught:
            overview(change=found, person=person, now=NOW).sentences("forward")
        return len(caught)

    assert queries(quiet) <= queries(busy) <= queries(quiet) + 4  # asking what staging holds costs four
    assert queries(busy) <= 26
