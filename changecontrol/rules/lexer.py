"""Tokens of SQL bytes, only as finely as needed to find comments, psql commands, nesting and words outside strings.

PostgreSQL's own parser decides what a statement is; this lexer looks at text that parser never sees (comments, psql
commands, PL/pgSQL bodies) and must agree with it about where strings and comments end. `tests/rules/test_lexer.py`
compares the two on arbitrary text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class TokenKind(StrEnum):
    """What a token is. Everything but `space` and `comment` is significant."""

    SPACE = "space"
    COMMENT = "comment"
    STRING = "string"
    QUOTED = "quoted"  # "identifier"
    DOLLAR = "dollar"  # $tag$ body $tag$
    WORD = "word"
    NUMBER = "number"
    OPERATOR = "operator"
    BACKSLASH = "backslash"
    SIGN = "sign"  # one of ( ) [ ] , ; : . $ and anything else
    OPEN = "open"  # a string or comment that never ends; reaches to the end of the text


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `text` is the bytes from `start` to `end`."""

    kind: TokenKind
    start: int
    end: int
    text: bytes

    @property
    def word(self) -> str:
        """The word with ASCII letters in upper case (as the server folds them), or empty when this is no bare word."""
        return self.text.upper().decode("utf-8", "replace") if self.kind is TokenKind.WORD else ""

    @property
    def significant(self) -> bool:
        """Whether the server's parser sees it at all."""
        return self.kind not in (TokenKind.SPACE, TokenKind.COMMENT)


# A string literal goes on behind white space that holds a line end, with the same escaping rules as it began:
# E'a'\n'b\'' is one literal. Leaving that out would let code hide in what looks like a string, or the reverse.
_CONTINUED = rb"(?:(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'(?:[^'\\]|\\.|'')*')*"
_TOKEN = re.compile(
    rb"(?P<space>[ \t\n\r\f\v]+)"
    rb"|(?P<comment>--[^\n\r]*)"
    rb"|(?P<block>/\*)"
    rb"|(?P<string>[eE]'(?:[^'\\]|\\.|'')*'" + _CONTINUED + rb"|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')"
    rb"|(?P<quoted>(?:[uU]&)?\"(?:[^\"]|\"\")*\")"
    rb"|(?P<open>(?:[eEbBxXnN]|[uU]&)?'|(?:[uU]&)?\")"
    rb"|(?P<word>[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*)"
    rb"|(?P<dollar>\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$)"
    rb"|(?P<number>[0-9][0-9A-Za-z_]*|\$[0-9]+)"
    rb"|(?P<operator>(?:(?!--|/\*)[~!@#^&|`?+\-*/%<>=])+)"
    rb"|(?P<backslash>\\)"
    rb"|(?P<sign>.)",
    re.DOTALL,
)
_KINDS = {kind.value: kind for kind in TokenKind}  # many times faster than asking the enum
_BLOCK_EDGE = re.compile(rb"/\*|\*/")


def tokens(data: bytes, start: int = 0) -> Iterator[Token]:
    """Yield every token from `start` on, gapless. Never raises: text without end becomes one `open` token."""
    at = start
    while at < len(data):
        found = _TOKEN.match(data, at)
        assert found is not None  # the last alternative takes any byte
        kind, end = str(found.lastgroup), found.end()
        if kind == "block":
            kind, end = _block_comment(data, end)
        elif kind == "dollar":
            closed = data.find(found.group(), end)
            kind, end = ("dollar", closed + end - at) if closed >= 0 else ("open", len(data))
        elif kind == "open":
            end = len(data)
        yield Token(_KINDS[kind], at, end, data[at:end])
        at = end


def _block_comment(data: bytes, at: int) -> tuple[str, int]:
    depth = 1
    for edge in _BLOCK_EDGE.finditer(data, at):
        depth += 1 if edge.group() == b"/*" else -1
        if depth == 0:
            return "comment", edge.end()
    return "open", len(data)


def significant(data: bytes, start: int = 0) -> list[Token]:
    """All tokens the server's parser would see."""
    return [token for token in tokens(data, start) if token.significant]
