"""One plain sentence for each statement, for signers who are no database administrators.

What cannot be put into words honestly is said to be so and shown as it is written; no sentence guesses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser, unparser
from changecontrol.rules.plan import Statement
from changecontrol.rules.wording import (
    access,
    alter,
    code,
    extending,
    indexes,
    kinds,
    objects,
    outside,
    rows,
    session,
    tables,
)
from changecontrol.rules.wording.bodies import Say
from changecontrol.rules.wording.words import Sentence, Wording
from changecontrol.rules.wording.written import shown

__all__ = ["Sentence", "sentence"]

WORDS: dict[str, Wording] = {
    **access.WORDS,
    **alter.WORDS,
    **code.WORDS,
    **extending.WORDS,
    **indexes.WORDS,
    **kinds.WORDS,
    **objects.WORDS,
    **outside.WORDS,
    **rows.WORDS,
    **session.WORDS,
    **tables.WORDS,
}


@functools.lru_cache(maxsize=4096)
def sentence(statement: Statement) -> Sentence:
    """Put one statement into words. Object names stand in backticks; never raises."""
    node = parser.parse_one(statement.sql)
    found = _said(node) if node is not None else None
    return found or _unknown(statement.kind, statement.sql)


def said(node: Any) -> Sentence:
    """Put a statement's node into words."""
    return _said(node) or _unknown(parser.kind_of(node), unparser.written_statement(node) or "")


def _said(node: Any) -> Sentence | None:
    kind = parser.kind_of(node)
    if kind in _HOLDING:
        return _HOLDING[kind](node, said)
    return WORDS[kind](node) if kind in WORDS else None


def _unknown(kind: str, sql: str) -> Sentence:
    shows = f": {shown(sql)}" if sql.strip() else ""
    return Sentence(
        f"Runs a statement of a kind that we cannot put in words ({kind}){shows}.", "other", understood=False
    )


def _schema(node: Any, say: Say) -> Sentence | None:
    """CREATE SCHEMA, with everything that it makes inside."""
    inside = [say(parser.unwrap(each)) for each in node.schema_elts]
    text = tables.schema(node) + "".join(f" In it: {each.text}" for each in inside)
    return Sentence(text, "schema", all(each.understood for each in inside))


def _explain(node: Any, say: Say) -> Sentence | None:
    """EXPLAIN; with ANALYZE the statement really runs."""
    if not parser.switched_on(node, "options", "analyze"):
        plans = say(parser.unwrap(node.query))
        return Sentence(f"Shows how the server would do the following, without doing it: {plans.text}", "other")
    runs = say(parser.unwrap(node.query))
    return Sentence(f"Measures a statement by really running it: {runs.text}", runs.kind, runs.understood)


#: These hold other statements, which are put into words as well.
_HOLDING: dict[str, Callable[[Any, Say], Sentence | None]] = {
    "CreateFunctionStmt": code.function,
    "CreateSchemaStmt": _schema,
    "DoStmt": code.block,
    "ExplainStmt": _explain,
    "RuleStmt": code.rule,
}
