"""The statements of a frozen revision in words, and which of them touch protected tables."""

from __future__ import annotations

from dataclasses import dataclass

from changecontrol.models import Revision
from changecontrol.rules import summary
from changecontrol.rules.policy import Policy
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script, from_json
from changecontrol.rules.signing import Meaning
from changecontrol.services import freezing


@dataclass(frozen=True, slots=True)
class StatementView:
    """One statement for a page: number, step, a sentence (names in backticks), kind, line and the SQL itself."""

    number: int
    step: int
    text: str
    kind: str
    understood: bool
    protected: bool
    line: int
    sql: str


def script(revision: Revision | None, direction: str) -> Script | None:
    """Return the frozen plan of one file, or None where the revision has no such file."""
    plan = revision.plan.get(direction) if revision else None
    return from_json(plan) if plan else None


def policy() -> Policy | None:
    """Return the policy of the migrations repository as it is now, or None where it cannot be read."""
    try:
        return freezing.repository().policy()
    except Refused:
        return None


def protected_tables(revision: Revision | None, policy: Policy | None) -> list[str]:
    """Return the protected tables that forward or rollback script touch, as written there, in order.

    Without a readable policy the frozen routing decides: every table of a statement that needs a compliance review.
    """
    found: dict[str, None] = {}
    reasons = (revision.routing.get("reasons") or []) if revision else []
    asked = {
        (one["direction"], one["statement_number"])
        for one in reasons
        if Meaning.COMPLIANCE_REVIEW in one.get("reviews", ())
    }
    for direction in ("forward", "rollback"):
        read = script(revision, direction)
        for statement in read.statements if read else ():
            for table in statement.tables:
                routed = (direction, statement.number) in asked
                if policy.protects(table) if policy else routed:
                    found[table] = None
    return list(found)


def sentences(revision: Revision | None, direction: str, protected: list[str]) -> list[StatementView]:
    """Return the statements of one file in words; [] where the revision has no such file."""
    read = script(revision, direction)
    found = []
    for step in read.steps if read else ():
        for statement in step.statements:
            said = summary.sentence(statement)
            found.append(
                StatementView(
                    number=statement.number,
                    step=step.number,
                    text=said.text,
                    kind=said.kind,
                    understood=said.understood,
                    protected=any(table in protected for table in statement.tables),
                    line=statement.line,
                    sql=statement.sql,
                )
            )
    return found
