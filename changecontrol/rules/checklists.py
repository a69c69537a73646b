"""The twelve checklists of the migration strategy, word for word, as templates that are copied into each change.

An item is either automatic (bound to a fact; nobody can tick it by hand) or attested (person, time, text or file).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from changecontrol.rules.lifecycle import Duty, Move

#: What each fact must mean when the service evaluates it. An automatic item is met exactly while its fact is true.
FACTS: dict[str, str] = {
    "ticket_given": "the ticket is filled in",
    "description_given": "the description is filled in",
    "impact_given": "the impact assessment is filled in",
    "risk_given": "the risk assessment is filled in",
    "compliance_impact_given": "the three questions about compliance impact are answered",
    "forward_file_exists": "the revision holds a forward script",
    "rollback_file_exists": "the revision holds a rollback script, or declares a class that has none",
    "tested_locally": "this script ran forward on a development target, or an uploaded rehearsal of it did",
    "rollback_tested_locally": "the same for its rollback, or the class has none",
    "technical_review_signed": "a technical review of the current content is signed",
    "compliance_review_signed_or_not_needed": "a compliance review is signed, or nothing and nobody asks for one",
    "staging_applied": "the forward script is on every staging target",
    "staging_rollback_tested": "the rollback ran on staging and was compared, or the class has its own proof",
    "staging_accepted": "a staging acceptance of the current content is signed",
    "production_authorized": "a production authorization of the current content is signed",
    "production_applied": "every step is in the ledger of every production target",
    "production_verified": "verify script and standing checks passed after the run on every production target",
    "checks_green": "the standing checks were green after the last staging run",
    "executed_logged": "each production run is recorded with its time and its executor",
    "change_logged": "the CHANGELOG entry and the migration log lines are generated from the records",
    "watch_24h": "24 hours of the watch have passed without an open incident",
    "watch_48h": "48 hours of the watch have passed without an open incident",
    "forward_documented": "the forward script carries its header and comments",
    "rollback_documented": "the rollback script carries its header and comments, or the class has none",
    "pull_request_given": "the address of the pull request is filled in",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a checklist. `fact` is empty for attested items.

    `ticked_by_move` marks an item that records the very signature the gated move asks for: the move ticks it, so it
    is shown but never owed before.
    """

    key: str
    text: str
    duty: Duty
    automatic: bool = False
    fact: str = ""
    ticked_by_move: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """One list: shown under `title`, complete before `gate_move`. Keys of items are unique over all lists."""

    key: str
    title: str
    gate_move: Move
    items: tuple[Item, ...]


def _auto(key: str, text: str, duty: Duty, fact: str, *, ticked_by_move: bool = False) -> Item:
    return Item(key, text, duty, automatic=True, fact=fact, ticked_by_move=ticked_by_move)


_CHANGE_REQUEST = Checklist(
    "change_request_documentation",
    "Change Request Documentation",
    Move.SUBMIT,
    (
        _auto("request_id", "Change request ID: TICKET-XXX", Duty.AUTHOR, "ticket_given"),
        _auto(
            "request_description",
            "Change description: What is being changed and why",
            Duty.AUTHOR,
            "description_given",
        ),
        _auto(
            "request_impact",
            "Impact assessment: What systems/data are affected",
            Duty.AUTHOR,
            "impact_given",
        ),
        _auto(
            "request_risk",
            "Risk assessment: Potential risks and mitigation strategies",
            Duty.AUTHOR,
            "risk_given",
        ),
        _auto(
            "request_compliance",
            "Compliance impact: Does this affect audit trail, validation, or compliance?",
            Duty.AUTHOR,
            "compliance_impact_given",
        ),
    ),
)

