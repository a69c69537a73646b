"""The comments at the top of a file: the strategy document's fields, and the four declarations of ours.

-- Migration: 002 - Add audit metadata        -- Rollback: 002 - Add audit metadata   (in a rollback file)
-- Ticket: TICKET-001                         -- Rollback: lossy, device_info is lost (in a forward file)
-- Author: Ada Lindqvist                      -- Requires-release: app >= 2.4
-- Date: 2026-01-31                           -- After-rollback: passes               (in a verify file)
-- Purpose:                                   -- Dependencies: none, or 001, 002
-- Series: rename-left-on, 2 of 3             (this migration's place in a series of changes)
-- One or several lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from changecontrol.rules import releases
from changecontrol.rules.finding import Finding
from changecontrol.rules.lexer import Token
from changecontrol.rules.plan import Direction, Header, RollbackClass
from changecontrol.rules.text import Text

_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*)\s*:(?!:)\s*(.*)")
_RULER = re.compile(r"[=\-*#~_\s]*")
_NUMBERED = re.compile(r"([0-9A-Za-z]+)\s*(?:[-–—:]\s*(.*))?")
_CLASS = re.compile(r"(lossless|lossy|conditional|forward-fix only|restore only)\b[\s,;:.–—-]*(.*)", re.I | re.S)
_NUMBERS = re.compile(r"\d{3}(?:\s*,\s*\d{3})*")
_SERIES = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*),?\s+(\d{1,2}) of (\d{1,2})")
_PLACEHOLDER = re.compile(
    r"\bX{3}\b|YYYY-MM-DD|\[Your Name\]|^Brief description of what|^List any prerequisite|\bTODO\b"
)
#: Length of a series' name.
SLUG_LIMIT = 80
_MANY_LINES = ("purpose", "dependencies", "rollback")
_KNOWN = (
    *_MANY_LINES, "series", "requires-release", "migration", "ticket", "author", "date", "verify", "after-rollback",
)  # fmt: skip
_REQUIRED = ("migration", "ticket", "author", "date", "purpose", "dependencies")


@dataclass(slots=True)
class _Field:
    name: str  # as written
    text: str
    offset: int
    open: bool = True  # further comment lines belong to it


def read(text: Text, seen: Sequence[Token], direction: Direction) -> tuple[Header, list[Finding]]:
    """Read the fields from the comments before the first statement. `seen` are the file's tokens with comments."""
    fields = _fields(text, seen)
    found = _Findings(text, direction)
    header = Header(extra=tuple((item.name, item.text) for item in fields if item.name.lower() not in _KNOWN))
    known: dict[str, _Field] = {}
    for item in fields:
        if item.name.lower() not in _KNOWN:
            continue
        if item.name.lower() in known:
            found.add(
                "header-twice", "warning", item.offset, f"{item.name} stands here a second time; the first counts."
            )
        known.setdefault(item.name.lower(), item)
    for name, item in known.items():
        if item.text:
            header = _take(header, name, item, direction, found)
        if _PLACEHOLDER.search(item.text):
            found.add("header-placeholder", "warning", item.offset, f"{item.name} still holds the template's text.")
    if direction is Direction.FORWARD:
        for name in _REQUIRED:
            if name not in known or not known[name].text:
                message = f"The header has no “{name.capitalize()}”."
                found.add("header-missing", "warning", text.start, message, f"-- {name.capitalize()}: …")
    return header, found.all


def _fields(text: Text, seen: Sequence[Token]) -> list[_Field]:
    fields: list[_Field] = []
    last_line = 0
    for token in seen:
        if not token.text.startswith(b"--"):
            if token.text.startswith(b"/*"):
                continue
            break
        line = text.place(token.start).line
        content = token.text[2:].decode("utf-8").strip()
        match = _FIELD.fullmatch(content)
        previous = fields[-1] if fields else None
        carried = previous is not None and previous.open and line == last_line + 1
        last_line = line
        if match and match.group(1).lower() == "changecontrol":
            break
        if match and (not carried or match.group(1).lower() in _KNOWN):
            name = match.group(1)
            fields.append(_Field(name, match.group(2).strip(), token.start, name.lower() in _MANY_LINES))
        elif previous is not None and carried and not _RULER.fullmatch(content):
            previous.text = f"{previous.text} {content}".strip()
        elif previous is not None:
            previous.open = False
    return fields


class _Findings:
    def __init__(self, text: Text, direction: Direction) -> None:
        self.text, self.direction = text, direction
        self.all: list[Finding] = []

    def add(self, rule: str, severity: str, offset: int, message: str, rewrite: str = "") -> None:
        place = self.text.place(offset)
        self.all.append(Finding(rule, severity, place.file, place.line, place.column, message, rewrite))


