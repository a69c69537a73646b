"""SQL text to colored HTML lines. Display only: nothing here decides, and what it does not know stays plain."""

from __future__ import annotations

import re
from html import escape

KEYWORDS = frozenset(
    """
    abort absolute access action add after aggregate all alter always analyze and any array as asc asymmetric attach
    authorization before begin between both by cache called cascade case cast check close cluster collate collation
    column comment commit concurrently configuration conflict constraint constraints continue convert copy cost create
    cross current cursor cycle data database deallocate declare default defaults deferrable deferred definer delete desc
    detach disable distinct do domain drop each else elsif enable end enum except exception exclude execute exists exit
    explain extension external false family fetch filter first for force foreign forward from full function functions
    generated grant granted group grouping handler having identity if ilike immediate immutable implicit in include
    increment index inherit initially inner inout insert instead intersect into invoker is isolation join key language
    last lateral leading leakproof left level like limit local lock locked login loop match materialized maxvalue merge
    minvalue mode move natural new next no none not nothing notice notify nowait null nulls of off offset oids old on
    only operator option or order others out outer over overriding owned owner parallel partition password perform
    permissive plpgsql policy preceding prepare preserve primary privileges procedure publication raise range read
    reassign recheck recursive references referencing refresh reindex release rename repeatable replace replica reset
    restart restrict restrictive return returning returns revoke right role rollback row rows rule savepoint schema
    scroll security select sequence sequences serializable session set share show similar skip snapshot some stable
    start statement statistics storage stored strict subscription symmetric system table tables tablespace temp
    temporary then ties to trailing transaction trigger true truncate type unbounded uncommitted union unique unlogged
    update usage user using vacuum valid validate value values variadic verbose view volatile when where while window
    with within without work write zone
    bigint bigserial boolean bool bytea char character date double int integer interval json jsonb numeric precision
    real serial smallint text time timestamp timestamptz uuid varchar
    """.split()  # noqa: SIM905 - a list of 300 lines would hide the rest of the file
)

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<string>[eE]?'(?:[^'\\]|\\.|'')*(?:'|\Z)|\$[A-Za-z_]*\$)
      | (?P<quoted>"(?:[^"]|"")*(?:"|\Z))
      | (?P<number>(?<![\w.])\d+(?:\.\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_][\w$]*)""",
    re.VERBOSE | re.DOTALL,
)
_CLASS = {"comment": "cc-c", "string": "cc-s", "number": "cc-n"}


def lines(text: str) -> list[str]:
    """Return one piece of safe HTML a line of `text`; a comment or string over several lines is colored on each."""
    done: list[str] = []
    current: list[str] = []

    def put(piece: str, color: str) -> None:
        for at, part in enumerate(piece.split("\n")):
            if at:
                done.append("".join(current))
                current.clear()
            if part:
                safe = escape(part)
                current.append(f'<span class="{color}">{safe}</span>' if color else safe)

    at = 0
    for token in _TOKEN.finditer(text):
        put(text[at : token.start()], "")
        kind, piece = token.lastgroup or "", token.group()
        color = _CLASS.get(kind, "")
        if kind == "word" and piece.lower() in KEYWORDS:
            color = "cc-k"
        put(piece, color)
        at = token.end()
    put(text[at:], "")
    done.append("".join(current))
    return done