_PRE_MIGRATION = Checklist(
    "pre_migration",
    "Pre-Migration",
    Move.APPROVE,
    (
        _auto(
            "pre_forward",
            "Migration file created: database/migrations/XXX_description.sql",
            Duty.AUTHOR,
            "forward_file_exists",
        ),
        _auto(
            "pre_rollback",
            "Rollback file created: database/migrations/rollback/XXX_rollback.sql",
            Duty.AUTHOR,
            "rollback_file_exists",
        ),
        _auto("pre_tested", "Migration tested locally", Duty.AUTHOR, "tested_locally"),
        _auto("pre_rollback_tested", "Rollback tested locally", Duty.AUTHOR, "rollback_tested_locally"),
        # "Reviewed" is carried by the next two items, which gate the same move.
        _auto("pre_pull_request", "PR created and reviewed", Duty.AUTHOR, "pull_request_given"),
        _auto(
            "pre_technical",
            "Technical review approval",
            Duty.TECHNICAL_REVIEWER,
            "technical_review_signed",
            ticked_by_move=True,
        ),
        _auto(
            "pre_compliance",
            "Compliance review (if applicable)",
            Duty.COMPLIANCE_OFFICER,
            "compliance_review_signed_or_not_needed",
            ticked_by_move=True,
        ),
    ),
)

_STAGING_VALIDATION = Checklist(
    "staging_validation",
    "Staging Phase: Validation",
    Move.ACCEPT,
    (
        Item("validation_suite", "Run full test suite", Duty.QA),
        Item("validation_application", "Verify application functionality", Duty.QA),
        _auto("validation_audit", "Check audit trail integrity", Duty.QA, "checks_green"),
        Item("validation_performance", "Performance test if schema affects queries", Duty.QA),
        Item("validation_rls", "Verify RLS policies still work", Duty.QA),
        Item("validation_reports", "Check compliance report generation", Duty.QA),
    ),
)

_STAGING = Checklist(
    "staging",
    "Staging",
    Move.ACCEPT,
    (
        _auto("staging_applied", "Migration applied to staging", Duty.QA, "staging_applied"),
        Item("staging_application", "Application tested on staging", Duty.QA),
        Item("staging_performance", "Performance tested", Duty.QA),
        Item("staging_compliance", "Compliance verified", Duty.COMPLIANCE_OFFICER),
        _auto("staging_approval", "QA approval obtained", Duty.QA, "staging_accepted", ticked_by_move=True),
        _auto("staging_rollback", "Rollback tested on staging", Duty.QA, "staging_rollback_tested"),
    ),
)

_TESTING = Checklist(
    "testing_and_validation",
    "Testing and Validation",
    Move.ACCEPT,
    (
        Item("tests_unit", "Unit tests: Migration logic tested", Duty.QA),
        Item("tests_integration", "Integration tests: Application still works with new schema", Duty.QA),
        Item("tests_regression", "Regression tests: Existing functionality unaffected", Duty.QA),
        Item("tests_performance", "Performance tests: No significant performance degradation", Duty.QA),
        _auto("tests_compliance", "Compliance tests: Audit trail integrity maintained", Duty.QA, "checks_green"),
    ),
)

_PRE_DEPLOYMENT = Checklist(
    "pre_deployment",
    "Pre-Deployment Checklist",
    Move.AUTHORIZE,
    (
        _auto("deploy_staging", "Migration tested on staging", Duty.QA, "staging_applied"),
        _auto("deploy_rollback", "Rollback tested on staging", Duty.QA, "staging_rollback_tested"),
        _auto("deploy_approval", "QA approval obtained", Duty.QA, "staging_accepted"),
        Item("deploy_backup", "Backup plan documented", Duty.TECH_LEAD),
        Item("deploy_window", "Maintenance window scheduled (if required)", Duty.TECH_LEAD),
        Item("deploy_team", "Team notified", Duty.TECH_LEAD),
        Item("deploy_standby", "Rollback team on standby", Duty.TECH_LEAD),
    ),
)

_REVIEW = Checklist(
    "review_and_approval",
    "Review and Approval",
    Move.AUTHORIZE,
    (
        _auto(
            "review_technical",
            "Technical review: Database architect or senior engineer",
            Duty.TECHNICAL_REVIEWER,
            "technical_review_signed",
        ),
        _auto(
            "review_compliance",
            "Compliance review: Compliance officer (if compliance-related)",
            Duty.COMPLIANCE_OFFICER,
            "compliance_review_signed_or_not_needed",
        ),
        _auto("review_qa", "QA review: QA team sign-off after staging validation", Duty.QA, "staging_accepted"),
        _auto(
            "review_approval",
            "Change approval: Technical lead approval",
            Duty.TECH_LEAD,
            "production_authorized",
            ticked_by_move=True,
        ),
    ),
)

