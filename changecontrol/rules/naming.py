"""How files of a migrations repository are named, and what their names alone show to be wrong.

    NNN_description.sql    rollback/NNN_rollback.sql    verify/NNN_verify.sql    checks/name.sql    sources/name.sql

Three digits in sequence from 001; lower-case words joined by underscores.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from changecontrol.rules.finding import Finding
from changecontrol.rules.refusal import Refused
from changecontrol.rules.text import LIMIT

_MIGRATION = re.compile(r"([0-9]{3})_([a-z0-9]+(?:_[a-z0-9]+)*)\.sql")
_DESCRIPTION = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_COMPANION = {
    "rollback": re.compile(r"([0-9]{3})_rollback\.sql"),
    "verify": re.compile(r"([0-9]{3})_verify\.sql"),
}
_PLAIN = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*\.sql")
_FOLDERS = ("rollback", "verify", "checks", "sources")
#: Files that belong to a repository without being SQL. The log is the strategy document's own.
_OTHERS = ("README.md", "CHANGELOG.md", "LICENSE", "changecontrol.toml", "migration_log.txt")
DESCRIPTION_LIMIT = 60


class BadDescription(Refused):
    """“{description}” cannot be the description of a migration: use lower-case words joined by underscores, at most
    {limit} characters, for example {example}.
    """


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder of the repository. `path` is relative, with slashes; `outside`: a symlink out of it."""

    path: str
    is_folder: bool = False
    outside: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True, order=True)
class MigrationName:
    """A migration's number and description, 002 and add_audit_metadata."""

    number: int
    description: str

    @property
    def digits(self) -> str:
        """The number as written: "002"."""
        return f"{self.number:03d}"

    @property
    def stem(self) -> str:
        """The name without its extension: "002_add_audit_metadata"."""
        return f"{self.digits}_{self.description}"

    @property
    def forward(self) -> str:
        """The migration's file."""
        return f"{self.stem}.sql"

    @property
    def rollback(self) -> str:
        """The rollback's file."""
        return f"rollback/{self.digits}_rollback.sql"

    @property
    def verify(self) -> str:
        """The verify script's file."""
        return f"verify/{self.digits}_verify.sql"


def parse(path: str) -> MigrationName | None:
    """Read a migration's file name; None for every other file."""
    match = _MIGRATION.fullmatch(path)
    if match is None or match.group(1) == "000":
        return None
    return MigrationName(int(match.group(1)), match.group(2))


def parse_companion(path: str, folder: str) -> int | None:
    """Read the number of rollback/NNN_rollback.sql or verify/NNN_verify.sql; None for every other file."""
    where, _, name = path.partition("/")
    match = _COMPANION[folder].fullmatch(name) if where == folder else None
    return int(match.group(1)) if match else None


def check_description(description: str) -> str:
    """Return the description, or raise BadDescription with one that would do."""
    if not _DESCRIPTION.fullmatch(description) or len(description) > DESCRIPTION_LIMIT:
        example = snake(description)[:DESCRIPTION_LIMIT].strip("_") or "add_device_info"
        raise BadDescription(description=description, limit=DESCRIPTION_LIMIT, example=example)
    return description


def examine(entries: Iterable[Entry], *, no_way_back: Collection[int] = ()) -> list[Finding]:
    """Give what names, places and sizes show to be wrong, sorted by file.

    `no_way_back`: numbers whose header declares that there is no rollback to write.
    """
    known = list(entries)
    found = [finding for entry in known for finding in _one(entry)]
    names = sorted(name for entry in known if not entry.is_folder and (name := parse(entry.path)))
    found += _sequence(names)
    found += _companions(known, names, no_way_back)
    return sorted(found, key=lambda item: (item.file, item.rule))


def _finding(rule: str, severity: str, file: str, message: str, rewrite: str = "") -> Finding:
    return Finding(rule, severity, file, 1, 1, message, rewrite)


