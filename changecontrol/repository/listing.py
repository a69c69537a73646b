"""Migrations as their files' names show them. Nothing is opened here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changecontrol.rules import naming
from changecontrol.rules.naming import Entry
from changecontrol.rules.plan import Header
from changecontrol.rules.refusal import Refused


class MigrationMissing(Refused):
    """There is no migration {number} in the migrations repository. Create {number}_description.sql first."""


class NumberTwice(Refused):
    """Migration {number} exists more than once: {files}. Give all but one of them the next free number."""


class NoFreeNumber(Refused):
    """Migration 999 exists, and numbers have three digits. Begin a new repository with a baseline."""


@dataclass(frozen=True, slots=True)
class MigrationFiles:
    """One migration as its names show it; paths are relative. Nothing was opened."""

    number: int
    stem: str
    forward: str
    rollback: str
    verify: str
    has_rollback: bool
    has_verify: bool


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """A migration that names its place in a series."""

    files: MigrationFiles
    header: Header


def migrations(entries: Iterable[Entry]) -> list[MigrationFiles]:
    """Give the migrations among the entries, in order of their numbers."""
    entries = list(entries)
    paths = {entry.path for entry in entries if not entry.is_folder}
    # A folder that leads outside lists nothing; pretending its files were merely missing would hide that.
    outside = {entry.path for entry in entries if entry.outside}
    found = sorted(name for path in paths if (name := naming.parse(path)))
    return [
        MigrationFiles(
            number=name.number,
            stem=name.stem,
            forward=name.forward,
            rollback=name.rollback,
            verify=name.verify,
            has_rollback=name.rollback in paths or "rollback" in outside,
            has_verify=name.verify in paths or "verify" in outside,
        )
        for name in found
    ]


def one(entries: list[Entry], number: int) -> MigrationFiles:
    """Give the only migration of a number. Raises MigrationMissing or NumberTwice."""
    found = [migration for migration in migrations(entries) if migration.number == number]
    if not found:
        raise MigrationMissing(number=f"{number:03d}")
    if len(found) > 1:
        raise NumberTwice(number=f"{number:03d}", files=", ".join(item.forward for item in found))
    return found[0]


def next_number(entries: list[Entry]) -> int:
    """Give the number behind every one that any file holds. Raises NoFreeNumber."""
    taken = [name.number for entry in entries if (name := naming.parse(entry.path))]
    for folder in ("rollback", "verify"):
        taken += [number for entry in entries if (number := naming.parse_companion(entry.path, folder)) is not None]
    number = max(taken, default=0) + 1
    if number > 999:
        raise NoFreeNumber()
    return number
