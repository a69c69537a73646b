"""What a CHECK or a partition's bounds wish of a column's values, read from the server's own print of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_CAST = re.compile(
    r"""('(?:[^']|'')*')|::(?:"[^"]+"|[a-z_][\w.]*)(?: (?:varying|precision|with(?:out)? time zone))?"""
    r"""(?:\(\d+(?:,\s*-?\d+)?\))?(?:\[\])*"""
)
_NAME = r'"(?:[^"]|"")+"|[a-z_][\w$]*'
_ATOM = re.compile(rf"""(?<![\w"])\((-?\d+(?:\.\d+)?|{_NAME}|'(?:[^']|'')*'|ARRAY\[[^\]()]*\])\)""")
_LITERAL = r"'(?:[^']|'')*'|-?\d+(?:\.\d+)?|true|false"
_LENGTH = r"(?:char_length|character_length|length|octet_length|cardinality|array_length)"
_ANY = re.compile(rf"({_NAME}) = ANY \(*ARRAY\[(.*)\]\)*", re.S)
_COMPARED = re.compile(rf"({_NAME}) (=|<>|>=|<=|>|<) ({_LITERAL})", re.S)
_TURNED = re.compile(rf"({_LITERAL}) (=|<>|>=|<=|>|<) ({_NAME})", re.S)
_MEASURED = re.compile(rf"{_LENGTH}\(({_NAME})(?:, \d+)?\) (=|<>|>=|<=|>|<) (\d+)", re.S)
_MATCHED = re.compile(rf"({_NAME}) (~\*?|~~\*?) ('(?:[^']|'')*')", re.S)
_PAIR = re.compile(rf"({_NAME}) (>=|<=|>|<) ({_NAME})", re.S)
_PLAIN_BOOL = re.compile(rf"({_NAME})")
_MIRROR = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "=": "=", "<>": "<>"}


@dataclass(frozen=True, slots=True)
class Wish:
    """The values one column may take; every None says nothing. `low` and `high` as texts, `*_open`: not themselves."""

    choices: tuple[str, ...] = ()
    low: str | None = None
    high: str | None = None
    low_open: bool = False
    high_open: bool = False
    shortest: int | None = None
    longest: int | None = None
    pattern: str | None = None
    not_null: bool = False


@dataclass(slots=True)
class Wishes:
    """Wishes by column, and pairs (smaller, larger) of columns."""

    columns: dict[str, Wish]
    pairs: list[tuple[str, str]]

    def add(self, expression: str) -> None:
        """Take in one CHECK expression. What is not understood is left to the server to refuse."""
        for part in _conjuncts(_bare(expression)):
            self._take(part)

    def _take(self, part: str) -> None:
        options = list(_split(part, " OR "))
        if len(options) > 1:  # any of them will do; the last is seldom "IS NULL"
            known = next((one for one in reversed(options) if not one.endswith(" IS NULL")), options[-1])
            for inner in _conjuncts(known):
                self._take(inner)
        elif part.endswith(" IS NOT NULL"):
            self._wish(part.removesuffix(" IS NOT NULL"), not_null=True)
        elif match := _ANY.fullmatch(part):
            self._wish(match[1], choices=tuple(_text(one) for one in re.findall(_LITERAL, match[2])))
        elif match := _MEASURED.fullmatch(part):
            self._measured(match[1], match[2], int(match[3]))
        elif match := _MATCHED.fullmatch(part):
            pattern = _text(match[3])
            self._wish(
                match[1], pattern=pattern if match[2].startswith("~") and "~~" not in match[2] else _like(pattern)
            )
        elif match := _COMPARED.fullmatch(part):
            self._compared(match[1], match[2], _text(match[3]))
        elif match := _TURNED.fullmatch(part):
            self._compared(match[3], _MIRROR[match[2]], _text(match[1]))
        elif match := _PAIR.fullmatch(part):
            names = (_name(match[1]), _name(match[3]))
            self.pairs.append(names if match[2].startswith("<") else (names[1], names[0]))
        elif match := _PLAIN_BOOL.fullmatch(part):
            self._wish(match[1], choices=("true",))

    def _measured(self, name: str, operator: str, length: int) -> None:
        shortest = {"=": length, ">=": length, ">": length + 1, "<>": length + 1}.get(operator)
        longest = {"=": length, "<=": length, "<": length - 1}.get(operator)
        self._wish(name, **{k: v for k, v in {"shortest": shortest, "longest": longest}.items() if v is not None})

    def _compared(self, name: str, operator: str, value: str) -> None:
        match operator:
            case "=":
                self._wish(name, choices=(value,))
            case ">" | ">=":
                self._wish(name, low=value, low_open=operator == ">")
            case "<" | "<=":
                self._wish(name, high=value, high_open=operator == "<")

    def _wish(self, name: str, **wanted: object) -> None:
        name = _name(name)
        known = self.columns.get(name, Wish())
        if known.choices and "choices" in wanted:  # two lists: what is in both
            both = tuple(one for one in known.choices if one in wanted["choices"])  # type: ignore[operator]
            wanted["choices"] = both or known.choices
        self.columns[name] = replace(known, **wanted)  # type: ignore[arg-type]


def _bare(expression: str) -> str:
    """Without casts and without parentheses around single values."""
    text, before = _CAST.sub(lambda match: match[1] or "", expression), ""
    while text != before:
        before, text = text, _ATOM.sub(r"\1", text)
    return _peeled(text)


def _conjuncts(text: str) -> Iterator[str]:
    for part in _split(_peeled(text), " AND "):
        if part != text and len(list(_split(part, " AND "))) > 1:
            yield from _conjuncts(part)
        else:
            yield part


def _split(text: str, word: str) -> Iterator[str]:
    """Split at a word outside parentheses and literals."""
    depth, quote, start, place = 0, "", 0, 0
    while place < len(text):
        sign = text[place]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif not depth and text.startswith(word, place):
            yield _peeled(text[start:place])
            place += len(word)
            start = place
            continue
        place += 1
    yield _peeled(text[start:])


def _peeled(text: str) -> str:
    """Without parentheses around the whole."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and _closes_at_end(text):
        text = text[1:-1].strip()
    return text


def _closes_at_end(text: str) -> bool:
    depth, quote = 0, ""
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                return place == len(text) - 1
    return False


def _text(literal: str) -> str:
    return literal[1:-1].replace("''", "'") if literal.startswith("'") else literal


def _name(text: str) -> str:
    text = _peeled(text)
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _like(pattern: str) -> str:
    signs = {"%": "x", "_": "x"}
    return "^" + "".join(signs.get(sign, re.escape(sign)) for sign in pattern) + "$"