def _one(entry: Entry) -> Iterator[Finding]:
    path = PurePosixPath(entry.path)
    if path.parts[0].startswith("."):
        return
    if entry.outside:
        message = f"{entry.path} is a link to something outside of the repository; it is never read."
        yield _finding("link-outside", "error", entry.path, message, "Copy the file into the repository.")
        return
    if entry.size > LIMIT:
        message = f"{entry.path} has {entry.size} bytes; {LIMIT} at most are read."
        yield _finding("too-large", "error", entry.path, message, "Split it, or fill tables with batched steps.")
    if entry.is_folder:
        if entry.path not in _FOLDERS and path.parts[0] != "sources":
            message = f"The folder {entry.path} has no meaning here."
            yield _finding("stray-folder", "warning", entry.path, message, "Move it out, or use sources/ for includes.")
    elif len(path.parts) == 1:
        yield from _in_root(entry.path)
    elif path.parts[0] in _COMPANION:
        yield from _in_companion(entry.path, path.parts[0])
    elif path.parts[0] == "checks" and not (len(path.parts) == 2 and _PLAIN.fullmatch(path.name)):
        message = f"{entry.path} is no standing check: those are files named like checks/audit_chain.sql."
        yield _finding("stray-file", "warning", entry.path, message)


def _in_root(name: str) -> Iterator[Finding]:
    if parse(name) or name in _OTHERS:
        return
    if not name.lower().endswith(".sql"):
        message = f"{name} has no meaning in a migrations repository."
        yield _finding("stray-file", "warning", name, message, "Move it elsewhere.")
        return
    match = re.match(r"([0-9]+)[_\- ]*(.*)\.sql", name, re.I)
    if match is None:
        message = f"{name} has no number, so it is never run. Name it NNN_description.sql."
        yield _finding("stray-file", "error", name, message)
        return
    number, description = int(match.group(1)), snake(match.group(2))
    wanted = f"{number:03d}_{description or 'description'}.sql" if 0 < number < 1000 else "NNN_description.sql"
    if _MIGRATION.fullmatch(name.lower()) and number:
        message = f"{name} is written with capital letters. Name it {wanted}."
    elif number == 0 or len(match.group(1)) != 3:
        message = f"{name} does not begin with three digits counted from 001. Name it {wanted}."
    else:
        message = f"{name} is not lower-case words joined by underscores. Name it {wanted}."
    yield _finding("file-name", "error", name, message, wanted)


def _in_companion(path: str, folder: str) -> Iterator[Finding]:
    if parse_companion(path, folder) is None:
        message = f"{path} belongs to no migration. Name it {folder}/NNN_{folder}.sql."
        severity = "error" if path.lower().endswith(".sql") else "warning"
        yield _finding("file-name", severity, path, message)


def _sequence(names: list[MigrationName]) -> Iterator[Finding]:
    by_number: dict[int, list[MigrationName]] = defaultdict(list)
    for name in names:
        by_number[name.number].append(name)
    previous = 0
    for number in sorted(by_number):
        same = by_number[number]
        for name in same:
            others = ", ".join(other.forward for other in same if other != name)
            if others:
                message = f"{name.forward} has the same number as {others}. Give one of them the next free number."
                yield _finding("number-twice", "error", name.forward, message)
        if number > previous + 1:
            alone = number == previous + 2
            missing = f"{previous + 1:03d} is" if alone else f"{previous + 1:03d} to {number - 1:03d} are"
            message = f"{missing} missing before {same[0].forward}. Numbers follow each other without gaps."
            yield _finding("number-gap", "warning", same[0].forward, message)
        previous = number


def _companions(known: list[Entry], names: list[MigrationName], no_way_back: Collection[int]) -> Iterator[Finding]:
    numbers = {name.number for name in names}
    there: dict[str, set[int]] = {folder: set() for folder in _COMPANION}
    for entry in known:
        for folder in _COMPANION:
            number = None if entry.is_folder else parse_companion(entry.path, folder)
            if number is not None:
                there[folder].add(number)
                if number not in numbers:
                    message = f"{entry.path} is for migration {number:03d}, which does not exist."
                    to_do = f"Add {number:03d}_description.sql, or give the file the number it belongs to."
                    yield _finding(f"{folder}-alone", "error", entry.path, message, to_do)
    for name in names:
        if name.number not in there["rollback"] and name.number not in no_way_back:
            message = f"{name.forward} has no {name.rollback}. Write it, or declare in the header why there is none."
            rewrite = "-- Rollback: forward-fix only, because …"
            yield _finding("missing-rollback", "error", name.forward, message, rewrite)
        if name.number not in there["verify"]:
            message = f"{name.forward} has no {name.verify}, so nothing checks its effect after the commit."
            yield _finding("missing-verify", "note", name.forward, message)


def snake(text: str) -> str:
    """Write a text as lower-case words joined by underscores."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
