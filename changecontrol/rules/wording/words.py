"""Words that the summary is made of: names in backticks, lists, numbers, people and common turns of phrase."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from changecontrol.rules import parser

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One statement in plain words. `kind` is schema, data, access, index or other; names stand in backticks."""

    text: str
    kind: str
    understood: bool = True


#: From a statement's node to its sentence; None where one of its parts is not known.
Wording = Callable[[Any], "Sentence | None"]

CASCADES = " Whatever depends on it goes too."


def name(*parts: str) -> str:
    """Give a name in backticks, its parts joined by dots."""
    return "`" + ".".join(part.replace("`", "'") for part in parts if part) + "`"


def named(node: Any) -> str:
    """Give a qualified name, a List of strings or a repeated field of them, in backticks."""
    return name(*parser.names(node))


def relation(node: Any) -> str:
    """Give a RangeVar's name in backticks, with the schema if it is written."""
    return name(node.catalogname, node.schemaname, node.relname)


def relations(nodes: Iterable[Any]) -> str:
    """Give a list of RangeVars, each once."""
    return listed(dict.fromkeys(relation(parser.unwrap(each)) for each in nodes))


def listed(words: Iterable[str], last: str = "and") -> str:
    """Join words the way people do: a, b and c."""
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {last} {found[-1]}" if found else ""


def nouns(noun: str, words: Iterable[str]) -> str:
    """Give "the column `a`", "the columns `a` and `b`"."""
    found = list(words)
    return f"the {noun if len(found) == 1 else plural(noun)} {listed(found)}"


def number(count: int) -> str:
    """Give small numbers as words."""
    return _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"


def plural(noun: str) -> str:
    """Give more than one of a noun."""
    if noun.endswith("y") and not noun.endswith("ey"):
        return f"{noun[:-1]}ies"
    return noun if noun == "statistics" else f"{noun}es" if noun.endswith(("s", "x", "ch")) else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """Give "one column", "two columns"."""
    return f"{number(count)} {noun if count == 1 else plural(noun)}"


def quoted(text: str) -> str:
    """Give a text in quotation marks on one line."""
    return f"“{' '.join(text.replace('`', chr(39)).split())}”"


def person(role: Any) -> str:
    """Give a RoleSpec in words."""
    special = {
        "ROLESPEC_PUBLIC": "everybody",
        "ROLESPEC_CURRENT_ROLE": "the current role",
        "ROLESPEC_CURRENT_USER": "the current user",
        "ROLESPEC_SESSION_USER": "the session's user",
    }
    return special.get(parser.choice(role, "roletype"), name(role.rolename))


def people(roles: Iterable[Any]) -> str:
    """Give a list of RoleSpecs in words."""
    return listed(person(parser.unwrap(role)) for role in roles)


def cascades(node: Any) -> str:
    """Say that a removal takes what depends on the thing along, where it does."""
    return CASCADES if parser.choice(node, "behavior") == "DROP_CASCADE" else ""


def if_there(node: Any) -> str:
    """Say that a thing may be missing."""
    return ", if there" if node.missing_ok else ""


def unless_there(node: Any) -> str:
    """Say that a thing which is there already stays as it is."""
    return " (unless it is there already)" if node.if_not_exists else ""


def lowered(text: str) -> str:
    """Give a sentence to go on with: small first letter, no full stop."""
    return f"{text[:1].lower()}{text[1:]}".removesuffix(".")
