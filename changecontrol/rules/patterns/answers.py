"""What a pattern has to be told: every question, the answers as given, and a refusal that names what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from changecontrol.rules import releases
from changecontrol.rules.directives import SIZES
from changecontrol.rules.patterns import checks, expressions, names
from changecontrol.rules.patterns.names import Name, Table
from changecontrol.rules.refusal import Refused

#: every question, as the command asks it
QUESTIONS: dict[str, str] = {
    "table": "the table, such as participants or clinic.participants",
    "column": "the column as it is now; several with commas between them for a key of several columns",
    "to": "the new name: of the column, or of the table that the columns move to",
    "type": "the type, written as in CREATE TABLE, with COLLATE where it has one",
    "from-type": "the type that the column has now",
    "key": "a column with a unique index and without empty values, usually the primary key: rows are filled along it; "
    "ctid where a table has none",
    "key-type": "the type of the key",
    "release": "the first release of the application that can do without the old, such as app >= 4.2.0",
    "using": "the expression that makes the new value of the old column, such as decode(hash_text, 'hex')",
    "back": "the expression that makes the old value of the new column, such as encode(hash_bytes, 'hex')",
    "references": "the table and columns that are referred to, such as sites(site_id)",
    "columns": "what belongs to the index, such as site_id, changed_at DESC; or columns with their types to move",
}


class AnswersMissing(Refused):
    """{pattern} also needs {missing}. It works without a database, so it cannot look these up."""


class BadRelease(Refused):
    """“{value}” names no release. Write the application, >= and the first version that will do: app >= 4.2.0."""


class BadSize(Refused):
    """“{value}” is no size of a batch. Choose a number from {least} to {most}; 5000 suits most tables."""


class SameName(Refused):
    """The new name {value} is the old one. Both exist side by side for a while, so they need different names."""


class TwoWays(Refused):
    """Give either --default or --expression: a constant fills existing rows at no cost, an expression in batches."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers as text, by the names of QUESTIONS and of the options that need none."""

    pattern: str
    given: Mapping[str, str]

    def need(self, *questions: str) -> None:
        """Raise AnswersMissing with everything that is missing, at once."""
        missing = [f"--{one} ({QUESTIONS[one]})" for one in questions if not self.text(one)]
        if missing:
            last = f"{', '.join(missing[:-1])} and {missing[-1]}" if len(missing) > 1 else missing[0]
            raise AnswersMissing(pattern=self.pattern, missing=last)

    def text(self, question: str) -> str:
        """An answer without spaces around it; empty when there is none."""
        return str(self.given.get(question) or "").strip()

    def yes(self, question: str) -> bool:
        """Whether a switch was given."""
        return bool(self.given.get(question))

    @property
    def table(self) -> Table:
        """The table that changes."""
        return names.table(self.text("table"))

    @property
    def column(self) -> Name:
        """The column that changes."""
        return names.name(self.text("column"), "a column")

    @property
    def type(self) -> str:
        """The type, checked."""
        return names.type_name(self.text("type"))

    @property
    def key(self) -> Name:
        """The column that batches walk along."""
        return checks.one_key(self.text("key"))

    @property
    def default(self) -> str:
        """A constant default, or nothing."""
        return expressions.constant(self.text("default"), "a default") if self.text("default") else ""

    @property
    def comment(self) -> str:
        """What an auditor reads about the column or table, or nothing."""
        return " ".join(self.text("comment").split())

    @property
    def release(self) -> str:
        """The release that the last migration waits for, in its one spelling. Raises BadRelease."""
        found = releases.parse(self.text("release"))
        if not found:
            raise BadRelease(value=self.text("release"))
        return ", ".join(str(one) for one in found)

    @property
    def size(self) -> int:
        """Rows of a batch. Raises BadSize."""
        text = self.text("batch-size") or "5000"
        if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) not in SIZES:
            raise BadSize(value=text, least=SIZES[0], most=SIZES[-1])
        return int(text)
