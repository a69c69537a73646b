"""What a migration's files show only together: its declared way back against the rollback that is there."""

from __future__ import annotations

from collections.abc import Collection

from changecontrol.rules.finding import Finding
from changecontrol.rules.plan import RollbackClass, Script

#: Classes for which no rollback script exists or is run.
NO_WAY_BACK = frozenset({RollbackClass.FORWARD_FIX_ONLY, RollbackClass.RESTORE_ONLY})


def examine(
    forward: Script, rollback: Script | None, verify: Script | None, *, numbers: Collection[str]
) -> tuple[Finding, ...]:
    """Join the findings of the three files with those about them together.

    `numbers` are the migrations that exist, such as {"001", "002"}. A missing file is a finding of its name.
    """
    declared = forward.header.rollback_class
    found = [*forward.findings]
    if rollback is not None:
        accepted = declared in NO_WAY_BACK and not rollback.steps
        found += [item for item in rollback.findings if not (accepted and item.rule == "empty-rollback")]
        if declared in NO_WAY_BACK and rollback.steps:
            message = f"The header declares “{declared}”, yet {rollback.file} holds statements. They are never run."
            found.append(Finding("rollback-contradicted", "warning", forward.file, 1, 1, message))
    if verify is not None:
        found += verify.findings
    for number in forward.header.dependencies:
        if number not in numbers:
            message = f"It depends on migration {number}, which does not exist here."
            found.append(Finding("dependency-missing", "error", forward.file, 1, 1, message))
    return tuple(found)
