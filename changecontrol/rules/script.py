"""Text to Script: what runs in which transaction. The public door to everything about a script's text."""

from __future__ import annotations

from collections.abc import Mapping

from changecontrol.rules.finding import Finding
from changecontrol.rules.plan import (
    Batch,
    Direction,
    Header,
    LockClass,
    RollbackClass,
    Script,
    Statement,
    Step,
    StepKind,
    from_json,
    to_json,
)

__all__ = [
    "Batch",
    "Direction",
    "Finding",
    "Header",
    "LockClass",
    "RollbackClass",
    "Script",
    "Statement",
    "Step",
    "StepKind",
    "from_json",
    "parse",
    "to_json",
]


def parse(data: bytes, *, file: str, direction: Direction, sources: Mapping[str, bytes] | None = None) -> Script:
    """Parse the exact bytes of one file into its plan of steps."""
    raise NotImplementedError
