"""One script as the SQL tab draws it: loose lines and steps, every line with a stable id and the findings beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from changecontrol.rules import figures
from changecontrol.rules.script import Script, Step, StepKind
from changecontrol.web import sql_colors
from changecontrol.web.observations import Found, Seen

_ENDS = re.compile(r"^\s*(COMMIT|END)\b", re.IGNORECASE)
_BEGINS = re.compile(r"^\s*(BEGIN|START\s+TRANSACTION)\b|^\s*--\s*changecontrol:", re.IGNORECASE)
_KINDS = {
    StepKind.TRANSACTION: ("tx", "brackets-contain"),
    StepKind.SINGLE: ("single", "bolt"),
    StepKind.BATCHED: ("batch", "stack-2"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding beside a line: its number on the page, its anchor and its tone (info, warn, bad)."""

    number: int
    tone: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line: number, anchor (F12), safe HTML, the findings on it, and what the statements ending here did."""

    number: int
    anchor: str
    html: str
    marks: tuple[Mark, ...] = ()
    seen: tuple[Seen, ...] = ()

    @property
    def tone(self) -> str:
        """The strongest tone among the marks, or nothing."""
        tones = {mark.tone for mark in self.marks}
        return next((tone for tone in ("bad", "warn", "info") if tone in tones), "")


@dataclass(slots=True)
class Block:
    """Lines that belong together: a step, or loose lines (number 0)."""

    number: int = 0
    css: str = ""
    icon: str = ""
    says: str = ""
    took: str = ""
    lines: list[Line] = field(default_factory=list)


def says(step: Step) -> str:
    """Return what a step is, in words: "batched, 5,000 rows each, own commit"."""
    if step.kind is StepKind.BATCHED and step.batch:
        return f"batched, {step.batch.size:,} rows each, own commit"
    if step.kind is StepKind.SINGLE:
        return "single, outside a transaction"
    options = step.begin_sql.strip().rstrip(";")[len("BEGIN") :].strip().lower()
    return f"transaction, {options}" if options else "transaction"


def _took(step: Step, found: Found) -> str:
    """Return how long a step took on the copy; nothing where it did not come to its end there."""
    seen = [found.get((step.number, one.number)) for one in step.statements]
    known = [one.observed.ms for one in seen if one is not None and not one.failed]
    return figures.duration(sum(known)) if known and len(known) == len(seen) else ""


def text_of(data: bytes) -> str:
    """Return the text to show; bytes that are not UTF-8 were refused before, so nothing is lost here."""
    return data.decode("utf-8", errors="replace").removeprefix("\ufeff").replace("\r\n", "\n")


def _spans(script: Script, texts: list[str], data: bytes) -> list[tuple[int, int, Step]]:
    """Return first and last line of each step, including its BEGIN, COMMIT and directive."""
    spans: list[tuple[int, int, Step]] = []
    floor = 0  # last line already taken
    for step in script.steps:
        own = [statement for statement in step.statements if statement.source == script.file]
        if not own:
            continue
        first = own[0].line
        last = max(1 + data[: statement.end].count(b"\n") for statement in own)
        for at in range(floor + 1, min(first, len(texts) + 1)):
            if _BEGINS.match(texts[at - 1]):
                first = at
                break
        last = min(max(first, last), len(texts))
        if step.kind is StepKind.TRANSACTION:
            for at in range(last + 1, len(texts) + 1):
                if _ENDS.match(texts[at - 1]):
                    last = at
                    break
                if texts[at - 1].strip() and not texts[at - 1].lstrip().startswith("--"):
                    break
        spans.append((first, last, step))
        floor = last
    return spans


def _endings(script: Script | None, data: bytes, found: Found) -> dict[int, list[Seen]]:
    """Return what was seen of each statement, by the line on which the statement ends."""
    ends: dict[int, list[Seen]] = {}
    for step in script.steps if script else ():
        for one in step.statements:
            seen = found.get((step.number, one.number))
            if seen is not None and script is not None and one.source == script.file:
                ends.setdefault(1 + data[: one.end].count(b"\n"), []).append(seen)
    return ends


def blocks(
    data: bytes,
    script: Script | None,
    letter: str,
    marks: Mapping[int, Iterable[Mark]],
    found: Found | None = None,
) -> list[Block]:
    """Return the blocks of a file. `letter` begins the anchors (F or R); `marks` are findings by line.

    `found` is what a rehearsal saw each statement do.
    """
    found = found or {}
    ends = _endings(script, data, found)
    text = text_of(data)
    texts = text.split("\n")
    colored = sql_colors.lines(text)
    if texts and not texts[-1]:
        texts, colored = texts[:-1], colored[:-1]
    rows = [
        Line(number, f"{letter}{number}", html, tuple(marks.get(number, ())), tuple(ends.get(number, ())))
        for number, html in enumerate(colored, 1)
    ]
    result: list[Block] = []
    at = 0
    for first, last, step in _spans(script, texts, data) if script else []:
        if rows[at : first - 1]:
            result.append(Block(lines=rows[at : first - 1]))
        css, icon = _KINDS[step.kind]
        result.append(Block(step.number, css, icon, says(step), _took(step, found), rows[first - 1 : last]))
        at = last
    if rows[at:]:
        result.append(Block(lines=rows[at:]))
    return result
