"""Whether the files on disk are still the revision that a page shows, and how they differ."""

from __future__ import annotations

import base64
import difflib
from dataclasses import dataclass

from changecontrol.models import ChangeRequest, Revision
from changecontrol.repository import FileMissing, Frozen, MigrationMissing, RepositoryMissing
from changecontrol.rules.refusal import Refused
from changecontrol.services import freezing

#: lines of a difference that a page shows
LONGEST = 2000
KINDS = {"+": "add", "-": "del", "@": "at"}


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference; kind is add, del, at (a heading) or "" for what both have."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class DiskState:
    """How the files on disk stand to the revision; sentence is empty when they are the same."""

    differs: bool = False
    missing: bool = False
    diff: tuple[DiffLine, ...] = ()
    sentence: str = ""
    heading: str = ""


def state(change: ChangeRequest) -> DiskState:
    """Compare the files on disk with the current revision; an ended change is not compared."""
    revision = change.revision
    if revision is None or change.is_final:
        return DiskState()
    try:
        now = freezing.repository().read(change.migration_number)
    except (MigrationMissing, FileMissing, RepositoryMissing) as no:
        return DiskState(differs=True, missing=True, sentence=no.sentence, heading="The files are gone from disk")
    except Refused as no:
        return DiskState(differs=True, sentence=no.sentence, heading="The files on disk are refused")
    if now.script_digest == revision.script_digest:
        return DiskState()
    return DiskState(
        differs=True,
        diff=difference(revision, now),
        sentence=_sentence(change, revision, now),
        heading="The files on disk are not this revision",
    )


def _sentence(change: ChangeRequest, revision: Revision, now: Frozen) -> str:
    changed = ", ".join(name for name, (old, new) in _files(revision, now).items() if old != new)
    what = (
        f"{changed} changed after revision {revision.number} was taken."
        if changed
        else "The same bytes give other steps."
    )
    ends = "Take it as a new revision, or put it back."
    if change.status != "draft":
        ends = "What was signed is the revision, and only the revision runs. Recall the change to take the files."
    return f"{what} {ends}"


def _files(revision: Revision, now: Frozen) -> dict[str, tuple[bytes | None, bytes | None]]:
    """Return every file of either side: name -> (frozen bytes, bytes on disk)."""
    frozen = {
        "forward": bytes(revision.forward),
        "rollback": bytes(revision.rollback) if revision.rollback is not None else None,
        "verify": bytes(revision.verify) if revision.verify is not None else None,
    }
    frozen |= {name: base64.b64decode(text) for name, text in revision.sources.items()}
    there = {"forward": now.forward, "rollback": now.rollback, "verify": now.verify, **now.sources}
    number = f"{now.number:03d}"
    names = {
        "forward": f"{now.stem}.sql",
        "rollback": f"rollback/{number}_rollback.sql",
        "verify": f"verify/{number}_verify.sql",
    }
    return {names.get(key, key): (frozen.get(key), there.get(key)) for key in dict.fromkeys([*frozen, *there])}


def difference(revision: Revision, now: Frozen) -> tuple[DiffLine, ...]:
    """Return what changed from the revision to the files on disk, file by file, three lines around each place."""
    found: list[DiffLine] = []
    for name, (old, new) in _files(revision, now).items():
        if old == new:
            continue
        found.append(DiffLine("at", name))
        for line in list(difflib.unified_diff(_lines(old), _lines(new), lineterm="", n=3))[2:]:
            found.append(DiffLine(KINDS.get(line[:1], ""), line))
    if len(found) > LONGEST:
        found = [*found[:LONGEST], DiffLine("at", f"{len(found) - LONGEST} more lines")]
    return tuple(found)


def _lines(data: bytes | None) -> list[str]:
    """Return the lines of a file; a carriage return is shown, because it is a difference."""
    return [line.replace("\r", "␍") for line in (data or b"").decode("utf-8", "replace").split("\n")] if data else []
