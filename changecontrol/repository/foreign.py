"""Folders that were not named by our rules: gaps, other digits, files that cannot be parsed. Each is told.

1_init.sql    0042-Add-Things.sql    20240131120000_more.sql    rollback/0042_rollback.sql    verify/42.sql
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from changecontrol.repository import files
from changecontrol.repository.folder import plans
from changecontrol.repository.sources import included
from changecontrol.rules import manifest, naming, pair, script
from changecontrol.rules.finding import Finding
from changecontrol.rules.naming import Entry
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Direction, RollbackClass, Script

_NUMBERED = re.compile(r"([0-9]{1,18})(?:[_\-. ]+(.*))?\.sql", re.I)
_COMPANIONS = {"rollback": Direction.ROLLBACK, "verify": Direction.VERIFY}


class NoNumber(Refused):
    """{file} has no number in front, so its place among the others is not known. Name it NNN_description.sql."""


class SameNumber(Refused):
    """{file} has the same number as {others}. Give one of them the next free number."""


class TwoCompanions(Refused):
    """There are {count} {folder} scripts with the number {number}: {files}. Keep one of them."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """One file of the folder as a migration. What could not be read or parsed is its Refused; None is not there.

    `script_digest` covers all files as `manifest.script_digest`, `forward_digest` the forward file and what it
    includes. `findings` are those of names, headers and the pair. `texts` are the bytes of its files that were parsed.
    """

    number: int | None
    name: str
    file: str
    forward: Script | Refused
    rollback: Script | Refused | None
    verify: Script | Refused | None
    declared: RollbackClass
    script_digest: str
    forward_digest: str
    findings: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()
    texts: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Part:
    """One of a migration's files: its bytes and its plan, as far as they could be had."""

    file: str
    data: bytes
    sources: Mapping[str, bytes]
    script: Script | Refused


class _Numbers:
    """The numbers of a folder, in their order; `named` as headers write them."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.count = Counter(numbers)
        self.named = {f"{number:03d}" for number in self.count}
        self._order = sorted(self.count)

    def before(self, number: int) -> int:
        """The next lower one; 0 when there is none."""
        place = bisect_left(self._order, number)
        return self._order[place - 1] if place else 0


def gather(root: Path) -> tuple[list[Gathered], list[Finding]]:
    """Read a whole folder, in the order of the numbers, files without one last.

    The findings are those about files that belong to no migration. Raises RepositoryMissing.
    """
    root = files.root_of(Path(root))
    entries = list(files.listing(root))
    paths = [entry.path for entry in entries if not entry.is_folder]
    forwards = sorted((path for path in paths if _is_forward(path)), key=_place)
    numbers = _Numbers(number for path in forwards if (number := number_of(path)) is not None)
    companions = {folder: _companions(paths, folder) for folder in _COMPANIONS}
    found = [_one(root, path, numbers, forwards, companions) for path in forwards]
    owned = {path for migration in found for path in migration.files}
    strays = [item for item in naming.examine(entries) if item.file not in owned]
    return found, [item for item in strays if not _is_folder(entries, item.file) or _is_told(item)]


def number_of(path: str) -> int | None:
    """The number in front of a file's name, whatever its digits."""
    match = _NUMBERED.fullmatch(path.rpartition("/")[2])
    return int(match.group(1)) if match else None


def _is_forward(path: str) -> bool:
    return "/" not in path and path.lower().endswith(".sql")


def _is_folder(entries: Sequence[Entry], path: str) -> bool:
    return any(entry.is_folder and entry.path == path for entry in entries)


def _is_told(item: Finding) -> bool:
    """Of a folder: that it lies elsewhere, or that it is named like a migration. Others are nobody's business here."""
    return item.rule == "link-outside" or number_of(item.file) is not None


def _place(path: str) -> tuple[bool, int, str]:
    number = number_of(path)
    return (number is None, number or 0, path)


def _companions(paths: Sequence[str], folder: str) -> dict[int, list[str]]:
    """The files of a folder by number. One of the very name NNN_folder.sql outdoes others of its number."""
    found: dict[int, list[str]] = {}
    for path in paths:
        number = number_of(path) if path.startswith(f"{folder}/") else None
        if number is not None:
            found.setdefault(number, []).append(path)
    for number, same in found.items():
        named = [path for path in same if re.fullmatch(rf"{folder}/[0-9]+_{folder}\.sql", path)]
        found[number] = named if len(named) == 1 else same
    return found


