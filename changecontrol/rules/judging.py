"""From hits to findings: what the text predicts, and what remains of it once a rehearsal has looked.

Observation overrules: a prediction that the rehearsal contradicts goes away, one that it confirms says so, and what
only execution shows is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from changecontrol.rules.context import Context
from changecontrol.rules.finding import SEVERITIES, Finding
from changecontrol.rules.hazards import RULES, Hit, Placed, Rule, find, left_behind
from changecontrol.rules.hazards import seen as observations
from changecontrol.rules.observed import Observed
from changecontrol.rules.overruling import Overruling
from changecontrol.rules.plan import Script
from changecontrol.rules.policy import Policy
from changecontrol.rules.topics import merged

__all__ = ["ALL_RULES", "Context", "final", "merged", "ordered", "severe", "static"]

#: Every rule there is, by name: severity, why, the safe way.
ALL_RULES: dict[str, Rule] = {**RULES, **observations.RULES}


class _Names(dict[str, str]):
    """Names for a template; one that a hit does not know reads as dots."""

    def __missing__(self, key: str) -> str:
        return "…"


def static(
    forward: Script, rollback: Script | None, *, policy: Policy, context: Context | None = None
) -> list[Finding]:
    """What the two texts predict; with a context fewer guesses. Not among them: the findings that a Script carries."""
    placed = find(forward, policy=policy, context=context)
    if rollback is not None:
        # it runs after its migration, in a catalog that nobody has read yet
        placed += find(rollback, policy=policy, context=None, forward=forward)
        placed += left_behind(forward, rollback)
    return ordered(_finding(one, policy) for one in placed)


def final(
    static_findings: Sequence[Finding],
    squawk_findings: Sequence[Finding],
    *,
    observed: Sequence[Observed],
    changed: Mapping[str, Any],
    context: Context,
    policy: Policy,
) -> list[Finding]:
    """What remains after a rehearsal. `context` is the database before it; `changed` snapshot.Differences.to_json of
    before → forward, with {"definitions": {name: [before, after]}} beside its lists.
    """
    overruling = Overruling(observed, changed, context, policy)
    found = [one for prediction in static_findings if (one := overruling.judge(prediction)) is not None]
    for more in overruling.further(tuple(found)):
        found.append(replace(written(more.hit, more.at, policy), basis="observed"))
    found = overruling.confirmed(found)
    return ordered(merged(found, squawk_findings, policy=policy))


def severe(found: Iterable[Finding], policy: Policy) -> list[Finding]:
    """Give findings from elsewhere, such as those a Script carries, the severities that the policy says."""
    return [replace(one, severity=policy.severities.get(one.rule, one.severity)) for one in found]


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """In file order, the worst first on a line; the same words about the same place only once."""
    worst = {severity: -place for place, severity in enumerate(SEVERITIES)}
    return sorted(dict.fromkeys(found), key=lambda one: (one.file, one.line, one.column, worst[one.severity], one.rule))


def _finding(placed: Placed, policy: Policy) -> Finding:
    statement = placed.statement
    place = Observed(0, 0, 0, statement.line, statement.column, file=statement.source)
    return written(placed.hit, place, policy)


def written(hit: Hit, at: Observed, policy: Policy) -> Finding:
    """A hit as a finding at a statement."""
    rule, said = ALL_RULES[hit.rule], _Names(hit.names)
    message = hit.inside + rule.why.format_map(said) + (f" {hit.note}" if hit.note else "")
    severity = policy.severities.get(hit.rule, hit.severity or rule.severity)
    return Finding(hit.rule, severity, at.file, at.line, at.column, message, rule.rewrite.format_map(said))
