"""The twelve checklists, word for word."""

from __future__ import annotations

from collections import Counter

from changecontrol.rules.checklists import FACTS, LISTS, gating, items
from changecontrol.rules.lifecycle import Duty, Move

#: The strategy document's lists in their own words, as they stand there (emphasis marks left out).
STRATEGY = {
    "change_request_documentation": """
        Change request ID: TICKET-XXX
        Change description: What is being changed and why
        Impact assessment: What systems/data are affected
        Risk assessment: Potential risks and mitigation strategies
        Compliance impact: Does this affect audit trail, validation, or compliance?
    """,
    "pre_migration": """
        Migration file created: database/migrations/XXX_description.sql
        Rollback file created: database/migrations/rollback/XXX_rollback.sql
        Migration tested locally
        Rollback tested locally
        PR created and reviewed
        Technical review approval
        Compliance review (if applicable)
    """,
    "staging_validation": """
        Run full test suite
        Verify application functionality
        Check audit trail integrity
        Performance test if schema affects queries
        Verify RLS policies still work
        Check compliance report generation
    """,
    "staging": """
        Migration applied to staging
        Application tested on staging
        Performance tested
        Compliance verified
        QA approval obtained
        Rollback tested on staging
    """,
    "testing_and_validation": """
        Unit tests: Migration logic tested
        Integration tests: Application still works with new schema
        Regression tests: Existing functionality unaffected
        Performance tests: No significant performance degradation
        Compliance tests: Audit trail integrity maintained
    """,
    "pre_deployment": """
        Migration tested on staging
        Rollback tested on staging
        QA approval obtained
        Backup plan documented
        Maintenance window scheduled (if required)
        Team notified
        Rollback team on standby
    """,
    "review_and_approval": """
        Technical review: Database architect or senior engineer
        Compliance review: Compliance officer (if compliance-related)
        QA review: QA team sign-off after staging validation
        Change approval: Technical lead approval
    """,
    "production_verification": """
        Migration completed successfully
        Application health checks pass
        Audit trail integrity maintained
        No error rate increase
        Performance metrics normal
        User functionality verified
    """,
    "production": """
        Backup created
        Team notified
        Migration applied
        Verification completed
        Monitoring active
        Documentation updated
    """,
    "post_migration": """
        No issues after 24 hours
        No issues after 48 hours
        Migration logged in change control
        Lessons learned documented (if applicable)
    """,
    "documentation": """
        Migration file: Documented with comments
        Rollback file: Documented with comments
        Change log: Entry added to CHANGELOG.md
        Architecture docs: Updated if architectural change
        Compliance docs: Updated if compliance-related
    """,
    "post_deployment": """
        Migration executed: Timestamp and executor logged
        Verification completed: All checks passed
        Documentation updated: Production schema documented
        Lessons learned: Any issues documented for future reference
    """,
}


def test_it_holds_all_twelve_lists_word_for_word_and_nothing_else() -> None:
    ours = {checklist.key: [item.text for item in checklist.items] for checklist in LISTS}
    theirs = {key: [line.strip() for line in text.strip().splitlines()] for key, text in STRATEGY.items()}
    assert ours == theirs
    assert len(LISTS) == 12


def test_it_gates_each_list_at_its_move() -> None:
    moves = {checklist.key: checklist.gate_move for checklist in LISTS}
    assert moves.pop("change_request_documentation") is Move.SUBMIT
    assert moves.pop("pre_migration") is Move.APPROVE
    assert {moves.pop(key) for key in ("staging_validation", "staging", "testing_and_validation")} == {Move.ACCEPT}
    assert {moves.pop(key) for key in ("pre_deployment", "review_and_approval")} == {Move.AUTHORIZE}
    assert set(moves.values()) == {Move.CLOSE}


def test_it_names_every_item_once_and_every_fact_it_leans_on() -> None:
    counted = Counter(item.key for _checklist, item in items())
    assert set(counted.values()) == {1}
    for _checklist, item in items():
        assert item.automatic == bool(item.fact)
        assert not item.automatic or item.fact in FACTS
    assert {item.fact for _checklist, item in items() if item.fact} == set(FACTS)


def test_it_gives_every_item_to_a_duty_that_signs() -> None:
    signing = {Duty.AUTHOR, Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER, Duty.QA, Duty.TECH_LEAD}
    assert {item.duty for _checklist, item in items()} == signing


def test_it_never_owes_an_item_that_the_gated_move_itself_ticks() -> None:
    ticked = {item.key for _checklist, item in items() if item.ticked_by_move}
    assert ticked == {"pre_technical", "pre_compliance", "staging_approval", "review_approval"}
    owed = {item.key for move in Move for item in gating(move)}
    assert owed == {item.key for _checklist, item in items()} - ticked
