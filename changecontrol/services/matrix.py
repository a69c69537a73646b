"""Which database has which migration: migrations down, targets across; a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Case, F, IntegerField, Value, When

from changecontrol.models import ChangeRequest, Execution, LedgerCopy, Target
from changecontrol.models.executions import BUSY
from changecontrol.rules.lifecycle import Effect, State
from changecontrol.rules.refusal import Refused
from changecontrol.services import freezing
from changecontrol.services.order import number_of

CellState = Literal["applied", "pending", "running", "failed", "rolled_back", "baseline", "partial", "lost"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One migration on one target: how it stands, since when, by whom, and the run that made it so."""

    state: CellState
    at: datetime | None = None
    by: str = ""
    execution: Execution | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One migration; `cells` in the order of the matrix's targets."""

    number: int
    stem: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Targets in the order a change passes them, and migrations by number."""

    targets: list[Target]
    rows: list[Row]


def matrix(*, now: datetime) -> Matrix:
    """Return every known migration (on disk, in a change, or adopted) against every target in use."""
    targets = list(Target.objects.in_use().order_by("environment__position", "environment__name", "name"))
    runs = {(one.target_id, one.change.migration_number): one for one in _deciding(targets)}
    adopted: dict[tuple[int, int], LedgerCopy] = {}
    baselines = LedgerCopy.objects.filter(target__in=targets, target_uuid=F("target__uuid"), kind="baseline").defer(
        "row"
    )
    for copy in baselines:
        if (number := number_of(copy.migration)) is not None:
            adopted[(copy.target_id, number)] = copy
    stems = _stems(adopted.values())
    rows = [
        Row(
            number, stems[number], [_cell(runs.get((one.pk, number)), adopted.get((one.pk, number))) for one in targets]
        )
        for number in sorted(stems)
    ]
    return Matrix(targets, rows)


def _deciding(targets: list[Target]) -> Iterable[Execution]:
    """Return the run that says how each migration stands on each target.

    A run under way or lost comes first; then the newest that did something there; one that was refused before it
    touched the target (no outcome) says something only where nothing else does.
    """
    weight = Case(
        When(state__in=BUSY, then=Value(2)),
        When(state=State.FAILED, outcome__isnull=True, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    return (
        Execution.objects.filter(target__in=targets, claimed_at__isnull=False)
        .since_registration()
        .annotate(weight=weight)
        .select_related("change", "requested_by")
        .only("code", "state", "effect", "direction", "target_id", "claimed_at", "ended_at", "change__code",
              "change__migration_number", "requested_by__printed_name")
        .order_by("target_id", "change__migration_number", "-weight", "-pk")
        .distinct("target_id", "change__migration_number")
    )  # fmt: skip


def _stems(adopted: Iterable[LedgerCopy]) -> dict[int, str]:
    """Return number -> stem of every known migration; the name on disk wins."""
    stems = {number: copy.migration for copy in adopted if (number := number_of(copy.migration)) is not None}
    stems |= dict(ChangeRequest.objects.order_by("pk").values_list("migration_number", "migration_name"))
    with suppress(Refused):  # a folder that cannot be read is the repository page's matter; what was run is known
        stems |= {one.number: one.stem for one in freezing.repository().migrations()}
    return stems


def _cell(run: Execution | None, adopted: LedgerCopy | None) -> Cell:
    if run is None:
        return Cell("baseline", adopted.server_at, "adopted") if adopted else Cell("pending")
    state = _state(run)
    if state == "pending":
        return Cell("baseline", adopted.server_at, "adopted") if adopted else Cell("pending")
    by = run.requested_by.printed_name if run.requested_by else "automatic"
    return Cell(state, run.ended_at or run.claimed_at, by, run)


def _state(run: Execution) -> CellState:
    if run.state == State.RUNNING:
        return "running"
    if run.state == State.LOST or run.effect == Effect.UNKNOWN:
        return "lost"
    if run.effect == Effect.PARTIAL:
        return "partial"
    if run.state == State.FAILED:
        return "failed"
    if run.effect == Effect.COMPLETE:
        return "applied"
    return "rolled_back" if run.direction == "rollback" else "pending"
