"""Words that the summary is made of: names in backticks, lists, types, and pieces of the statement's own text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.lexer import Token, TokenKind, tokens

#: Characters of SQL quoted in a sentence; more belongs in the SQL tab.
LONGEST = 140

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TYPES = {
    "bool": "boolean",
    "bpchar": "char",
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "varchar": "varchar",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One statement in plain words. `kind` is schema, data, access, index or other; names stand in backticks."""

    text: str
    kind: str
    understood: bool = True


def name(*parts: str) -> str:
    """Give a name in backticks, its parts joined by dots."""
    return "`" + ".".join(part for part in parts if part) + "`"


def relation(node: Any) -> str:
    """Give a RangeVar's name in backticks, with the schema if it is written."""
    return name(node.schemaname, node.relname)


def listed(words: Iterable[str], last: str = "and") -> str:
    """Join words the way people do: a, b and c."""
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {last} {found[-1]}" if found else ""


def number(count: int) -> str:
    """Give small numbers as words."""
    return _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"


def counted(count: int, noun: str) -> str:
    """Give "one column", "two columns"."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def type_name(node: Any) -> str:
    """Give a type as people write it, such as numeric(10,2) or text[]."""
    written = parser.names(node.names)
    text = _TYPES.get(written[-1], written[-1]) if written[0] == "pg_catalog" else ".".join(written)
    numbers = [str(parser.unwrap(modifier).ival.ival) for modifier in node.typmods if _is_number(modifier)]
    return text + (f"({','.join(numbers)})" if numbers else "") + "[]" * len(node.array_bounds)


def _is_number(modifier: Any) -> bool:
    inner = parser.unwrap(modifier)
    return parser.kind_of(inner) == "A_Const" and inner.HasField("ival")


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


def in_parentheses(sql: str, location: int) -> str:
    """Give the text of the first parentheses behind a byte offset, shortened, in backticks."""
    depth = 0
    inner: list[Token] = []
    for token in tokens(sql.encode("utf-8"), location):
        if token.text == b")":
            depth -= 1
            if depth == 0:
                break
        if depth:
            inner.append(token)
        if token.text == b"(":
            depth += 1
    return _shown(inner)


def clause(sql: str, word: str, *until: str) -> str:
    """Give the text behind the last `word` outside parentheses, up to one of `until`; empty when there is none."""
    depth = 0
    inner: list[Token] | None = None
    for token in tokens(sql.encode("utf-8")):
        if token.text == b"(":
            depth += 1
        elif token.text == b")":
            depth -= 1
        if depth == 0 and token.word == word:
            inner = []
        elif depth == 0 and inner is not None and token.word in until:
            break
        elif inner is not None:
            inner.append(token)
    return _shown(inner) if inner is not None else ""


def piece(sql: str, location: int, *until: str) -> str:
    """Give the text from a byte offset up to a comma or one of `until` outside parentheses."""
    depth = 0
    inner: list[Token] = []
    for token in tokens(sql.encode("utf-8"), location):
        depth += {b"(": 1, b")": -1}.get(token.text, 0)
        if depth < 0 or (depth == 0 and (token.text in (b",", b";") or token.word in until)):
            break
        inner.append(token)
    return _shown(inner)


def _shown(inner: list[Token]) -> str:
    """Make one line of SQL in backticks, without comments, shortened."""
    parts = [" " if not token.significant else _text(token) for token in inner]
    line = " ".join("".join(parts).split()).replace("`", "'").replace("( ", "(").replace(" )", ")")
    return f"`{line if len(line) <= LONGEST else line[: LONGEST - 2] + ' …'}`"


def _text(token: Token) -> str:
    text = token.text.decode("utf-8", "replace")
    return text if token.kind is not TokenKind.DOLLAR else "$$ … $$"
