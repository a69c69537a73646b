"""The lexer sees strings and comments exactly where PostgreSQL's own scanner sees them."""

from __future__ import annotations

import postgast
from hypothesis import given, settings
from hypothesis import strategies as st
from postgast.pg_query_pb2 import Token as PgToken

from changecontrol.rules.lexer import TokenKind, significant, tokens

QUOTES = ["'", "''", "E'", "e'", "U&'", 'U&"', '"', "N'", "x'", "$$", "$a$", "$", "\\"]
OTHERS = [
    "\n",
    "\r",
    " ",
    "\t",
    "--",
    "/*",
    "*/",
    "a",
    "b1",
    "é",
    ";",
    "(",
    ")",
    "1",
    "1.5",
    ":",
    ",",
    "+",
    "-",
    "|",
    "$1",
]
STRINGS = ("SCONST", "XCONST", "BCONST", "USCONST", "UIDENT")


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(QUOTES + OTHERS), max_size=14).map("".join))
def test_it_agrees_with_postgresql_about_strings_and_comments(sql: str) -> None:
    data = sql.encode()
    mine = list(tokens(data))
    assert b"".join(token.text for token in mine) == data
    try:
        theirs = postgast.scan(sql).tokens
    except postgast.PgQueryError:
        return
    assert not [token for token in mine if token.kind is TokenKind.OPEN]
    quoted = set()
    for token in theirs:
        is_name = PgToken.Name(token.token) == "IDENT" and data[token.start : token.start + 1] == b'"'
        if PgToken.Name(token.token) in STRINGS or is_name:
            quoted |= set(range(token.start, token.end))
    for token in mine:
        if token.kind in (TokenKind.STRING, TokenKind.QUOTED, TokenKind.DOLLAR):
            begin = token.start + (token.text[:1] in b"Nn")  # the N of N'…' is a token of its own there
            assert set(range(begin, token.end)) <= quoted


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_it_takes_any_bytes(data: bytes) -> None:
    assert b"".join(token.text for token in tokens(data)) == data


def test_it_nests_block_comments() -> None:
    assert [token.text for token in significant(b"/* a /* b */ c */ SELECT")] == [b"SELECT"]


def test_it_folds_only_ascii_letters() -> None:
    assert [token.word for token in significant("ſelect Select".encode())] == ["ſELECT", "SELECT"]
