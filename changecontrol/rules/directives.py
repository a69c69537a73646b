"""The instructions an author writes as comments: `-- changecontrol: batch [key=id] size=5000 [duty=50] [expect>0]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from changecontrol.rules.lexer import Token
from changecontrol.rules.text import RefusedAt, Text

SIZES = range(1, 100_001)
DUTIES = range(1, 101)
#: The key of a table that has none: the place of a row. No column of a table can have this name.
CTID = "ctid"


class UnknownDirective(RefusedAt):
    """{place}: “{written}” is no instruction known here. The one there is: -- changecontrol: batch key=id size=5000
    with expect>0 at the end if every batch must change rows, and duty=50 if it may work half of the time only. Without
    a key (or with key=ctid) the batches walk along the places of the rows.
    """


class DirectiveNotAlone(RefusedAt):
    """{place}: an instruction stands on a line of its own, directly before the statement it is about. Move it there."""


class BadSize(RefusedAt):
    """{place}: a batch has between {least} and {most} rows. Choose a size in between; 5000 suits most tables."""


class BadDuty(RefusedAt):
    """{place}: duty is the share of time that batches may work, from {least} to {most} percent."""


@dataclass(frozen=True, slots=True)
class Directive:
    """A parsed `-- changecontrol: batch …` line. `key=alias.column` gives the qualifier; else it is empty.

    `duty` is the share of time the batches may work, in percent.
    """

    offset: int
    qualifier: str
    column: str
    size: int
    expect_positive: bool
    duty: int = 100


_KEY = r"(?:[A-Za-z_][\w$]*|\"(?:[^\"]|\"\")+\")"
_BATCH = re.compile(rf"batch((?:\s+(?:key=(?:{_KEY}\.)?{_KEY}|size=\d+|duty=\d+|expect>0))+)", re.ASCII)
_PART = re.compile(rf"\s+(key=(?:{_KEY}\.)?{_KEY}|size=\d+|duty=\d+|expect>0)", re.ASCII)
_DIRECTIVE = re.compile(r"--\s*changecontrol\s*:\s*(.*?)\s*", re.I | re.S)


def directive(text: Text, token: Token) -> Directive | None:
    """Read one comment; None when it is an ordinary one. Raises UnknownDirective, DirectiveNotAlone or BadSize."""
    match = _DIRECTIVE.fullmatch(token.text.decode("utf-8"))
    if match is None:
        return None
    line = text.data[text.data.rfind(b"\n", 0, token.start) + 1 : token.start]
    if line.removeprefix(b"\xef\xbb\xbf").strip():
        raise DirectiveNotAlone(text, token.start)
    written = match.group(1)
    parts = _PART.findall(match.group(0)) if _BATCH.fullmatch(written) else []
    values = {part.split("=")[0] if "=" in part else part: part.partition("=")[2] for part in parts}
    if not parts or len(values) != len(parts) or "size" not in values:
        raise UnknownDirective(text, token.start, written=written)
    if len(values["size"]) > 6 or int(values["size"]) not in SIZES:
        raise BadSize(text, token.start, least=SIZES[0], most=SIZES[-1])
    duty = values.get("duty", "100")
    if len(duty) > 3 or int(duty) not in DUTIES:
        raise BadDuty(text, token.start, least=DUTIES[0], most=DUTIES[-1])
    *qualifier, column = (_name(part) for part in re.findall(_KEY, values.get("key", CTID)))
    expects = "expect>0" in values
    return Directive(token.start, "".join(qualifier), column, int(values["size"]), expects, int(duty))


def _name(written: str) -> str:
    """Fold a name as PostgreSQL does: lower case, unless it is quoted."""
    return written[1:-1].replace('""', '"') if written.startswith('"') else written.lower()
