"""The migrations repository as a whole: what is there, one migration read exactly, and the next one created."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from changecontrol.repository import files, git, listing, scaffold
from changecontrol.repository.listing import MigrationFiles, SeriesFile
from changecontrol.repository.sources import included
from changecontrol.rules import manifest, naming, pair, patterns, script
from changecontrol.rules.finding import Finding
from changecontrol.rules.naming import Entry, MigrationName
from changecontrol.rules.patterns import Member, Place, Signed
from changecontrol.rules.policy import Policy
from changecontrol.rules.policy import parse as parse_policy
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Direction, Script

POLICY_FILE = "changecontrol.toml"


@dataclass(frozen=True, slots=True)
class Frozen:
    """One migration read exactly: bytes, plans, digest and findings. `sources` are the included files by path."""

    number: int
    stem: str
    forward: bytes
    rollback: bytes | None
    verify: bytes | None
    sources: dict[str, bytes]
    forward_script: Script
    rollback_script: Script | None
    verify_script: Script | None
    script_digest: str
    findings: tuple[Finding, ...]
    git_commit: str | None
    git_author: str | None

    @property
    def plans(self) -> dict[str, dict[str, object]]:
        """The plans of the files that exist, as JSON values: what the script digest covers beside the bytes."""
        return plans(self.forward_script, self.rollback_script, self.verify_script)


class Repository:
    """A folder or git work tree of migrations. Every method reads the disk anew. Raises RepositoryMissing."""

    def __init__(self, root: Path) -> None:
        self.root = files.root_of(Path(root))

    def entries(self) -> list[Entry]:
        """List every file and folder, stray ones too, without opening any."""
        return list(files.listing(self.root))

    def migrations(self) -> list[MigrationFiles]:
        """List the migrations in order of their numbers, from the names alone."""
        return listing.migrations(self.entries())

    def findings(self) -> list[Finding]:
        """Give what names and places show to be wrong. What is inside a migration's files is found by `read`."""
        return self._examine(self.entries())

    def _examine(self, entries: list[Entry]) -> list[Finding]:
        no_way_back = {
            migration.number
            for migration in listing.migrations(entries)
            if not migration.has_rollback and self._declares_no_way_back(migration)
        }
        return naming.examine(entries, no_way_back=no_way_back)

    def _declares_no_way_back(self, migration: MigrationFiles) -> bool:
        try:
            data = files.read(self.root, migration.forward)
            return script.read_header(data, file=migration.forward).rollback_class in pair.NO_WAY_BACK
        except Refused:
            return False  # the refusal has its own place, in `read`; the missing rollback stays a finding

    def read(self, number: int) -> Frozen:
        """Read one migration: its exact bytes, parsed, with digest and findings.

        Raises MigrationMissing, NumberTwice, the refusals of reading a file and those of `script.parse`.
        """
        entries = self.entries()
        migration = listing.one(entries, number)
        forward = files.read(self.root, migration.forward)
        rollback = files.read(self.root, migration.rollback) if migration.has_rollback else None
        verify = files.read(self.root, migration.verify) if migration.has_verify else None
        own = {migration.forward: forward, migration.rollback: rollback, migration.verify: verify}
        own_bytes = {path: data for path, data in own.items() if data is not None}
        sources = included(self.root, own_bytes)
        forward_script = script.parse(forward, file=migration.forward, direction=Direction.FORWARD, sources=sources)
        rollback_script = _parse_if(rollback, migration.rollback, Direction.ROLLBACK, sources)
        verify_script = _parse_if(verify, migration.verify, Direction.VERIFY, sources)
        found = [item for item in self._examine(entries) if item.file in own]
        numbers = {f"{item.number:03d}" for item in listing.migrations(entries)}
        found += pair.examine(forward_script, rollback_script, verify_script, numbers=numbers)
        origin = git.origin(self.root, own_bytes | sources, main=migration.forward)
        steps = plans(forward_script, rollback_script, verify_script)
        return Frozen(
            number=number,
            stem=migration.stem,
            forward=forward,
            rollback=rollback,
            verify=verify,
            sources=sources,
            forward_script=forward_script,
            rollback_script=rollback_script,
            verify_script=verify_script,
            script_digest=manifest.script_digest(forward, rollback, verify, sources, steps),
            findings=tuple(found),
            git_commit=origin.commit if origin else None,
            git_author=origin.author if origin else None,
        )

    def checks(self) -> dict[str, bytes]:
        """Read the standing checks: name ("audit_chain") to bytes, in order of their names."""
        return {
            Path(entry.path).stem: files.read(self.root, entry.path)
            for entry in self.entries()
            if entry.path.startswith("checks/") and entry.path.endswith(".sql") and not entry.is_folder
        }

    def policy_text(self) -> str:
        """Read changecontrol.toml; empty when there is none. Raises the refusals of Text for a file that is no text."""
        try:
            return script.decoded(files.read(self.root, POLICY_FILE), file=POLICY_FILE)
        except files.FileMissing:
            return ""

    def policy(self) -> Policy:
        """Read protected tables and routing from changecontrol.toml. Raises what `policy.parse` raises."""
        return parse_policy(self.policy_text())

    def create(self, description: str, ticket: str, author: str, *, date: str) -> list[Path]:
        """Create the next migration with rollback and verify script; `date` is YYYY-MM-DD. Never overwrites.

        Gives the paths, forward first. Raises BadDescription, BadField, NoFreeNumber or CannotCreate.
        """
        naming.check_description(description)
        while True:
            entries = self.entries()
            name = MigrationName(listing.next_number(entries), description)
            earlier = listing.migrations(entries)
            dependencies = f"{earlier[-1].number:03d}" if earlier else "none"
            texts = scaffold.contents(name, ticket=ticket, author=author, date=date, dependencies=dependencies)
            try:
                # The rollback's name holds nothing but the number: whoever creates it first has taken the number.
                return [self._write(path, text) for path, text in texts.items()][::-1]
            except FileExistsError:
                continue

    def create_series(
        self, description: str, members: Sequence[Member], *, signed: Signed, dependencies: str = ""
    ) -> list[Path]:
        """Create the migrations of a series, each with rollback and verify script. Never overwrites.

        Each depends on the one before it, the first on `dependencies` or on the newest migration. Gives the paths in
        order, forward first. Raises BadDescription, BadField, SeriesExists, NoFreeNumber or CannotCreate.
        """
        stems = ["_".join(word for word in (description, one.description) if word) for one in members]
        for stem in stems:
            naming.check_description(stem)
        scaffold.check_fields(ticket=signed.ticket, author=signed.author, date=signed.date)
        slug = description.replace("_", "-") if len(members) > 1 else ""
        if slug in self.series():
            raise scaffold.SeriesExists(slug=slug)
        created: list[Path] = []
        for position, (stem, member) in enumerate(zip(stems, members, strict=True), 1):
            place = Place(slug, position, len(members))
            paths = self._create_member(stem, member, place, signed, dependencies)
            created += paths
            dependencies = paths[0].name[:3]
        return created

    def _create_member(self, stem: str, member: Member, place: Place, signed: Signed, dependencies: str) -> list[Path]:
        while True:
            entries = self.entries()
            name = MigrationName(listing.next_number(entries), stem)
            earlier = listing.migrations(entries)
            before = dependencies or (f"{earlier[-1].number:03d}" if earlier else "none")
            texts = patterns.contents(member, name, place=place, signed=signed, dependencies=before)
            try:
                return [self._write(path, text) for path, text in texts.items()][::-1]
            except FileExistsError:
                continue

    def series(self) -> dict[str, dict[int, SeriesFile]]:
        """Give the series that headers name: slug to position to migration. Files that cannot be read are left out."""
        found: dict[str, dict[int, SeriesFile]] = {}
        for migration in self.migrations():
            with suppress(Refused):
                header = script.read_header(files.read(self.root, migration.forward), file=migration.forward)
                if header.series:
                    found.setdefault(header.series, {})[header.series_position] = SeriesFile(migration, header)
        return found

    def _write(self, path: str, text: str) -> Path:
        target = self.root / path
        if not target.parent.resolve().is_relative_to(self.root):
            raise files.LinkOutside(file=target.parent.name)
        try:
            if not target.parent.is_dir():
                target.parent.mkdir()
            with target.open("x", encoding="utf-8", newline="\n") as opened:
                opened.write(text)
        except OSError as error:
            if isinstance(error, FileExistsError) and target.parent.is_dir():
                raise
            raise scaffold.CannotCreate(file=path, reason=error.strerror or str(error)) from None
        return target


def plans(forward: Script, rollback: Script | None, verify: Script | None) -> dict[str, dict[str, object]]:
    """Give the plans that exist as JSON values, by direction."""
    return {str(item.direction): script.to_json(item) for item in (forward, rollback, verify) if item is not None}


def _parse_if(data: bytes | None, file: str, direction: Direction, sources: dict[str, bytes]) -> Script | None:
    return None if data is None else script.parse(data, file=file, direction=direction, sources=sources)