def _take(header: Header, name: str, item: _Field, direction: Direction, found: _Findings) -> Header:
    if name in ("migration", "verify") or (name == "rollback" and direction is not Direction.FORWARD):
        return _numbered(header, item, found)
    if name == "rollback":
        return _rollback_class(header, item, found)
    if name == "dependencies":
        return _dependencies(header, item, found)
    if name == "series":
        return _series(header, item, found)
    if name == "date":
        _check_date(item, found)
    if name == "requires-release":
        _check_release(item, found)
    if name == "after-rollback" and item.text.lower() not in ("passes", "fails"):
        found.add("after-rollback", "error", item.offset, "After-rollback is either “passes” or “fails”.")
    value = item.text.lower() if name == "after-rollback" else item.text
    return replace(header, **{name.replace("-", "_"): value})  # type: ignore[arg-type]


def _numbered(header: Header, item: _Field, found: _Findings) -> Header:
    if _CLASS.fullmatch(item.text):
        message = "The class of the way back is declared in the migration's own header, not in the rollback file."
        found.add("rollback-class-place", "warning", item.offset, message)
        return header
    match = _NUMBERED.fullmatch(item.text)
    number, title = (match.group(1), match.group(2) or "") if match else ("", item.text)
    file_number = re.match(r"\d{3}(?=_)", found.text.file.rsplit("/", 1)[-1])
    if number.isdigit() and file_number and number != file_number.group():
        message = f"The header says {number}, the file name says {file_number.group()}."
        found.add("header-number", "error", item.offset, message)
    return replace(header, migration=header.migration or number, title=header.title or title)


def _rollback_class(header: Header, item: _Field, found: _Findings) -> Header:
    match = _CLASS.fullmatch(item.text)
    if match is None:
        message = (
            "“Rollback” declares how much can be taken back: lossless, lossy, conditional, forward-fix only or "
            "restore only, followed by a comma and the reason."
        )
        found.add("rollback-class", "error", item.offset, message, "-- Rollback: lossy, values written since are lost")
        return header
    declared, note = RollbackClass(match.group(1).lower()), match.group(2).strip()
    if declared is not RollbackClass.LOSSLESS and not note:
        message = f"“{declared}” needs its reason: what is lost, on what it depends, or why there is no way back."
        found.add("rollback-class", "error", item.offset, message, f"-- Rollback: {declared}, because …")
    return replace(header, rollback_class=declared, rollback_declared=True, rollback_note=note)


def _dependencies(header: Header, item: _Field, found: _Findings) -> Header:
    written = item.text.rstrip(".")
    if written.lower() == "none":
        return header
    if not _NUMBERS.fullmatch(written):
        message = (
            "Dependencies takes “none” or numbers such as 001, 002. Other text is kept as prose and gates nothing."
        )
        found.add("dependencies-prose", "warning", item.offset, message, "-- Dependencies: none")
        return replace(header, dependencies_note=item.text)
    numbers = tuple(part.strip() for part in written.split(","))
    own = re.match(r"\d{3}(?=_)", found.text.file.rsplit("/", 1)[-1])
    for number in numbers:
        if own and number >= own.group():
            message = f"A migration cannot depend on {number}, which does not come before it."
            found.add("dependencies-order", "error", item.offset, message)
    return replace(header, dependencies=numbers)


def _series(header: Header, item: _Field, found: _Findings) -> Header:
    match = _SERIES.fullmatch(item.text)
    position, length = (int(match.group(2)), int(match.group(3))) if match else (0, 0)
    if match is None or len(match.group(1)) > SLUG_LIMIT or not 1 <= position <= length:
        message = (
            f"“{item.text}” names no place in a series: lower-case words joined by hyphens (at most {SLUG_LIMIT} "
            "characters), a comma, and a place such as 2 of 3."
        )
        found.add("series", "error", item.offset, message, "-- Series: rename-left-on, 2 of 3")
        return header
    return replace(header, series=match.group(1), series_position=position, series_length=length)


def _check_release(item: _Field, found: _Findings) -> None:
    if releases.parse(item.text) is None:
        message = f"“{item.text}” names no release that could be waited for: write the application, >= and a version."
        found.add("requires-release", "error", item.offset, message, "-- Requires-release: app >= 4.2.0")


def _check_date(item: _Field, found: _Findings) -> None:
    try:
        date.fromisoformat(item.text)
    except ValueError:
        found.add("header-date", "warning", item.offset, f"“{item.text}” is no date of the form YYYY-MM-DD.")
