"""Patterns: answers in, the whole safe series out, as files that only lack their numbers. Pure functions.

Every series keeps what runs alive: old and new application code work side by side from its first migration to its
last, existing rows are filled in batches that commit, and what the old code needs goes only after the release that can
do without it.
"""

from __future__ import annotations

from collections.abc import Callable

from changecontrol.rules import naming
from changecontrol.rules.patterns import dropped_column, moved_column, new_column, references, split
from changecontrol.rules.patterns.answers import QUESTIONS, Answers, AnswersMissing
from changecontrol.rules.patterns.member import Member, Place, Signed, contents
from changecontrol.rules.refusal import Refused

__all__ = ["PATTERNS", "QUESTIONS", "Answers", "AnswersMissing", "Member", "Place", "Signed", "contents", "members"]


class NotAsked(Refused):
    """{pattern} has no use for {given}. Leave it out, or choose the pattern that asks for it (--help lists them)."""


#: name of a pattern -> what builds its migrations, in order
PATTERNS: dict[str, Callable[[Answers], list[Member]]] = {
    "add-not-null-column": new_column.add,
    "rename-column": moved_column.rename,
    "change-type": moved_column.change_type,
    "add-foreign-key": references.foreign_key,
    "add-index": references.index,
    "split-table": split.split,
    "drop-column": dropped_column.drop,
}
_EVERYWHERE = frozenset({"release", "batch-size"})
#: what each pattern makes use of; an answer that would change nothing is a misunderstanding
_TAKES = {
    "add-not-null-column": {"table", "column", "type", "default", "expression", "key", "comment", "not-null"},
    "rename-column": {"table", "column", "to", "type", "key", "default", "comment", "not-null"},
    "change-type": {
        *("table", "column", "to", "from-type", "type", "using", "back", "key", "from-default", "default"),
        *("comment", "not-null"),
    },
    "add-foreign-key": {"table", "column", "references", "on-delete", "indexed"},
    "add-index": {"table", "columns", "unique", "name", "where", "method", "comment"},
    "split-table": {"table", "to", "columns", "key", "key-type", "comment"},
    "drop-column": {"table", "column", "type", "not-null", "default", "comment"},
}
_NAMES = {
    "add-not-null-column": ("add", "table", "column"),
    "rename-column": ("rename", "table", "column"),
    "change-type": ("retype", "table", "column"),
    "add-foreign-key": ("link", "table", "column"),
    "add-index": ("index", "table", "columns"),
    "split-table": ("split", "table"),
    "drop-column": ("drop", "table", "column"),
}


def members(answers: Answers) -> list[Member]:
    """Build the migrations of a pattern, in order. Raises the refusals of answers, names and the pattern itself."""
    takes = _TAKES[answers.pattern] | _EVERYWHERE
    others = [f"--{one}" for one, value in answers.given.items() if value and one not in takes]
    if others:
        raise NotAsked(pattern=answers.pattern, given=" and ".join(others))
    return PATTERNS[answers.pattern](answers)


def description(answers: Answers) -> str:
    """Give what the series is called when nobody named it: rename_participants_left_on."""
    word, *asked = _NAMES[answers.pattern]
    text = naming.snake("_".join([word, *(answers.text(one) for one in asked)]))
    longest = max(len(one.description) for one in members(answers)) + 1
    return text[: naming.DESCRIPTION_LIMIT - longest].rstrip("_")
