"""Series: changes that belong together. Each waits on every target until those before it are complete there."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from changecontrol.models import ChangeRequest, Environment, Person, Series, Target
from changecontrol.repository import SeriesFile
from changecontrol.rules.gates import Unmet
from changecontrol.rules.lifecycle import Move, Status
from changecontrol.rules.plan import Header
from changecontrol.rules.refusal import Refused
from changecontrol.services import freezing
from changecontrol.services.order import OnTargets

#: ended before anything of it was run: its place in the series is free
GIVEN_UP = (Status.REJECTED, Status.WITHDRAWN)
OWES = {Environment.Kind.STAGING: "QA", Environment.Kind.PRODUCTION: "tech lead"}


class PlaceTaken(Refused):
    """{code} has place {place} of the series {slug} already. Give one of the two files another place, or withdraw
    {code}."""


class SeriesShorter(Refused):
    """The file says that {slug} has {length} migrations, yet {code} has place {place} in it. Correct the headers."""


def title_of(slug: str) -> str:
    """Return what a series is called on pages: rename-left-on becomes Rename left on."""
    words = slug.replace("-", " ")
    return f"{words[:1].upper()}{words[1:]}"


def link(change: ChangeRequest, header: Header, *, actor: Person, now: datetime) -> None:
    """Give a change the place in the series that its header names, inside acting(); no header: no series."""
    if not header.series:
        if change.series_id:
            _place(change, None, None)
        return
    found, _ = Series.objects.get_or_create(
        slug=header.series,
        defaults={
            "title": title_of(header.series),
            "length": header.series_length,
            "opened_by": actor,
            "opened_at": now,
        },
    )
    _refuse_taken(found, change, header)
    if found.length != header.series_length:
        found.length = header.series_length
        found.save(update_fields=["length"])
    _place(change, found, header.series_position)


def _place(change: ChangeRequest, series: Series | None, position: int | None) -> None:
    change.series, change.series_position = series, position
    change.save(update_fields=["series", "series_position"])


def _refuse_taken(series: Series, change: ChangeRequest, header: Header) -> None:
    length = header.series_length
    for other in members(series.pk).values():
        if other.migration_number == change.migration_number:
            continue
        place = f"{other.series_position} of {length}"
        if other.series_position == header.series_position:
            raise PlaceTaken(code=other.code, place=place, slug=series.slug)
        if (other.series_position or 0) > length:
            raise SeriesShorter(code=other.code, place=other.series_position, slug=series.slug, length=length)


def members(series_id: int) -> dict[int, ChangeRequest]:
    """Return the change that holds each place: the newest one that was neither given up nor rolled back for good."""
    found = (
        ChangeRequest.objects.filter(series_id=series_id)
        .exclude(status__in=GIVEN_UP)
        .exclude(status=Status.CLOSED, moves__move=Move.ROLL_BACK)
        .select_related("opened_by")
        .defer("content")
        .order_by("number")
    )
    return {one.series_position: one for one in found if one.series_position}


def on_disk() -> dict[str, dict[int, SeriesFile]]:
    """Return the files of every series by slug and place; nothing where the folder cannot be read."""
    with suppress(Refused):
        return freezing.repository().series()
    return {}


def before(change: ChangeRequest) -> dict[int, tuple[int | None, str]]:
    """Return the migration before each earlier place: (number, what to call it); two queries, none without a series."""
    if not change.series_id or not change.series_position:
        return {}
    series = change.series
    assert series is not None
    known = members(series.pk)
    files: dict[int, SeriesFile] | None = None
    found: dict[int, tuple[int | None, str]] = {}
    for place in range(1, change.series_position):
        if place in known:
            found[place] = (known[place].migration_number, known[place].code)
            continue
        # nobody opened it; it may have been adopted as a baseline
        files = on_disk().get(series.slug, {}) if files is None else files
        number = files[place].files.number if place in files else None
        found[place] = (number, f"Migration {number:03d}" if number else "A migration")
    return found


def unmet(
    change: ChangeRequest, earlier: dict[int, tuple[int | None, str]], kind: str, targets: list[Target], on: OnTargets
) -> list[Unmet]:
    """Return which earlier members are not complete on which of `targets`."""
    series = change.series
    if series is None:
        return []
    found = []
    for place, (number, called) in earlier.items():
        lacking = [one.name for one in targets if number is None or not on.get((one.pk, number))]
        said = f"{called}, {place} of {series.length} of the series {series.slug},"
        if lacking:
            what = f"{said} has to be complete on {', '.join(lacking)} first."
            found.append(Unmet(what, OWES.get(Environment.Kind(kind), "author")))
    return found
