"""Rolling migrations back on a development database, newest first."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from changecontrol.repository.foreign import Gathered
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.services.engine.applying import OnMigration, Work, working
from changecontrol.services.engine.base import OnEvent, OutOfOrder, Report, newest_fence, opened, read_folder
from changecontrol.services.engine.standing import Standing, stand
from changecontrol.targets import ledger
from changecontrol.targets.outcome import Limits


def rollback(
    *,
    folder: Path,
    dsn: str,
    actor: str,
    to: int | None = None,
    steps: int | None = None,
    only: int | None = None,
    limits: Limits | None = None,
    wait_s: float = 0.0,
    on_migration: OnMigration = lambda told: None,
    on_event: OnEvent = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
) -> Report:
    """Roll back the newest `steps` migrations (one by default), all those above `to`, or `only` the newest one.

    Stops at the first that has no rollback, changed since, or fails. Raises OutOfOrder when `only` is not the newest.
    """
    found = read_folder(folder)
    told: list[dict[str, Any]] = []
    with opened(dsn, deadline_s=wait_s, on_event=on_event, stop=stop) as session:
        rows = ledger.rows(session)
        on = [one for one in stand(found, rows) if one.state in ("applied", "partial", "changed", "missing")]
        on.sort(key=lambda one: (one.state != "partial", -one.order, -(one.number or 0)))
        by_number = found.numbered()
        patience, fence = limits or Limits(end_may_be_lost=True), newest_fence(rows)
        with working(session, fence, actor=actor, limits=patience, on_event=on_event, stop=stop) as work:
            for place in _chosen(on, to=to, steps=steps, only=only):
                one = _take_back(work, place, by_number.get(place.number or 0))
                told.append(one)
                on_migration(one)
                if one["state"] != "rolled_back":
                    return Report({"migrations": told}, False)
    return Report({"migrations": told})


def _chosen(on: list[Standing], *, to: int | None, steps: int | None, only: int | None) -> list[Standing]:
    """`on` is newest first."""
    if only is not None:
        if on and on[0].number != only and any(one.number == only for one in on):
            wanted = next(one for one in on if one.number == only)
            raise OutOfOrder(name=wanted.name, newer=on[0].name)
        return [one for one in on[:1] if one.number == only]
    if to is None:
        return on[: 1 if steps is None else steps]
    above = [one for one in on if (one.number or 0) > to]
    last = max((on.index(one) for one in above), default=-1)
    kept = next((one for one in on[: last + 1] if (one.number or 0) <= to), None)
    if kept is not None:
        raise OutOfOrder(name=on[last].name, newer=kept.name)
    return above


def _take_back(work: Work, place: Standing, migration: Gathered | None) -> dict[str, Any]:
    said = _reason_not_to(place, migration)
    told: dict[str, Any] = {"number": place.number, "name": place.name, "state": "refused", "said": said}
    if said or migration is None or not isinstance(migration.rollback, Script):
        return told
    started = time.monotonic()
    outcome = work.run(migration, migration.rollback)
    state = "rolled_back" if outcome.state == "succeeded" else outcome.state
    return {
        **told,
        "state": state,
        "said": outcome.error.sentence if outcome.error else "",
        "ms": round((time.monotonic() - started) * 1000, 1),
        "steps_done": outcome.steps_done,
        "steps_total": outcome.steps_total,
        "left": list(outcome.left),
    }


def _reason_not_to(place: Standing, migration: Gathered | None) -> str:
    """Why it cannot be rolled back; empty when it can."""
    if migration is None or place.state in ("missing", "changed"):
        return place.said or "Its file is not in the folder."
    rollback = migration.rollback
    if rollback is None:
        return f"{migration.file} has no rollback."
    if isinstance(rollback, Refused):
        return rollback.sentence
    return "" if rollback.steps else f"{rollback.file} holds no statement: it takes nothing back."
