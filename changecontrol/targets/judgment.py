"""From what a rehearsal saw to its findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from changecontrol.rules import judging
from changecontrol.rules.context import Context
from changecontrol.rules.finding import Finding
from changecontrol.rules.policy import Policy
from changecontrol.rules.script import Script
from changecontrol.targets import context as contexts
from changecontrol.targets.connection import Session

if TYPE_CHECKING:
    from changecontrol.targets.proving import Proof


@dataclass(frozen=True, slots=True)
class Predicted:
    """What is known before anything runs: the database, what the texts carry, and what the rules predict."""

    context: Context
    carried: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def static(session: Session, forward: Script, rollback: Script | None, policy: Policy) -> Predicted:
    """What can be said before anything runs: the context of the database and the findings of the text."""
    context = contexts.read(session)
    carried = (*forward.findings, *(rollback.findings if rollback else ()))
    return Predicted(context, carried, tuple(judging.static(forward, rollback, policy=policy, context=context)))


def judge(
    known: Predicted, squawk: Sequence[Finding], proof: Proof, changed: Mapping[str, Any], policy: Policy
) -> list[Finding]:
    """The final findings: what was observed overrules what was predicted."""
    final = judging.final(
        known.findings, squawk, observed=proof.statements, changed=changed, context=known.context, policy=policy
    )
    return judging.ordered([*known.carried, *final, *proof.findings])
