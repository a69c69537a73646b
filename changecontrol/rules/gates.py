"""Gates: what must hold before an action, as sentences with who owes them.

The page lists the same sentences that the service raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from changecontrol.rules.lifecycle import Move, RollbackWay, Status
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning


@dataclass(frozen=True, slots=True)
class Unmet:
    """One condition that does not hold yet: the sentence, and who owes it."""

    sentence: str
    owed_by: str = ""


class GatesUnmet(Refused):
    """{sentences}"""

    def __init__(self, unmet: Sequence[Unmet]) -> None:
        self.unmet = tuple(unmet)
        super().__init__(sentences=" ".join(one.sentence for one in unmet))


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A checklist item that still has to be met before `gate`."""

    gate: str
    text: str
    duty: str
    automatic: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the gates ask about one change, gathered by the service; plain values only."""

    code: str
    status: Status
    now_s: float
    documentation_missing: tuple[str, ...] = ()
    blocking_findings: tuple[str, ...] = ()
    disk_differs: bool = False
    missing_meanings: tuple[Meaning, ...] = ()
    open_items: tuple[OpenItem, ...] = ()
    empty_duties: tuple[str, ...] = ()
    staging_targets: tuple[str, ...] = ()
    staging_unproven: tuple[str, ...] = ()
    staging_dirty: tuple[str, ...] = ()
    production_targets: tuple[str, ...] = ()
    production_incomplete: tuple[str, ...] = ()
    production_applied: tuple[str, ...] = ()
    open_executions: tuple[str, ...] = ()
    unregistered_targets: tuple[str, ...] = ()
    staging_unregistered: tuple[str, ...] = ()
    drifted_targets: tuple[str, ...] = ()
    rehearsal_submit: tuple[str, ...] = ()
    rehearsal_production: tuple[str, ...] = ()
    accepted_age_days: float | None = None
    acceptance_days: int = 7
    collisions: tuple[str, ...] = ()
    dependencies_missing: tuple[str, ...] = ()
    waits_for: tuple[Unmet, ...] = ()  # earlier members of its series, and releases of the application
    applied_later: tuple[str, ...] = ()
    way_back: RollbackWay = RollbackWay.SCRIPT
    open_incidents: tuple[str, ...] = ()
    incident_incomplete: tuple[str, ...] = ()
    incident_closures: frozenset[str] = field(default_factory=frozenset)
    watch_ends_in_s: float | None = None
    verdict_signed: bool = False


def _documentation(facts: Facts) -> list[Unmet]:
    """Return what the author still owes before the change can be submitted."""
    found = [Unmet(f"The field “{name}” is empty.", "author") for name in facts.documentation_missing]
    found += [
        Unmet(f"A blocking finding is neither mended nor waived: {text}", "author") for text in facts.blocking_findings
    ]
    if facts.disk_differs:
        found.append(
            Unmet("The file on disk is not the revision shown here. Take it as a new revision first.", "author")
        )
    found += [
        Unmet(f"Nobody active holds the duty {duty}, so this change could never be signed.", "administrator")
        for duty in facts.empty_duties
    ]
    return found


def _signatures(facts: Facts, *meanings: Meaning) -> list[Unmet]:
    """Return the missing signatures among `meanings`."""
    return [
        Unmet(f"The {meaning} is not signed.", _owner(meaning))
        for meaning in meanings
        if meaning in facts.missing_meanings
    ]


def _owner(meaning: Meaning) -> str:
    from changecontrol.rules.signing import DUTIES

    return " or ".join(DUTIES[meaning])


def _checklist(facts: Facts, move: str) -> list[Unmet]:
    """Return the open checklist items that gate `move`."""
    return [Unmet(f"Checklist: “{item.text}” is open.", item.duty) for item in facts.open_items if item.gate == move]


def _staging(facts: Facts) -> list[Unmet]:
    """Return what staging has not proven for the current content."""
    found: list[Unmet] = []
    if not facts.staging_targets:
        found.append(Unmet("No staging target is registered, so nothing can be proven.", "administrator"))
    found += [Unmet(f"The run on {name} has not succeeded for this content.", "QA") for name in facts.staging_unproven]
    return found


def _order(facts: Facts, where: str) -> list[Unmet]:
    """Return unmet dependencies, as sentences about `where`, and what else has to come first."""
    return [
        *(
            Unmet(f"Migration {name} has to be applied on {where} first.", "tech lead")
            for name in facts.dependencies_missing
        ),
        *facts.waits_for,
    ]


def _backwards(facts: Facts) -> list[Unmet]:
    """Return what keeps a change from leaving backwards or sideways."""
    found = [
        Unmet(f"The run {name} is still open. Wait for its end, abort or resolve it.", "tech lead")
        for name in facts.open_executions
    ]
    found += _applied(facts)
    if facts.status not in (Status.DRAFT, Status.IN_REVIEW):
        found += _staged(facts)
    return found


def _staged(facts: Facts) -> list[Unmet]:
    """Return where staging holds this change, and how to take it off: by its script, or by rebuilding the database."""
    if facts.way_back is RollbackWay.SCRIPT:
        return [
            Unmet(f"{name} still holds steps of {facts.code}. Start the staging rollback first.", "QA")
            for name in facts.staging_dirty
        ]
    return [
        Unmet(
            f"{name} still holds steps of {facts.code}, declared {facts.way_back}. "
            f"Restore or rebuild {name}, have it registered anew, then go on.",
            "tech lead",
        )
        for name in facts.staging_dirty
    ]


def _applied(facts: Facts) -> list[Unmet]:
    return [
        Unmet(f"Steps of {facts.code} are applied on {name} and not rolled back. Roll them back first.", "tech lead")
        for name in facts.production_applied
    ]


def _restage(facts: Facts) -> list[Unmet]:
    staged = _staged(facts)
    return [one for one in _backwards(facts) if one not in staged]


def _submit(facts: Facts) -> list[Unmet]:
    rehearsed = [Unmet(text, "author") for text in facts.rehearsal_submit]
    return _documentation(facts) + rehearsed + _checklist(facts, Move.SUBMIT)


def _approve(facts: Facts) -> list[Unmet]:
    return _signatures(facts, Meaning.TECHNICAL_REVIEW, Meaning.COMPLIANCE_REVIEW) + _checklist(facts, Move.APPROVE)


def _accept(facts: Facts) -> list[Unmet]:
    return _staging(facts) + _checklist(facts, Move.ACCEPT)


def _acceptance(facts: Facts) -> list[Unmet]:
    found = _signatures(facts, Meaning.STAGING_ACCEPTANCE)
    if facts.accepted_age_days is not None and facts.accepted_age_days > facts.acceptance_days:
        found.append(
            Unmet(
                f"Staging was accepted {facts.accepted_age_days:.0f} days ago; "
                f"older than {facts.acceptance_days} days no longer counts.",
                "QA",
            )
        )
    return found


def _authorize(facts: Facts) -> list[Unmet]:
    return (
        _signatures(facts, Meaning.AUTHORSHIP, Meaning.TECHNICAL_REVIEW, Meaning.COMPLIANCE_REVIEW)
        + _staging(facts)
        + _acceptance(facts)
        + [Unmet(text, "author or tech lead") for text in facts.rehearsal_production]
        + _checklist(facts, Move.AUTHORIZE)
        + _targets(facts)
    )


def _targets(facts: Facts) -> list[Unmet]:
    found: list[Unmet] = []
    if not facts.production_targets:
        found.append(Unmet("No production target is registered.", "administrator"))
    found += [
        Unmet(f"{name} is not registered, or its ledger is not created yet.", "administrator")
        for name in facts.unregistered_targets
    ]
    return found


def _run_production(facts: Facts) -> list[Unmet]:
    """Return what keeps a production run from starting; asked by the page, by the verb and again by the worker."""
    found = _authorize(facts) + _signatures(facts, Meaning.PRODUCTION_AUTHORIZATION)
    if facts.status is not Status.AUTHORIZED:
        found.append(
            Unmet(f"{facts.code} is {facts.status}, and only an authorized change runs on production.", "tech lead")
        )
    found += _order(facts, "production")
    found += [Unmet(text, "tech lead") for text in facts.collisions]
    return found


def _run_staging(facts: Facts) -> list[Unmet]:
    found = _signatures(facts, Meaning.AUTHORSHIP, Meaning.TECHNICAL_REVIEW, Meaning.COMPLIANCE_REVIEW)
    if facts.status is not Status.APPROVED:
        found.append(Unmet(f"{facts.code} is {facts.status}, and only an approved change runs on staging.", "QA"))
    if not facts.staging_targets:
        found.append(Unmet("No staging target is registered, so nothing can be proven.", "administrator"))
    found += [
        Unmet(f"The staging target {name} is not registered, or its ledger is not created yet.", "administrator")
        for name in facts.staging_unregistered
    ]
    return found + _order(facts, "staging")


def _roll_back(facts: Facts) -> list[Unmet]:
    found: list[Unmet] = []
    if facts.way_back is not RollbackWay.SCRIPT:
        found.append(
            Unmet(f"This change was declared {facts.way_back}, so it has no rollback script to run.", "tech lead")
        )
    found += [
        Unmet(f"Migration {name} was applied later and depends on it. Roll that back first.", "tech lead")
        for name in facts.applied_later
    ]
    return found


def _undo_staging(facts: Facts) -> list[Unmet]:
    """Return what keeps staging from being rolled back; with steps on production that is none of the exits."""
    found = _applied(facts) + _roll_back(facts)
    return found if facts.way_back is RollbackWay.SCRIPT else found + _staged(facts)


def _deploy(facts: Facts) -> list[Unmet]:
    return [
        Unmet(f"{name} has not completed and verified this change.", "tech lead")
        for name in facts.production_incomplete
    ]


def _close(facts: Facts) -> list[Unmet]:
    found = [Unmet(f"The run {name} is still open.", "tech lead") for name in facts.open_executions]
    if facts.status is Status.ROLLED_BACK:
        found += [Unmet(text, "QA") for text in facts.incident_incomplete]
        found += [
            Unmet(f"The incident closure is not signed by a {duty}.", duty)
            for duty in ("QA", "tech lead")
            if duty not in facts.incident_closures
        ]
        return found
    if facts.watch_ends_in_s is None or facts.watch_ends_in_s > 0:
        found.append(Unmet("The watch of production is not over yet.", "QA"))
    found += [Unmet(f"{name} is not closed.", "QA and tech lead") for name in facts.open_incidents]
    if not facts.verdict_signed:
        found.append(Unmet("The watch verdict is not signed.", "QA"))
    return found + _checklist(facts, Move.CLOSE)


_ACTIONS = {
    Move.SUBMIT: _submit,
    Move.APPROVE: _approve,
    Move.ACCEPT: _accept,
    Move.AUTHORIZE: _authorize,
    Move.DEPLOY: _deploy,
    Move.CLOSE: _close,
    Move.RECALL: _backwards,
    Move.REJECT: _backwards,
    Move.SEND_BACK: _backwards,
    Move.WITHDRAW: _backwards,
    Move.RESTAGE: _restage,
    Move.STAGE: _staging,
    "run_staging": _run_staging,
    "run_production": _run_production,
    "run_rollback": _roll_back,
    "undo_staging": _undo_staging,
}


def unmet(action: str, facts: Facts) -> list[Unmet]:
    """Return the conditions that do not hold for `action`: a Move, or one of the names above."""
    return _ACTIONS[action](facts) if action in _ACTIONS else []


def ensure(action: str, facts: Facts) -> None:
    """Raise GatesUnmet with every sentence if anything that `action` needs does not hold."""
    if found := unmet(action, facts):
        raise GatesUnmet(found)
