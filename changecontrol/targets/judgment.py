"""From what a rehearsal saw to its findings: what was predicted, overruled by what was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from changecontrol.rules import judging
from changecontrol.rules.context import Context
from changecontrol.rules.finding import Finding
from changecontrol.rules.observed import Observed
from changecontrol.rules.policy import Policy
from changecontrol.rules.script import Script
from changecontrol.targets import context

if TYPE_CHECKING:
    from changecontrol.targets.bench import Bench
    from changecontrol.targets.proving import Proof, Scripts


@dataclass(frozen=True, slots=True)
class Predicted:
    """The database before the rehearsal, and what the texts predict of it. `carried`: what the scripts carry."""

    context: Context
    findings: Sequence[Finding]
    carried: Sequence[Finding]


def predict(bench: Bench, scripts: Scripts, policy: Policy) -> Predicted:
    """Look at the database as it is, and say what the texts predict."""
    there = context.read(bench.eye)
    findings = judging.static(scripts.forward, scripts.rollback, policy=policy, context=there)
    files: tuple[Script | None, ...] = (scripts.forward, scripts.rollback, scripts.verify)
    return Predicted(there, findings, [one for script in files if script for one in script.findings])


def judge(
    predicted: Predicted, squawk: Sequence[Finding], proof: Proof, changed: Mapping[str, Any], policy: Policy
) -> list[Finding]:
    """The final findings: those of the scripts and of the proof itself stand, predictions answer to the observation.

    The rollback ran on its own afterwards: it is judged by what it did itself.
    """
    back = {one.source for one in proof.scripts.rollback.statements} if proof.scripts.rollback else set()
    back -= {one.source for one in proof.scripts.forward.statements}

    def final(of_rollback: bool, observed: Sequence[Observed], changed: Mapping[str, Any]) -> list[Finding]:
        return judging.final(
            [one for one in predicted.findings if (one.file in back) is of_rollback],
            [one for one in squawk if (one.file in back) is of_rollback],
            observed=observed,
            changed=changed,
            context=predicted.context,
            policy=policy,
        )

    found = [*final(False, proof.statements, changed), *final(True, proof.rollback_statements, {})]
    return judging.ordered([*judging.severe([*predicted.carried, *proof.findings], policy), *found])