_PRODUCTION_VERIFICATION = Checklist(
    "production_verification",
    "Production Phase: Verification",
    Move.CLOSE,
    (
        _auto("verified_completed", "Migration completed successfully", Duty.TECH_LEAD, "production_applied"),
        Item("verified_health", "Application health checks pass", Duty.QA),
        _auto("verified_audit", "Audit trail integrity maintained", Duty.QA, "production_verified"),
        Item("verified_errors", "No error rate increase", Duty.QA),
        Item("verified_performance", "Performance metrics normal", Duty.QA),
        Item("verified_users", "User functionality verified", Duty.QA),
    ),
)

_PRODUCTION = Checklist(
    "production",
    "Production",
    Move.CLOSE,
    (
        Item("production_backup", "Backup created", Duty.TECH_LEAD),
        Item("production_team", "Team notified", Duty.TECH_LEAD),
        _auto("production_applied", "Migration applied", Duty.TECH_LEAD, "production_applied"),
        _auto("production_verified", "Verification completed", Duty.TECH_LEAD, "production_verified"),
        Item("production_monitoring", "Monitoring active", Duty.QA),
        Item("production_documentation", "Documentation updated", Duty.AUTHOR),
    ),
)

_POST_MIGRATION = Checklist(
    "post_migration",
    "Post-Migration",
    Move.CLOSE,
    (
        _auto("post_24h", "No issues after 24 hours", Duty.QA, "watch_24h"),
        _auto("post_48h", "No issues after 48 hours", Duty.QA, "watch_48h"),
        _auto("post_logged", "Migration logged in change control", Duty.TECH_LEAD, "change_logged"),
        Item("post_lessons", "Lessons learned documented (if applicable)", Duty.QA),
    ),
)

_DOCUMENTATION = Checklist(
    "documentation",
    "Documentation",
    Move.CLOSE,
    (
        _auto("docs_forward", "Migration file: Documented with comments", Duty.AUTHOR, "forward_documented"),
        _auto("docs_rollback", "Rollback file: Documented with comments", Duty.AUTHOR, "rollback_documented"),
        _auto("docs_change_log", "Change log: Entry added to CHANGELOG.md", Duty.AUTHOR, "change_logged"),
        Item("docs_architecture", "Architecture docs: Updated if architectural change", Duty.AUTHOR),
        Item("docs_compliance", "Compliance docs: Updated if compliance-related", Duty.COMPLIANCE_OFFICER),
    ),
)

_POST_DEPLOYMENT = Checklist(
    "post_deployment",
    "Post-Deployment",
    Move.CLOSE,
    (
        _auto(
            "deployed_executed",
            "Migration executed: Timestamp and executor logged",
            Duty.TECH_LEAD,
            "executed_logged",
        ),
        _auto(
            "deployed_verified",
            "Verification completed: All checks passed",
            Duty.TECH_LEAD,
            "production_verified",
        ),
        Item("deployed_documentation", "Documentation updated: Production schema documented", Duty.AUTHOR),
        Item("deployed_lessons", "Lessons learned: Any issues documented for future reference", Duty.QA),
    ),
)

#: In the order in which a change meets them.
LISTS: tuple[Checklist, ...] = (
    _CHANGE_REQUEST,
    _PRE_MIGRATION,
    _STAGING_VALIDATION,
    _STAGING,
    _TESTING,
    _PRE_DEPLOYMENT,
    _REVIEW,
    _PRODUCTION_VERIFICATION,
    _PRODUCTION,
    _POST_MIGRATION,
    _DOCUMENTATION,
    _POST_DEPLOYMENT,
)


def items() -> Iterator[tuple[Checklist, Item]]:
    """Yield every item with its list, in order."""
    return ((checklist, item) for checklist in LISTS for item in checklist.items)


def gating(move: Move) -> Iterator[Item]:
    """Yield the items that are owed before `move`; without those that the move itself ticks."""
    return (item for checklist, item in items() if checklist.gate_move == move and not item.ticked_by_move)
