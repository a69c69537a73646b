"""Short ways to parse a text in these tests."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Direction, Script, Step, StepKind, parse

FILE = "002_add_audit_metadata.sql"


def read(
    sql: str | bytes,
    *,
    direction: Direction = Direction.FORWARD,
    sources: Mapping[str, bytes] | None = None,
    file: str = FILE,
) -> Script:
    """Parse a text as this migration's file."""
    data = sql if isinstance(sql, bytes) else sql.encode()
    return parse(data, file=file, direction=direction, sources=sources)


def shape(steps: tuple[Step, ...]) -> list[tuple[StepKind, list[str]]]:
    """Kind and statements of each step: what most tests compare."""
    return [(step.kind, [statement.sql for statement in step.statements]) for step in steps]


def refused(
    sql: str | bytes,
    name: str,
    *,
    direction: Direction = Direction.FORWARD,
    sources: Mapping[str, bytes] | None = None,
) -> Refused:
    """Parse a text that must be refused by the refusal called `name`."""
    with pytest.raises(Refused) as caught:
        read(sql, direction=direction, sources=sources)
    assert type(caught.value).__name__ == name, caught.value.sentence
    return caught.value
