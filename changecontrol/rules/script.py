"""Text to Script: what runs in which transaction. The public door to everything about a script's text.

A file is read in this order: its bytes (`text`), psql's commands and included files (`includes`), the parser's
statements (`parser`), what is forbidden (`forbidden`), steps (`steps`, `batches`), header and findings.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence

from changecontrol.rules import advice, header, steps
from changecontrol.rules.finding import Finding
from changecontrol.rules.includes import chunks, needed
from changecontrol.rules.lexer import TokenKind, tokens
from changecontrol.rules.parser import Raw, find
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
from changecontrol.rules.text import LIMIT, RefusedAt, Text

__all__ = [
    "LIMIT",
    "Batch",
    "Direction",
    "Finding",
    "Header",
    "LockClass",
    "RefusedAt",
    "RollbackClass",
    "Script",
    "Statement",
    "Step",
    "StepKind",
    "decoded",
    "from_json",
    "needed",
    "parse",
    "read_header",
    "to_json",
]


class EmptyScript(RefusedAt):
    """{place}: the file holds no statement. Write the SQL it is meant to run."""


class VerifyChanges(RefusedAt):
    """{place}: a verify script only reads; {what} does not belong here. Use SELECT with a column “ok”, or a DO block
    that raises an exception.
    """


def parse(data: bytes, *, file: str, direction: Direction, sources: Mapping[str, bytes] | None = None) -> Script:
    """Parse the exact bytes of one file into its plan of steps.

    `file` is the path within the repository; `sources` holds the bytes of included files by their paths. Raises only
    subclasses of Refused; those with a place carry file, line, column and an excerpt in `details`. A rollback without
    statements is a Script without steps and a finding, because a migration may declare that it has no way back.
    """
    return _parse(data, file, direction, tuple(sorted((sources or {}).items())))


@functools.lru_cache(maxsize=512)
def _parse(data: bytes, file: str, direction: Direction, sources: tuple[tuple[str, bytes], ...]) -> Script:
    """Parse once: the result depends on nothing but the arguments and cannot be changed."""
    text = Text(file, data)
    pieces = chunks(text, dict(sources))
    head, findings = header.read(text, pieces[0].tokens, direction)
    found = steps.read(pieces)
    plan = _verify(found) if direction is Direction.VERIFY else steps.Assembly().plan(found)
    if not plan and direction is not Direction.ROLLBACK:
        raise EmptyScript(text, text.start)
    findings += advice.examine([raw for raw, _wish in found], plan, direction, text)
    for part in {piece.text.file: piece.text for piece in pieces}.values():
        findings += advice.hidden(part)
    return Script(direction, file, head, plan, tuple(findings))


def read_header(data: bytes, *, file: str, direction: Direction = Direction.FORWARD) -> Header:
    """Read only the header, without parsing the statements. Raises what Text raises."""
    text = Text(file, data)
    comments = itertools.takewhile(lambda token: not token.significant, tokens(text.data, text.start))
    return header.read(text, [token for token in comments if token.kind is not TokenKind.SPACE], direction)[0]


def decoded(data: bytes, *, file: str) -> str:
    """Give the text of any file of the repository, without its byte order mark. Raises what Text raises."""
    text = Text(file, data)
    return data[text.start :].decode("utf-8")


def _verify(found: Sequence[steps.Planned]) -> tuple[Step, ...]:
    """One read-only transaction. It makes writing impossible; the check here gives the place and the sentence."""
    for raw, wish in found:
        what = "a batched step" if wish else _not_reading(raw)
        if what:
            raise VerifyChanges(raw.text, raw.start, what=what)
    statements = tuple(steps.statement(raw, number) for number, (raw, _wish) in enumerate(found, 1))
    return () if not statements else (Step(1, StepKind.TRANSACTION, statements, "BEGIN READ ONLY"),)


def _not_reading(raw: Raw) -> str:
    words = " ".join(raw.sql.split()[:2])
    if raw.kind == "VariableSetStmt" and raw.node.is_local:
        return ""
    if raw.kind not in ("SelectStmt", "DoStmt", "VariableShowStmt"):
        return words
    for kind in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "IntoClause", "LockingClause"):
        if next(find(raw.node, kind), None) is not None:
            return {"IntoClause": "SELECT INTO", "LockingClause": "FOR UPDATE"}.get(kind, "a WITH query that writes")
    return ""
