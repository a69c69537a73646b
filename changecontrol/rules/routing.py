"""Which reviews a change needs, and why: the first rule that fits a statement decides; then the union (design 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changecontrol.rules.deeds import Deed, deeds
from changecontrol.rules.plan import Direction, Script, Statement
from changecontrol.rules.policy import Policy, RoutingRule

TECHNICAL = "technical review"
COMPLIANCE = "compliance review"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one statement needs which reviews. `rule` is empty when no rule fits."""

    statement_number: int
    direction: Direction
    rule: str
    sentence: str
    reviews: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Routing:
    """The reviews needed, as meanings of signatures, and the reason for each statement, in order."""

    reviews: frozenset[str]
    reasons: tuple[Reason, ...]

    @property
    def for_compliance(self) -> tuple[Reason, ...]:
        """The reasons that ask for a compliance review."""
        return tuple(reason for reason in self.reasons if COMPLIANCE in reason.reviews)


def route(scripts: Iterable[Script | None], policy: Policy) -> Routing:
    """Route a change by its forward and rollback scripts; None stands for a missing one.

    Without any statement a compliance review is needed: nothing says that it is not.
    """
    reasons = tuple(
        _reason(statement, script.direction, policy)
        for script in scripts
        if script is not None
        for statement in script.statements
    )
    reviews = {TECHNICAL}.union(*(reason.reviews for reason in reasons)) if reasons else {TECHNICAL, COMPLIANCE}
    return Routing(frozenset(reviews), reasons)


def _reason(statement: Statement, direction: Direction, policy: Policy) -> Reason:
    done = deeds(statement, policy)
    where = f"Statement {statement.number}" + ("" if direction is Direction.FORWARD else f" of the {direction}")
    for number, rule in enumerate(policy.routing, 1):
        deed = _fits(rule, statement, done)
        if deed is None:
            continue
        needs = " and ".join(f"a {review}" for review in rule.reviews) or "no further review"
        sentence = f"{where} {deed.phrase}: rule {number}, “{rule.name}”, asks for {needs}."
        return Reason(statement.number, direction, rule.name, sentence, rule.reviews)
    sentence = f"{where} {done[0].phrase}; no rule fits it, so a compliance review is needed."
    return Reason(statement.number, direction, "", sentence, (COMPLIANCE,))


def _fits(rule: RoutingRule, statement: Statement, done: tuple[Deed, ...]) -> Deed | None:
    """Return the deed that makes the rule fit.

    A rule that spares the compliance review fits only if it names everything the statement does, so that nothing
    slips through behind a harmless part of the same statement.
    """
    if rule.kinds and statement.kind not in rule.kinds:
        return None
    if rule.tables and not _tables_fit(rule, statement):
        return None
    named = [deed for deed in done if deed.name in rule.when]
    if rule.when and not named:
        return None
    if rule.when and COMPLIANCE not in rule.reviews and len(named) < len(done):
        return None
    return (named or list(done))[0]


def _tables_fit(rule: RoutingRule, statement: Statement) -> bool:
    known = set(rule.tables)
    fitting = [table in known or table.rpartition(".")[2] in known for table in statement.tables]
    return any(fitting) if COMPLIANCE in rule.reviews else bool(fitting) and all(fitting)
