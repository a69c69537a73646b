"""The policy of a migrations repository: what is protected, what is hashed, which statement needs which review."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from changecontrol.rules.finding import SEVERITIES
from changecontrol.rules.refusal import Refused

#: What a statement can be seen to do (changecontrol.rules.deeds finds them out); `when` in a routing rule names these.
DEEDS: dict[str, str] = {
    "protected-table": "touches a protected table",
    "hashed-column": "touches a column that a hash covers, or one named after a hash or signature",
    "trigger": "creates, changes, switches or drops a trigger or its function",
    "rule": "creates, changes or drops a rewrite rule",
    "row-security": "changes row-level security or a policy",
    "grant": "gives or takes rights, or changes an owner",
    "role": "creates, changes or drops a role",
    "deletes": "deletes rows",
    "truncates": "empties a table",
    "rewrites": "changes values in rows that exist",
    "drops": "drops something",
    "function": "creates or changes a function",
    "procedural": "runs a block of code, or calls a procedure",
    "inserts": "adds rows",
    "reads": "only reads",
    "comment": "describes something",
    "index": "builds or rebuilds an index",
    "new-table": "creates a table, type, view or schema",
    "new-column": "adds a column without a value for existing rows",
    "sequence": "creates a sequence",
    "other": "does something else",
}
#: Reviews a rule may ask for. The technical review is always needed and never has to be named.
REVIEWS = ("technical review", "compliance review")

_TOP = ("protected_tables", "hashed_columns", "routing", "severities", "limits")
_RULE = ("name", "when", "kinds", "tables", "reviews")


class PolicyNotToml(Refused):
    """{file}, line {line}: this is not valid TOML ({message}). Correct the line; until then nothing can be routed."""


class PolicyUnknownKey(Refused):
    """{file}, line {line}: “{key}” is not a word of the policy. Known here: {known}."""


class PolicyWrongValue(Refused):
    """{file}, line {line}: “{key}” must be {expected}."""


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """One rule: fits a statement when every condition that is given fits (each: one of its values)."""

    name: str
    reviews: tuple[str, ...]
    when: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers that rules and rehearsals keep to: the table [limits] of the policy. None: the worker's own setting,
    which the policy can only make stricter."""

    rows_in_one_transaction: int = 1000
    rehearsal_minutes: int | None = None
    sandbox_bytes: int | None = None
    certificate_days: int | None = None


_COMPLIANCE = ("compliance review",)

#: Design 3, in order: used when the repository says nothing of its own.
DEFAULT_ROUTING: tuple[RoutingRule, ...] = (
    RoutingRule("protected table", _COMPLIANCE, when=("protected-table",)),
    RoutingRule("signature or hash column", _COMPLIANCE, when=("hashed-column",)),
    RoutingRule("trigger or rule", _COMPLIANCE, when=("trigger", "rule")),
    RoutingRule("access", _COMPLIANCE, when=("row-security", "grant", "role")),
    RoutingRule("data is deleted or rewritten", _COMPLIANCE, when=("deletes", "truncates", "rewrites", "drops")),
    RoutingRule("code that runs later or decides for itself", _COMPLIANCE, when=("function", "procedural")),
    RoutingRule(
        "additions to other tables",
        (),
        when=("comment", "index", "new-table", "new-column", "sequence", "reads"),
    ),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What changecontrol.toml says; without the file: nothing protected by name and the built-in routing."""

    protected_tables: tuple[str, ...] = ()
    hashed_columns: tuple[str, ...] = ()
    routing: tuple[RoutingRule, ...] = DEFAULT_ROUTING
    severities: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def protects(self, table: str) -> bool:
        """Whether the table is protected. A name without schema stands for that table in every schema."""
        return any(_same_name(table, protected) for protected in self.protected_tables)

    def hashes(self, table: str, column: str) -> bool:
        """Whether a hash covers the column, by declaration or because its name says so."""
        if re.search(r"(^|_)(hash|signature|digest|checksum)($|_)", column):
            return True
        return any(
            _same_name(table, hashed.rpartition(".")[0]) and hashed.rpartition(".")[2] == column
            for hashed in self.hashed_columns
        )


def _same_name(one: str, other: str) -> bool:
    """Compare table names; where one has no schema, we cannot know which is meant, so it counts as the same."""
    if "." in one and "." in other:
        return one == other
    return one.rpartition(".")[2] == other.rpartition(".")[2]


def parse(text: str, *, file: str = "changecontrol.toml") -> Policy:
    """Read the policy. Raises PolicyNotToml, PolicyUnknownKey, PolicyWrongValue, with the line."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+)", str(error))
        line = int(place.group(1)) if place else text.count("\n") + 1
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise PolicyNotToml(file=file, line=line, message=message) from None
    reader = _Reader(text, file)
    reader.known(found, _TOP)
    return Policy(
        protected_tables=reader.words(found, "protected_tables"),
        hashed_columns=reader.columns(found),
        routing=reader.rules(found) if "routing" in found else DEFAULT_ROUTING,
        severities=reader.severities(found),
        limits=reader.limits(found),
    )


