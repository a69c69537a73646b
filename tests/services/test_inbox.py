"""What waits for whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.models import ChangeRequest, Environment
from changecontrol.services.inbox import inbox
from changecontrol.services.recording import acting
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db


def waits_for(username: str) -> list[tuple[str, str]]:
    """(code, meaning) of what waits for a person, oldest first."""
    return [(due.change.code, str(due.meaning)) for due in inbox(person=rows.person(username), now=NOW).waiting]


def test_a_change_in_review_waits_for_its_reviewers() -> None:
    change = rows.change("in_review", description="Keeps the device. Nothing else.")
    assert waits_for("tess") == [(change.code, "technical review")]
    assert waits_for("cora") == [(change.code, "compliance review")]
    for other in ("ada", "quin", "theo", "olga", "ines", "mallory"):
        assert waits_for(other) == []
    due = inbox(person=rows.person("tess"), now=NOW).waiting[0]
    assert (due.say, due.since, due.label) == ("Keeps the device", NOW, "Technical review")


def test_a_review_that_nobody_demands_waits_for_nobody_until_somebody_asks() -> None:
    change = rows.change("in_review", revised={"reviews": ("technical review",)})
    assert waits_for("cora") == []
    with acting(rows.person("tess")):
        change.compliance_asked_by = rows.person("tess")
        change.save()
    assert waits_for("cora") == [(change.code, "compliance review")]


def test_a_signed_review_waits_no_longer_for_anybody() -> None:
    change = rows.change("in_review")
    rows.sign(change, "technical review", "tess")
    rows.in_duty("theo", "technical reviewer")
    assert waits_for("tess") == waits_for("theo") == []


def test_authors_and_people_who_signed_otherwise_are_not_asked() -> None:
    change = rows.change("in_review")
    rows.in_duty("ada", "author", "technical reviewer")
    rows.in_duty("tess", "technical reviewer", "compliance officer")
    rows.sign(change, "technical review", "tess", duty="technical reviewer")
    assert waits_for("ada") == waits_for("tess") == []
    rows.in_duty("cora", "compliance officer", "administrator")
    assert waits_for("cora") == []


@pytest.mark.parametrize(
    ("status", "who", "meaning"),
    [
        ("approved", ("ada", "quin", "theo"), "staging run"),
        ("staged", ("quin",), "staging acceptance"),
        ("accepted", ("theo",), "production authorization"),
        ("authorized", ("theo",), "execution"),
    ],
)
def test_each_status_waits_for_its_duties(status: str, who: tuple[str, ...], meaning: str) -> None:
    change = rows.change(status, items=False)
    for name in ("ada", "tess", "cora", "quin", "theo"):
        assert waits_for(name) == ([(change.code, meaning)] if name in who else [])


def test_open_items_wait_for_their_duties_and_for_the_authors_of_the_change() -> None:
    staged, deployed = rows.change("staged"), rows.change("deployed")
    rows.in_duty("mallory", "author")
    assert waits_for("cora") == [(staged.code, "checklist"), (deployed.code, "checklist")]
    assert waits_for("quin") == [(staged.code, "staging acceptance"), (deployed.code, "checklist")]
    assert waits_for("ada") == [(deployed.code, "checklist")]
    assert waits_for("mallory") == []
    assert inbox(person=rows.person("cora"), now=NOW).waiting[0].say == "1 item of its checklist is yours to attest."
    with acting(rows.person("cora")):
        staged.items.filter(duty="compliance officer", automatic=False).update(state="not applicable")
    assert waits_for("cora") == [(deployed.code, "checklist")]


def test_another_author_is_not_asked_to_stage_it() -> None:
    rows.change("approved")
    rows.in_duty("mallory", "author")
    assert waits_for("mallory") == []


def test_a_change_with_an_open_run_waits_for_its_end() -> None:
    change = rows.change("approved")
    run = rows.execution(change, rows.target("staging-eu", "staging"), purpose="stage", state="running", effect="none")
    assert waits_for("quin") == []
    assert inbox(person=rows.person("quin"), now=NOW).running == [run]


def test_the_verdict_waits_for_qa_once_the_watch_is_over() -> None:
    change = rows.change("deployed", items=False)
    rows.watch(change, started_at=NOW, ends_at=NOW + timedelta(minutes=1))
    assert waits_for("quin") == []
    late = inbox(person=rows.person("quin"), now=NOW + timedelta(minutes=2)).waiting
    assert [(one.change, one.since) for one in late] == [(change, NOW + timedelta(minutes=1))]


def test_an_incident_waits_for_each_of_its_two_duties() -> None:
    change = rows.change("rolled_back")
    found = rows.incident(change)
    assert waits_for("quin") == waits_for("theo") == [(change.code, "incident closure")]
    rows.sign(change, "incident closure", "quin", about={"incident": found.code})
    assert (waits_for("quin"), waits_for("theo")) == ([], [(change.code, "incident closure")])


def test_a_rollback_waits_for_a_second_person_who_is_not_the_first() -> None:
    change = rows.change("deployed", items=False)
    run = rows.execution(
        change, rows.target("prod", "production"), purpose="roll_back", direction="rollback", state="queued"
    )
    assert waits_for("theo") == waits_for("ada") == waits_for("quin") == []
    assert waits_for("tess") == waits_for("cora") == [(change.code, "second person")]
    assert inbox(person=rows.person("tess"), now=NOW).waiting[0].execution == run
    rows.sign(change, "second person", "cora", execution=run)
    assert waits_for("tess") == []


def test_a_production_run_waits_for_a_second_person_where_configured() -> None:
    change, place = rows.change("authorized"), rows.target("prod", "production")
    rows.execution(change, place, purpose="deploy", state="queued")
    assert waits_for("tess") == []
    with acting("setup"):
        Environment.objects.filter(name="production").update(second_person_at_start=True)
    assert waits_for("tess") == [(change.code, "second person")]


def test_a_lost_run_waits_for_a_tech_lead() -> None:
    change = rows.change("authorized")
    rows.execution(change, rows.target("prod", "production"), purpose="deploy", state="lost", effect="unknown")
    assert waits_for("theo") == [(change.code, "resolution")]
    assert waits_for("quin") == []


def test_it_lists_what_is_yours_and_waits_for_others() -> None:
    draft, reviewed, ended = rows.change(), rows.change("in_review"), rows.change("withdrawn")
    rows.sign(reviewed, "technical review", "tess")
    yours = {due.change.code: due.say for due in inbox(person=rows.person("ada"), now=NOW).yours}
    assert set(yours) == {draft.code, reviewed.code}
    assert ended.code not in yours
    assert yours[reviewed.code] == "It is being reviewed."
    assert [due.change for due in inbox(person=rows.person("tess"), now=NOW).yours] == [reviewed]
    assert inbox(person=rows.person("mallory"), now=NOW).yours == []


def test_the_oldest_comes_first() -> None:
    newer = rows.change("in_review", at=NOW)
    older = rows.change("in_review", at=NOW - timedelta(days=2))
    assert [code for code, _ in waits_for("tess")] == [older.code, newer.code]


def queries(username: str) -> tuple[int, int]:
    person = rows.person(username)
    with CaptureQueriesContext(connection) as caught:
        found = inbox(person=person, now=NOW)
        assert [due.change.opened_by.printed_name for due in [*found.waiting, *found.yours]]
        assert all(due.change.revision and due.change.revision.rollback_class for due in found.waiting)
    return len(caught), len(found.waiting)


def copies(change: ChangeRequest, count: int) -> None:
    """Many more changes like this one, and their authors, straight into the tables."""
    with acting("setup"):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO change_request SELECT (jsonb_populate_record(c, jsonb_build_object("
                "'id', c.id + 100000 + n, 'number', 100000 + n, 'code', 'CR-' || (100000 + n), 'status', 'draft',"
                " 'migration_number', 100000 + n))).* FROM change_request c, generate_series(1, %s) n WHERE c.id = %s",
                [count, change.pk],
            )
            cursor.execute("SELECT set_config('changecontrol.move', 'submit', true)")
            cursor.execute(
                "UPDATE change_request SET status = 'in_review', version = version + 1 WHERE number > 100000"
            )
            cursor.execute(
                "INSERT INTO change_author (change_id, person_id, because, at)"
                " SELECT id, opened_by_id, 'opened', opened_at FROM change_request WHERE number > 100000"
            )


@pytest.mark.parametrize("username", ["tess", "theo", "ada"])
def test_it_asks_the_same_number_of_queries_with_10_and_with_1000_changes(username: str, any_change: Any) -> None:
    for _ in range(9):
        rows.change("in_review", items=False)
    before, few = queries(username)
    copies(any_change, 990)
    after, many = queries(username)
    assert before == after <= 11
    assert username != "tess" or (few, many) == (10, 1000)


@pytest.fixture
def any_change() -> ChangeRequest:
    """A change in review, a draft of theo's, and another that waits for him."""
    made = rows.change("in_review", items=False)
    rows.change("accepted", items=False)
    return made
