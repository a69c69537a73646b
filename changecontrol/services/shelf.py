"""What lies in the migrations repository, and which change each migration has."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings

from changecontrol.models import ChangeRequest
from changecontrol.repository import Frozen, MigrationFiles, Repository
from changecontrol.rules.finding import Finding
from changecontrol.rules.lifecycle import FINAL, Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import freezing

#: ended before anything was taken from the files: what is on disk now is nobody's
GIVEN_UP = (Status.REJECTED, Status.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class ShelfEntry:
    """One migration on disk: its files, its change (the open one, or the last), and what is wrong with it.

    `excerpt` is the refused line with a caret below the place, or "" where the refusal has no place.
    """

    number: int
    stem: str
    forward: bool
    rollback: bool
    verify: bool
    change: ChangeRequest | None
    new: bool
    differs: bool
    findings: list[Finding]
    refusal: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder, its migrations by number, findings about no migration alone, and why it cannot be read, if so."""

    root: str
    entries: list[ShelfEntry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    problem: str = ""


def shelf() -> Shelf:
    """Read the folder as it is now; one query whatever it holds."""
    try:
        repository = freezing.repository()
        migrations = repository.migrations()
        about_names = repository.findings()
    except Refused as no:
        return Shelf(root=str(settings.REPOSITORY), problem=no.sentence)
    changes = _changes({one.number for one in migrations})
    entries, told = [], set()
    for one in migrations:
        frozen, refusal = _read(repository, one)
        if frozen is not None:
            told |= {one.forward, one.rollback, one.verify}
        entries.append(_entry(one, frozen, refusal, changes.get(one.number)))
    findings = [finding for finding in about_names if finding.file not in told]
    return Shelf(root=str(repository.root), entries=entries, findings=findings)


def _read(repository: Repository, migration: MigrationFiles) -> tuple[Frozen | None, Refused | None]:
    try:
        return repository.read(migration.number), None
    except Refused as no:
        return None, no


def _changes(numbers: set[int]) -> dict[int, ChangeRequest]:
    """Return the open change of each migration, or else its newest one."""
    heavy = ("forward", "rollback", "verify", "sources", "plan", "findings", "routing", "checks")
    found = (
        ChangeRequest.objects.filter(migration_number__in=numbers)
        .select_related("revision")
        .defer("content", *(f"revision__{name}" for name in heavy))
        .order_by("number")
    )
    newest = {one.migration_number: one for one in found}
    return newest | {one.migration_number: one for one in found if one.status not in FINAL}


def _entry(
    migration: MigrationFiles, frozen: Frozen | None, no: Refused | None, change: ChangeRequest | None
) -> ShelfEntry:
    revision = change.revision if change and change.status not in GIVEN_UP else None
    differs = revision is not None and (frozen is None or frozen.script_digest != revision.script_digest)
    return ShelfEntry(
        number=migration.number,
        stem=migration.stem,
        forward=True,
        rollback=migration.has_rollback,
        verify=migration.has_verify,
        change=change,
        new=change is None,
        differs=differs,
        findings=list(frozen.findings) if frozen else [],
        refusal=no.sentence if no else "",
        excerpt=no.details.get("excerpt", "") if no else "",
    )
