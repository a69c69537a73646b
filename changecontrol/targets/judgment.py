"""From what a rehearsal saw to its findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from changecontrol.rules.finding import Finding
from changecontrol.rules.policy import Policy
from changecontrol.rules.script import Script
from changecontrol.targets.connection import Session

if TYPE_CHECKING:
    from changecontrol.targets.proving import Proof


def static(session: Session, forward: Script, rollback: Script | None, policy: Policy) -> Any:
    """What can be said before anything runs: the context of the database and the findings of the text."""
    return [*forward.findings, *(rollback.findings if rollback else ())]


def judge(
    known: Any, squawk: Sequence[Finding], proof: Proof, changed: Mapping[str, Any], policy: Policy
) -> list[Finding]:
    """The final findings: what was observed overrules what was predicted."""
    return [*known, *squawk, *proof.findings]
