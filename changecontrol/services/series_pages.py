"""What the pages of series show: members in order, where each is on, what is next, and which releases are out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from changecontrol.models import ChangeRequest, Environment, Person, ReleaseAttestation, Series, Target
from changecontrol.repository import SeriesFile
from changecontrol.rules import releases
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.releases import Requirement
from changecontrol.services import matrix, overview, releasing, series
from changecontrol.services.matrix import Cell

#: statuses in which nothing of a member stands in the way of the next one
LANDED = (Status.DEPLOYED, Status.CLOSED)


@dataclass(frozen=True, slots=True)
class Member:
    """One place of a series: its change, or the file that nobody opened yet, or neither; cells by target."""

    place: int
    change: ChangeRequest | None
    stem: str
    number: int | None
    cells: list[Cell]
    requires: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A release that members wait for, on one target: what is attested there, and whether it will do."""

    requirement: Requirement
    target: Target
    newest: ReleaseAttestation | None
    met: bool


@dataclass(frozen=True, slots=True)
class Next:
    """The first member that has not landed, and what is owed; nothing once all have."""

    sentence: str
    member: Member | None = None


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series as its page shows it to one person."""

    slug: str
    title: str
    length: int
    targets: list[Target]
    members: list[Member]
    releases: list[Release]
    next: Next

    @property
    def landed(self) -> int:
        """How many members are in production."""
        return sum(1 for one in self.members if one.change and one.change.status in LANDED)


@dataclass(frozen=True, slots=True)
class Listed:
    """A series in the list: how many of its members are open, and how many have landed."""

    slug: str
    title: str
    length: int
    opened: int
    landed: int


def listing() -> list[Listed]:
    """Return every series, those that are only files last; two queries."""
    held: dict[int, dict[int, str]] = {}
    kept = ChangeRequest.objects.exclude(series=None).exclude(status__in=series.GIVEN_UP).order_by("number")
    for series_id, place, status in kept.values_list("series_id", "series_position", "status"):
        held.setdefault(series_id or 0, {})[place or 0] = status
    found = []
    for one in Series.objects.order_by("-opened_at", "slug"):
        statuses = held.get(one.pk, {}).values()
        landed = sum(1 for status in statuses if status in LANDED)
        found.append(Listed(one.slug, one.title, one.length, len(statuses), landed))
    known = {one.slug for one in found}
    for slug, files in sorted(series.on_disk().items()):
        if slug not in known:
            found.append(Listed(slug, series.title_of(slug), _length(files), 0, 0))
    return found


def _length(files: dict[int, SeriesFile]) -> int:
    return max(one.header.series_length for one in files.values())


def view(slug: str, *, person: Person, now: datetime) -> SeriesView | None:
    """Return one series, or None if neither a change nor a file names it. A constant number of queries."""
    row, files = Series.objects.filter(slug=slug).first(), series.on_disk().get(slug, {})
    if row is None and not files:
        return None
    targets, members = _members(row, files, now=now)
    running = [one for one in targets if one.environment.kind != Environment.Kind.DEVELOPMENT]
    return SeriesView(
        slug=slug,
        title=row.title if row else series.title_of(slug),
        length=row.length if row else _length(files),
        targets=targets,
        members=members,
        releases=_releases(members, running),
        next=_next(members, person=person, now=now),
    )


def _members(row: Series | None, files: dict[int, SeriesFile], *, now: datetime) -> tuple[list[Target], list[Member]]:
    changes = series.members(row.pk) if row else {}
    asked = _asked(changes)
    whole = matrix.matrix(now=now)
    cells = {one.number: one.cells for one in whole.rows}
    found = []
    for place in range(1, (row.length if row else _length(files)) + 1):
        change, file = changes.get(place), files.get(place)
        number = change.migration_number if change else file.files.number if file else None
        stem = change.migration_name if change else file.files.stem if file else ""
        text = asked.get(change.pk, "") if change else file.header.requires_release if file else ""
        there = cells.get(number or 0) or [Cell("pending") for _ in whole.targets]
        found.append(Member(place, change, stem, number, there, releases.parse(text) or ()))
    return whole.targets, found


def _asked(changes: dict[int, ChangeRequest]) -> dict[int, str]:
    """Return the release that each change's frozen header names; one query."""
    of = ChangeRequest.objects.filter(pk__in=[one.pk for one in changes.values()])
    found = of.values_list("pk", "revision__plan__forward__header__requires_release")
    return {pk: str(text or "") for pk, text in found}


def _releases(members: list[Member], targets: list[Target]) -> list[Release]:
    wanted = list(dict.fromkeys(one for member in members for one in member.requires))
    found = releasing.attested(targets, (one.application for one in wanted)) if wanted else {}
    return [
        Release(one, target, found.get((target.pk, one.application)), releasing.met(one, target, found))
        for one in wanted
        for target in targets
    ]


def _next(members: list[Member], *, person: Person, now: datetime) -> Next:
    for member in members:
        if member.change is None and member.number is None:
            return Next(f"Place {member.place} has no migration yet: an author writes it.", member)
        if member.change is None:
            return Next(f"{member.stem}.sql is written and not opened yet: an author opens its change.", member)
        if member.change.status not in LANDED:
            seen = overview.overview(change=member.change, person=person, now=now)
            return Next(seen.next_action, member)
    return Next("Every member is in production.")
