"""The names and definitions of a catalog difference, taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from changecontrol.rules.context import parts, quoted

_MEMBER = re.compile(r"(?P<kind>trigger|rule|policy|constraint) (?P<name>\"(?:[^\"]|\"\")*\"|[^ ]+) on (?P<table>.+)")
_OBJECT = re.compile(
    r"(?P<kind>materialized view|foreign table|composite type|event trigger|table|view|sequence|column|index|function"
    r"|procedure|aggregate|enum|domain|range|type|schema|extension|default grants of) (?P<name>.+)"
)

#: Kinds of which other objects are members.
RELATIONS = ("table", "foreign table", "view", "materialized view", "sequence")


@dataclass(frozen=True, slots=True)
class Object:
    """One name of the catalog difference, taken apart. `table` is the relation a member belongs to."""

    kind: str
    name: str
    table: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """One rule that the difference shows. `about` is the last name that a statement or finding would mention."""

    rule: str
    about: str
    names: Mapping[str, str] = field(default_factory=dict)
    table: str = ""


def objects(names: Sequence[str], definitions: Mapping[str, Sequence[str]]) -> list[Object]:
    """Take the names of a difference apart; comments, statistics and default grants are left out."""
    found = []
    for text in names:
        before, after = [*definitions.get(text, ("", "")), "", ""][:2]
        if match := _MEMBER.fullmatch(text):
            found.append(Object(match["kind"], match["name"], match["table"], before, after))
        elif match := _OBJECT.fullmatch(text):
            kind, name = match["kind"], match["name"]
            if kind == "column":
                pieces = parts(name)
                found.append(Object(kind, quoted(pieces[-1]), quoted(*pieces[:-1]), before, after))
            else:
                found.append(Object(kind, name, name if kind in RELATIONS else "", before, after))
    return found
