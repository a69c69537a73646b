"""One plain sentence for each statement, for signers who are no database administrators.

What cannot be put into words honestly is said to be so; no sentence guesses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser, wording_access, wording_create, wording_data
from changecontrol.rules.plan import Statement
from changecontrol.rules.wording import Sentence
from changecontrol.rules.wording_alter import alter_table

__all__ = ["Sentence", "sentence"]

_WORDS: dict[str, Callable[[Any, str], Sentence | None]] = {
    "AlterTableStmt": alter_table,
    **wording_create.WORDS,
    **wording_data.WORDS,
    **wording_access.WORDS,
}


@functools.lru_cache(maxsize=4096)
def sentence(statement: Statement) -> Sentence:
    """Put one statement into words. Object names stand in backticks; never raises."""
    node = parser.parse_one(statement.sql)
    words = _WORDS.get(parser.kind_of(node)) if node is not None else None
    said = words(node, statement.sql) if words is not None else None
    return said or Sentence(
        f"Runs a statement of kind {statement.kind} that we cannot put in words; read it in the SQL tab.",
        "other",
        understood=False,
    )
