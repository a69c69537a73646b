"""Telling a run's page what the run itself could not: steps and batches that only the target's ledger knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from changecontrol.models import Execution
from changecontrol.services import journal
from changecontrol.targets.ledger import LedgerRow


def tell(execution: Execution, rows: Iterable[LedgerRow], *, now: datetime) -> None:
    """Append the events that a killed worker took with it, inside acting(); `rows` are those of the migration.

    Without them the page would call a step not committed that the ledger has, and count too few rows of a batched one.
    """
    mine = [row for row in rows if row.execution_id == str(execution.uuid) and row.step is not None]
    events = execution.events.filter(kind__in=("pass_started", "committed", "progress")).order_by("number")
    phases = [one.phase for one in events if one.kind == "pass_started"]
    told = {(one.phase, one.step) for one in events if one.kind == "committed"}
    counted = {(one.phase, one.step): one.data for one in events if one.kind == "progress" and "batch" in one.data}
    new: list[dict[str, Any]] = []
    for last in _newest_batches(mine).values():
        key = (_phase(last, phases, execution), last.step)
        known = counted.get(key, {})
        if known.get("batch") != last.detail["batch"]:
            data = {"rows": last.detail["rows"], "batch": last.detail["batch"], "key": last.detail["key"]}
            data |= {"total": known.get("total")}
            text = f"Batch {data['batch']}: {data['rows']} rows, key {data['key']}, read from the target's ledger."
            new.append(_event("progress", text, key, now, data))
    number = max((row.pass_no for row in mine if row.kind != "resolved"), default=1)
    for row in mine:
        resolved = row.kind == "resolved" and bool(row.detail.get("done"))
        if row.kind != "done" and not resolved:
            continue
        key = (_phase(row, phases, execution, number if resolved else row.pass_no), row.step)
        if key not in told:
            how = f"stated as finished by {row.actor}" if resolved else "committed"
            new.append(_event("committed", f"Step {row.step} is {how}, read from the target's ledger.", key, now))
    if new:
        journal.keep(execution.pk, new)


def _newest_batches(rows: Iterable[LedgerRow]) -> dict[tuple[int, int | None], LedgerRow]:
    return {(row.pass_no, row.step): row for row in rows if row.kind == "progress"}


def _phase(row: LedgerRow, phases: list[str], execution: Execution, number: int = 0) -> str:
    place = (number or row.pass_no) - 1
    return phases[place] if place < len(phases) else execution.direction


def _event(
    kind: str, text: str, key: tuple[str, int | None], now: datetime, data: dict[str, Any] | None = None
) -> dict[str, Any]:
    event = {"at": now, "kind": kind, "phase": key[0], "step": key[1], "statement": None, "text": text}
    return event | {"data": data or {}}