class _Reader:
    """Checks parsed values; knows the text, to say on which line a wrong one stands."""

    def __init__(self, text: str, file: str) -> None:
        self.lines = text.splitlines()
        self.file = file

    def line(self, key: str, value: object = None) -> int:
        """Find the line of a key or of a quoted value, from 1; tomllib keeps no places."""
        patterns = [rf"[\"']{re.escape(str(value))}[\"']"] if isinstance(value, str) else []
        patterns += [rf"^\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\]=.]"]
        for pattern in patterns:
            for number, line in enumerate(self.lines, 1):
                if re.search(pattern, line.split(" #")[0]):
                    return number
        return 1

    def known(self, table: Mapping[str, Any], words: Iterable[str]) -> None:
        for key in table:
            if key not in words:
                raise PolicyUnknownKey(file=self.file, line=self.line(key), key=key, known=", ".join(words))

    def wrong(self, key: str, expected: str, value: object = None) -> PolicyWrongValue:
        return PolicyWrongValue(file=self.file, line=self.line(key, value), key=key, expected=expected)

    def words(self, table: Mapping[str, Any], key: str, allowed: Iterable[str] = ()) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
            raise self.wrong(key, "a list of names in quotes")
        allowed = tuple(allowed)
        for word in value:
            if allowed and word not in allowed:
                raise self.wrong(key, f"made of these words: {', '.join(allowed)}", word)
        return tuple(value)

    def columns(self, table: Mapping[str, Any]) -> tuple[str, ...]:
        columns = self.words(table, "hashed_columns")
        for column in columns:
            if "." not in column:
                raise self.wrong("hashed_columns", "a list of columns written as table.column", column)
        return columns

    def rules(self, table: Mapping[str, Any]) -> tuple[RoutingRule, ...]:
        value = table["routing"]
        if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
            raise self.wrong("routing", "a list of rules, each under [[routing]]")
        return tuple(self.rule(rule) for rule in value)

    def rule(self, rule: Mapping[str, Any]) -> RoutingRule:
        self.known(rule, _RULE)
        name = rule.get("name")
        if not isinstance(name, str) or not name:
            raise self.wrong("routing", "rules that each have a name")
        if "reviews" not in rule:
            raise self.wrong("routing", f"rules that each say which reviews they need; “{name}” does not", name)
        if not any(rule.get(condition) for condition in ("when", "kinds", "tables")):
            raise self.wrong("routing", f"rules with a condition (when, kinds or tables); “{name}” has none", name)
        return RoutingRule(
            name=name,
            reviews=self.words(rule, "reviews", REVIEWS),
            when=self.words(rule, "when", DEEDS),
            kinds=self.words(rule, "kinds"),
            tables=self.words(rule, "tables"),
        )

    def severities(self, table: Mapping[str, Any]) -> dict[str, str]:
        value = table.get("severities", {})
        if not isinstance(value, dict):
            raise self.wrong("severities", "a table of finding = severity")
        for rule, severity in value.items():
            if severity not in SEVERITIES:
                raise self.wrong(rule, f"one of {', '.join(SEVERITIES)}")
        return dict(value)

    def limits(self, table: Mapping[str, Any]) -> Limits:
        value = table.get("limits", {})
        if not isinstance(value, dict):
            raise self.wrong("limits", "a table of limit = number")
        self.known(value, [one.name for one in fields(Limits)])
        for name, number in value.items():
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise self.wrong(name, "a whole number above 0")
        return Limits(**value)
