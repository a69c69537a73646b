"""What the gates are told about a change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.models import LedgerCopy, Waiver
from changecontrol.rules import checklists, gates
from changecontrol.rules.lifecycle import RollbackWay
from changecontrol.rules.signing import Meaning
from changecontrol.services import checklist_facts
from changecontrol.services.facts import gather
from changecontrol.services.recording import acting
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db

PROVEN: dict[str, Any] = {
    "passes": [
        {"phase": "forward", "state": "succeeded"},
        {"phase": "rollback", "state": "succeeded"},
        {"phase": "forward again", "state": "succeeded"},
    ],
    "verify": {"forward": {"ok": True}, "forward again": {"ok": True}},
    "checks": {"after": [{"name": "audit chain", "ok": True}]},
}


def facts_of(change: Any, **more: Any) -> gates.Facts:
    change.refresh_from_db()
    return gather(change=change, now=NOW, **more)


def test_it_names_each_empty_field() -> None:
    found = facts_of(rows.change(ticket="", risk_severity=None, mitigation="  "))
    assert found.documentation_missing == ("Ticket", "Risk severity", "Mitigation")
    assert gates.unmet("submit", found)[0].sentence == "The field “Ticket” is empty."


def test_it_says_an_empty_field_once() -> None:
    sentences = [one.sentence for one in gates.unmet("submit", facts_of(rows.change(ticket="")))]
    assert sentences == ["The field “Ticket” is empty."]


def test_it_counts_a_blocking_finding_until_it_is_waived() -> None:
    finding = {"rule": "no-rollback", "severity": "error", "file": "a.sql", "line": 3, "column": 1, "message": "No."}
    change = rows.change(revised={"findings": (finding, {**finding, "severity": "warning", "line": 4})})
    assert facts_of(change).blocking_findings == ("a.sql:3: No.",)
    with acting(change.opened_by):
        Waiver.objects.create(
            change=change,
            rule="no-rollback",
            file="a.sql",
            line=3,
            reason="Known.",
            waived_by=change.opened_by,
            waived_at=NOW,
            revision=change.revision,
        )
    assert facts_of(change).blocking_findings == ()


def test_it_names_the_missing_signatures_of_the_current_content() -> None:
    change = rows.change("in_review", revised={"reviews": ("technical review",)})
    assert Meaning.COMPLIANCE_REVIEW not in facts_of(change).missing_meanings
    rows.sign(change, "authorship", "ada")
    rows.sign(change, "technical review", "tess")
    assert facts_of(change).missing_meanings == (
        Meaning.STAGING_ACCEPTANCE,
        Meaning.PRODUCTION_AUTHORIZATION,
        Meaning.WATCH_VERDICT,
    )
    with acting(change.opened_by):
        change.content_digest = "f" * 64
        change.save()
    assert Meaning.TECHNICAL_REVIEW in facts_of(change).missing_meanings


def test_it_needs_a_compliance_review_once_somebody_asked() -> None:
    change = rows.change("in_review", revised={"reviews": ("technical review",)})
    with acting("setup"):
        change.compliance_asked_by = rows.person("tess")
        change.save()
    assert Meaning.COMPLIANCE_REVIEW in facts_of(change).missing_meanings


def test_it_owes_attested_items_and_false_facts_but_not_what_the_move_ticks() -> None:
    owed = {one.text for one in facts_of(rows.change("in_review")).open_items if one.gate == "approve"}
    assert owed == {"Migration tested locally", "Rollback tested locally"}


def test_it_takes_a_run_of_the_same_script_on_development_as_the_local_test() -> None:
    change, place = rows.change("in_review"), rows.target("dev", "development")
    rows.execution(change, place, purpose="develop")
    known = checklist_facts.evaluate(change, now=NOW)
    assert (known["tested_locally"], known["rollback_tested_locally"]) == (True, False)
    rows.execution(change, place, purpose="develop", direction="rollback", effect="none")
    assert checklist_facts.evaluate(change, now=NOW)["rollback_tested_locally"]


def test_it_knows_every_fact_that_a_list_names() -> None:
    named = {item.fact for _, item in checklists.items() if item.automatic}
    assert named <= set(checklist_facts.evaluate(rows.change(), now=NOW)) == set(checklists.FACTS)


def test_it_sees_what_staging_proved_and_what_it_holds() -> None:
    change, place = rows.change("approved"), rows.target("staging-eu", "staging")
    found = facts_of(change)
    assert (found.staging_targets, found.staging_unproven, found.staging_dirty) == (
        ("staging-eu",),
        ("staging-eu",),
        (),
    )
    rows.execution(change, place, purpose="stage", outcome=PROVEN)
    found = facts_of(change)
    assert (found.staging_unproven, found.staging_dirty) == ((), ("staging-eu",))
    known = checklist_facts.evaluate(change, now=NOW)
    assert known["staging_applied"] and known["staging_rollback_tested"] and known["checks_green"]
    rows.execution(
        change, place, purpose="undo_staging", direction="rollback", effect="none", at=NOW + timedelta(hours=1)
    )
    assert facts_of(change).staging_dirty == ()


def test_it_counts_no_staging_run_of_other_content() -> None:
    change, place = rows.change("approved"), rows.target("staging-eu", "staging")
    rows.execution(change, place, purpose="stage", outcome=PROVEN, content_digest="0" * 64)
    assert facts_of(change).staging_unproven == ("staging-eu",)


def test_a_run_that_no_worker_claimed_says_nothing_about_the_target() -> None:
    change, place = rows.change("deployed"), rows.target("prod", "production")
    rows.execution(change, place, purpose="deploy", outcome=PROVEN)
    rows.execution(
        change,
        place,
        purpose="roll_back",
        direction="rollback",
        state="cancelled",
        effect="none",
        claimed=False,
        at=NOW + timedelta(hours=1),
    )
    found = facts_of(change)
    assert (found.production_applied, found.production_incomplete) == (("prod",), ())


def test_it_sees_a_partly_applied_production() -> None:
    change, place = rows.change("authorized"), rows.target("prod", "production")
    rows.execution(change, place, purpose="deploy", state="failed", effect="partial")
    found = facts_of(change)
    assert (found.production_applied, found.production_incomplete) == (("prod",), ("prod",))
    assert next(one.sentence for one in gates.unmet("withdraw", found)).startswith("Steps of ")


def test_it_names_targets_without_a_ledger_and_open_runs() -> None:
    change = rows.change("approved")
    rows.target("new-prod", "production", registered=False)
    rows.target("new-dev", "development", registered=False)
    run = rows.execution(change, rows.target("staging-eu", "staging"), purpose="stage", state="queued")
    found = facts_of(change)
    assert found.unregistered_targets == ("new-prod",)
    assert (found.open_executions, found.production_targets) == ((run.code,), ())


def test_it_asks_dependencies_of_every_target_of_the_environment() -> None:
    first, second = rows.target("staging-a", "staging"), rows.target("staging-b", "staging")
    one = rows.change("approved", migration=1)
    change = rows.change("approved", migration=3, revised={"dependencies": ("001", "002")})
    for place in (first, second):
        rows.execution(one, place, purpose="stage")
    assert facts_of(change).dependencies_missing == ("002",)
    with acting("worker"):
        for at, place in enumerate((first, second)):
            LedgerCopy.objects.create(
                target=place,
                target_uuid=place.uuid,
                ledger_id=at,
                kind="baseline",
                migration="002_metadata",
                direction="forward",
                row={},
            )
    assert facts_of(change).dependencies_missing == ()
    rows.target("prod", "production")
    assert facts_of(change, environment_kind="production").dependencies_missing == ("001", "002")
    rows.execution(
        one, second, purpose="undo_staging", direction="rollback", effect="none", at=NOW + timedelta(hours=1)
    )
    assert facts_of(change).dependencies_missing == ("001",)


def test_it_names_later_migrations_on_production() -> None:
    place = rows.target("prod", "production")
    change, later = rows.change("deployed", migration=4), rows.change("deployed", migration=5)
    for one in (change, later):
        rows.execution(one, place, purpose="deploy")
    assert facts_of(change).applied_later == ("005",)
    assert facts_of(later).applied_later == ()
    assert facts_of(change, environment_kind="staging").applied_later == ()


def test_a_staging_run_from_before_the_change_was_staged_again_proves_nothing() -> None:
    change, place = rows.change("staged"), rows.target("staging-eu", "staging")
    rows.execution(change, place, purpose="stage", outcome=PROVEN)
    assert facts_of(change).staging_unproven == ()
    with acting("setup"):
        rows.move(change, "restage", "approved", at=NOW + timedelta(hours=1))
    assert facts_of(change).staging_unproven == ("staging-eu",)


@pytest.mark.parametrize(
    ("declared", "way"),
    [
        ("lossless", RollbackWay.SCRIPT),
        ("lossy", RollbackWay.SCRIPT),
        ("forward-fix only", RollbackWay.FORWARD_FIX),
        ("restore only", RollbackWay.RESTORE),
    ],
)
def test_it_reads_the_way_back_from_the_declared_class(declared: str, way: RollbackWay) -> None:
    assert facts_of(rows.change(revised={"rollback_class": declared})).way_back is way


def test_it_tells_the_age_of_the_newest_acceptance() -> None:
    change = rows.change("staged")
    rows.sign(change, "staging acceptance", "quin", at=NOW - timedelta(days=9))
    assert facts_of(change).accepted_age_days == pytest.approx(9)
    assert "older than 7 days" in " ".join(one.sentence for one in gates.unmet("authorize", facts_of(change)))


def test_it_tells_incidents_their_gaps_and_their_closures() -> None:
    change = rows.change("rolled_back")
    found = rows.incident(change, cause="A lock.")
    rows.sign(change, "incident closure", "quin", about={"incident": found.code})
    rows.sign(change, "incident closure", "theo", about={"incident": "I-9999"})
    facts = facts_of(change)
    assert facts.open_incidents == (found.code,)
    assert facts.incident_incomplete == (f"{found.code} has no lesson yet.",)
    assert facts.incident_closures == {"QA"}


def test_the_watch_counts_hours_or_its_shortened_end() -> None:
    change = rows.change("deployed")
    rows.watch(change, started_at=NOW - timedelta(hours=30), ends_at=NOW + timedelta(hours=18))
    known = checklist_facts.evaluate(change, now=NOW)
    assert (known["watch_24h"], known["watch_48h"]) == (True, False)
    assert facts_of(change).watch_ends_in_s == 18 * 3600
    short = rows.change("deployed")
    rows.watch(short, started_at=NOW - timedelta(minutes=2), ends_at=NOW - timedelta(minutes=1))
    known = checklist_facts.evaluate(short, now=NOW)
    assert (known["watch_24h"], known["watch_48h"]) == (True, True)


def test_it_names_duties_nobody_can_sign_under() -> None:
    change = rows.change()
    assert facts_of(change).empty_duties == ()
    rows.in_duty("quin")
    assert facts_of(change).empty_duties == ("QA",)
    rows.in_duty("quin", "QA", "administrator")
    assert facts_of(change).empty_duties == ("QA",)
    rows.in_duty("quin")
    rows.in_duty("ada", "author", "QA")
    assert facts_of(change).empty_duties == ("QA apart from its authors",)
    rows.in_duty("ada", "author")
    rows.in_duty("tess", "technical reviewer", "QA")
    assert facts_of(change).empty_duties == ("QA apart from those who sign under another duty",)


def test_it_moves_people_aside_before_it_calls_a_duty_empty() -> None:
    change = rows.change()
    rows.in_duty("tess", "technical reviewer", "QA")
    rows.in_duty("quin", "technical reviewer")
    assert facts_of(change).empty_duties == ()


def test_it_asks_the_same_number_of_queries_however_much_happened() -> None:
    quiet, busy = rows.change("approved", items=False), rows.change("approved")
    for at in range(10):
        place = rows.target(f"staging-{at}", "staging")
        for _ in range(3):
            rows.execution(busy, place, purpose="stage", outcome=PROVEN)
    for name, who in (("authorship", "ada"), ("technical review", "tess"), ("compliance review", "cora")):
        rows.sign(busy, name, who)

    def queries(change: Any) -> int:
        change.refresh_from_db()
        with CaptureQueriesContext(connection) as caught:
            gather(change=change, now=NOW)
        return len(caught)

    assert queries(quiet) == queries(busy) <= 16