def _one(
    root: Path, path: str, numbers: _Numbers, forwards: Sequence[str], companions: dict[str, dict[int, list[str]]]
) -> Gathered:
    number = number_of(path)
    forward = _part(root, path, Direction.FORWARD)
    plan = forward.script
    if number is None:
        plan = NoNumber(file=path)
    elif numbers.count[number] > 1:
        others = ", ".join(other for other in forwards if other != path and number_of(other) == number)
        plan = SameNumber(file=path, others=others)
    parts = {} if number is None else _parts_of(root, number, companions)
    rollback, verify = parts.get("rollback"), parts.get("verify")
    data = [part.data if part else None for part in (rollback, verify)]
    sources = {file: read for part in (forward, rollback, verify) if part for file, read in part.sources.items()}
    found = tuple(_parsed(part) for part in (forward, rollback, verify))
    steps = plans(found[0], found[1], found[2]) if found[0] is not None else {}
    declared = _declared(forward)
    return Gathered(
        number=number,
        name=path.rpartition(".")[0],
        file=path,
        forward=plan,
        rollback=rollback.script if rollback else None,
        verify=verify.script if verify else None,
        declared=declared,
        script_digest=manifest.script_digest(forward.data, data[0], data[1], sources, steps),
        forward_digest=manifest.script_digest(forward.data, None, None, forward.sources, {}),
        findings=_findings(path, number, numbers, declared, found, bool(rollback)),
        files=(path, *(file for folder in companions.values() for file in folder.get(number or -1, []))),
        texts={part.file: part.data for part in (forward, rollback, verify) if part and _parsed(part) is not None},
    )


def _parts_of(root: Path, number: int, companions: dict[str, dict[int, list[str]]]) -> dict[str, _Part]:
    found: dict[str, _Part] = {}
    for folder, by_number in companions.items():
        same = by_number.get(number, [])
        if len(same) > 1:
            twice = TwoCompanions(count=len(same), folder=folder, number=number, files=", ".join(same))
            found[folder] = _Part(same[0], b"", {}, twice)
        elif same:
            found[folder] = _part(root, same[0], _COMPANIONS[folder])
    return found


def _part(root: Path, path: str, direction: Direction) -> _Part:
    """Read and parse one file; every refusal is kept as its script."""
    data, sources = b"", {}
    try:
        data = files.read(root, path)
        sources = included(root, {path: data})
        return _Part(path, data, sources, script.parse(data, file=path, direction=direction, sources=sources))
    except Refused as refusal:
        return _Part(path, data, sources, refusal)


def _parsed(part: _Part | None) -> Script | None:
    return part.script if part is not None and isinstance(part.script, Script) else None


def _declared(forward: _Part) -> RollbackClass:
    if isinstance(forward.script, Script):
        return forward.script.header.rollback_class
    try:
        return script.read_header(forward.data, file=forward.file).rollback_class
    except Refused:
        return RollbackClass.LOSSLESS


def _findings(
    path: str,
    number: int | None,
    numbers: _Numbers,
    declared: RollbackClass,
    found: tuple[Script | None, ...],
    has_rollback: bool,
) -> tuple[Finding, ...]:
    forward, rollback, verify = found
    said = _of_name(path, number, numbers)
    if not has_rollback and declared not in pair.NO_WAY_BACK:
        message = f"{path} has no rollback. Write it, or declare in the header why there is none."
        rewrite = "-- Rollback: forward-fix only, because …"
        said.append(Finding("missing-rollback", "error", path, 1, 1, message, rewrite))
    if forward is not None:
        said += pair.examine(forward, rollback, verify, numbers=numbers.named)
    return tuple(said)


def _of_name(path: str, number: int | None, numbers: _Numbers) -> list[Finding]:
    said = []
    if number is not None and naming.parse(path) is None:
        message = f"{path} is not named NNN_description.sql. Here it is run all the same."
        said.append(Finding("file-name", "warning", path, 1, 1, message))
    before = numbers.before(number) if number is not None else 0
    if number is not None and before and number > before + 1:
        message = f"There is nothing between {before:03d} and {number:03d}. Numbers follow each other without gaps."
        said.append(Finding("number-gap", "warning", path, 1, 1, message))
    return said
