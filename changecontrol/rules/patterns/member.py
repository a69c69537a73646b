"""One migration of a series before it has a number, and its three files once it has one."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from changecontrol.rules.naming import MigrationName

_RULER = "-- ====================================================="
_WIDTH = 116


@dataclass(frozen=True, slots=True)
class Member:
    """What one migration does: texts without headers. `notes` are told to whoever reads the migration."""

    description: str
    title: str
    purpose: str
    rollback: str  # class and reason, as the header has it
    forward_sql: str
    rollback_sql: str
    verify_sql: str
    notes: tuple[str, ...] = ()
    rollback_notes: tuple[str, ...] = ()
    requires_release: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member stands in its series; `slug` is empty for a migration that stands alone."""

    slug: str
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Signed:
    """What every header says: ticket, author, date."""

    ticket: str
    author: str
    date: str


def contents(member: Member, name: MigrationName, *, place: Place, signed: Signed, dependencies: str) -> dict[str, str]:
    """Give path → text of the three files, rollback first: its name holds nothing but the number."""
    title = f"{name.digits} - {member.title}"
    fields = [
        ("Migration", title),
        ("Ticket", signed.ticket),
        ("Author", signed.author),
        ("Date", signed.date),
        ("Purpose", member.purpose),
        ("Dependencies", dependencies),
        ("Series", f"{place.slug}, {place.position} of {place.length}" if place.slug else ""),
        ("Requires-release", member.requires_release),
        ("Rollback", member.rollback),
    ]
    head = [_RULER, *(line for name_, text in fields if text for line in _field(name_, text)), _RULER]
    return {
        name.rollback: _file([_RULER, f"-- Rollback: {title}", _RULER], member.rollback_notes, member.rollback_sql),
        name.verify: _file([_RULER, f"-- Verify: {title}", _RULER], (), member.verify_sql),
        name.forward: _file(head, member.notes, member.forward_sql),
    }


def _field(name: str, text: str) -> list[str]:
    """One line; only fields that may go on do, over several lines."""
    lines = textwrap.wrap(text, _WIDTH - len(name) - 2, break_long_words=False, break_on_hyphens=False)
    if name not in ("Purpose", "Rollback"):
        return [f"-- {name}: {text}"]
    return [f"-- {name}: {lines[0]}", *(f"--   {line}" for line in lines[1:])]


def _file(head: list[str], notes: tuple[str, ...], sql: str) -> str:
    wrapped = [
        line for note in notes for line in textwrap.wrap(note, _WIDTH, break_long_words=False, break_on_hyphens=False)
    ]
    comment = [f"-- {line}" for line in wrapped]
    return "\n".join([*head, "", *comment, *([""] if comment else []), sql.strip(), ""])
