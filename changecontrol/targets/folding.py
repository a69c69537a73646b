"""What the rows of a ledger add up to: which steps of a migration are on the target now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from changecontrol.targets.outcome import Effect


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of changecontrol.ledger; its columns carry comments in the database."""

    id: int
    kind: str
    change_code: str
    migration: int
    migration_name: str
    direction: str
    step: int | None
    steps: int
    pass_no: int
    script_digest: str
    content_digest: str
    execution_id: str
    attempt: int
    fence: int
    actor: str
    signature_ids: tuple[str, ...]
    xid: int
    wal_lsn: str
    server_at: datetime
    client_at: datetime
    tool_version: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InFlight:
    """A step that began and has no `done` row. `kind` is began or progress.

    `left` is what the last look found of it: "" when nobody looked, so nothing is known.
    """

    direction: str
    step: int
    kind: str
    detail: dict[str, Any]
    left: str = ""


@dataclass(frozen=True, slots=True)
class Net:
    """What of one migration is on the target now.

    `steps_done` are the forward steps that are on, `total` how many there are (0 for a baseline). While a rollback
    is partly done, `rollback_done` of `rollback_total` steps are. `step_digests` belong to the finished steps of the
    current direction. `script_digest` is that of the last step on; empty when nothing is.
    """

    effect: Effect = "none"
    steps_done: tuple[int, ...] = ()
    total: int = 0
    script_digest: str = ""
    in_flight: InFlight | None = None
    rollback_done: tuple[int, ...] = ()
    rollback_total: int = 0
    change_code: str = ""
    baseline: bool = False
    step_digests: dict[int, str] = field(default_factory=dict)
    rollback_digests: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _State:
    forward: dict[int, str] = field(default_factory=dict)
    rollback: dict[int, str] = field(default_factory=dict)
    total: int = 0
    rollback_total: int = 0
    script_digest: str = ""
    change_code: str = ""
    in_flight: InFlight | None = None
    baseline: bool = False


def net(rows: Iterable[LedgerRow], *, migration: int) -> Net:
    """Fold the rows of one migration, oldest first."""
    state = _State()
    for row in sorted((row for row in rows if row.migration == migration), key=lambda row: row.id):
        _fold(state, row)
    return Net(
        effect=_effect(state),
        steps_done=tuple(sorted(state.forward)),
        total=state.total,
        script_digest=state.script_digest,
        in_flight=state.in_flight,
        rollback_done=tuple(sorted(state.rollback)),
        rollback_total=state.rollback_total,
        change_code=state.change_code,
        baseline=state.baseline,
        step_digests=dict(state.forward),
        rollback_digests=dict(state.rollback),
    )


def _fold(state: _State, row: LedgerRow) -> None:
    match row.kind:
        case "baseline":
            state.baseline, state.script_digest, state.change_code = True, row.script_digest, row.change_code
        case "began" | "progress" if row.step is not None:
            state.in_flight = InFlight(row.direction, row.step, row.kind, row.detail)
            if row.direction == "forward":
                state.total, state.script_digest, state.change_code = row.steps, row.script_digest, row.change_code
        case "done" if row.step is not None:
            _finish_step(state, row)
        case "resolved" if row.step is not None:
            if row.detail.get("done"):
                _finish_step(state, row)
            elif _is_in_flight(state, row) and state.in_flight is not None:
                # not done, and something half made is there: the next run clears it away before it begins again
                left = str(row.detail.get("left", ""))
                state.in_flight = replace(state.in_flight, left=left) if left else None
        case "finished":
            _look(state, row)


def _finish_step(state: _State, row: LedgerRow) -> None:
    assert row.step is not None  # callers match on it
    digest = str(row.detail.get("step_digest", ""))
    if _is_in_flight(state, row):
        state.in_flight = None
    if row.direction == "forward":
        state.forward[row.step] = digest
        state.total, state.script_digest, state.change_code = row.steps, row.script_digest, row.change_code
        return
    state.rollback[row.step] = digest
    state.rollback_total = row.steps
    if len(state.rollback) >= row.steps:  # everything is taken back: as if it had never been
        state.forward, state.rollback, state.total, state.rollback_total = {}, {}, 0, 0
        state.in_flight, state.baseline, state.script_digest, state.change_code = None, False, "", ""


def _look(state: _State, row: LedgerRow) -> None:
    """The end of a run says what it found of a step that was cut: nothing, or what is left."""
    flight = state.in_flight
    found = row.detail.get("in_flight")
    if flight is None or found is None or found.get("step") != flight.step or row.direction != flight.direction:
        return
    left = str(found.get("left", ""))
    if left:
        state.in_flight = InFlight(flight.direction, flight.step, flight.kind, flight.detail, left)
    elif flight.kind == "began":
        state.in_flight = None
        if not state.forward and not state.baseline:
            state.total, state.script_digest, state.change_code = 0, "", ""


def _is_in_flight(state: _State, row: LedgerRow) -> bool:
    flight = state.in_flight
    return flight is not None and (flight.step, flight.direction) == (row.step, row.direction)


def _effect(state: _State) -> Effect:
    flight = state.in_flight
    if flight is not None:
        return "unknown" if flight.kind == "began" and not flight.left else "partial"
    if state.rollback:
        return "partial"
    if state.baseline or (state.forward and len(state.forward) >= state.total):
        return "complete"
    return "partial" if state.forward else "none"
