"""Copies of the ledger rows of targets in our own database, and whether the two still agree."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from changecontrol.models import Errand, Execution, LedgerCopy, Target
from changecontrol.services.recording import WORKER, acting
from changecontrol.targets.ledger import LedgerRow

#: how a row names the errand that wrote it, where no execution did
ERRAND = "errand-"


def copy(*, target: Target, rows: Iterable[LedgerRow], identity: str = "") -> int:
    """Keep the rows that are not kept yet; return how many those were. Kept rows are never touched.

    `identity` is the UUID of the ledger they are from, where the target's row does not hold it yet.
    """
    ours = uuid.UUID(identity or str(target.uuid))
    given = {row.id: row for row in rows}
    known = LedgerCopy.objects.filter(target_uuid=ours, ledger_id__in=given)
    kept = set(known.values_list("ledger_id", flat=True))
    new = [_copied(target, ours, row) for row in given.values() if row.id not in kept]
    if new:
        with acting(WORKER, reason=f"copied the ledger of {target.name}"):
            # somebody else may have copied the same row meanwhile: the same words, so either is good
            LedgerCopy.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def of_now(target: Target) -> QuerySet[LedgerCopy]:
    """Return the copies of the ledger that is on the target now; those of an earlier registration are history."""
    return target.ledger_rows.filter(target_uuid=target.uuid) if target.uuid else target.ledger_rows.none()


def differences(target: Target, rows: Sequence[LedgerRow]) -> list[str]:
    """Say where our copies and all rows now on the target disagree; [] when they agree.

    A row that is on the target alone is no disagreement if it is newer than every copy and names a run or an errand of
    ours: a worker was stopped between its commit there and its copy here.
    """
    there = {row.id: as_json(row) for row in rows}
    found: list[str] = []
    newest = 0
    for kept in of_now(target).order_by("ledger_id"):
        newest = max(newest, kept.ledger_id)
        now = there.pop(kept.ledger_id, None)
        what = f"{kept.kind} of migration {kept.migration}"
        if now is None:
            found.append(f"Row {kept.ledger_id} of the ledger on {target.name} ({what}) is gone.")
            continue
        names = sorted(name for name in kept.row.keys() | now.keys() if kept.row.get(name) != now.get(name))
        if names:
            found.append(
                f"Row {kept.ledger_id} of the ledger on {target.name} ({what}) has another {', '.join(names)}."
            )
    return found + _strangers(target, there, newest)


def as_json(row: LedgerRow) -> dict[str, Any]:
    """Return every column of a row as plain JSON values; times in ISO 8601, UTC."""
    return {name: _plain(value) for name, value in asdict(row).items()}


def _strangers(target: Target, rows: dict[int, dict[str, Any]], newest: int) -> list[str]:
    """Say which rows nobody here wrote."""
    names = {str(row["execution_id"]) for row in rows.values()}
    ours = {
        str(one)
        for one in Execution.objects.filter(uuid__in=filter(None, map(_uuid, names))).values_list("uuid", flat=True)
    }
    numbers = [
        int(name.removeprefix(ERRAND))
        for name in names
        if name.removeprefix(ERRAND).isdecimal() and name.startswith(ERRAND)
    ]
    ours |= {
        f"{ERRAND}{pk}" for pk in Errand.objects.filter(target=target, pk__in=numbers).values_list("pk", flat=True)
    }
    found = []
    for number, row in sorted(rows.items()):
        what = f"Row {number} of the ledger on {target.name} ({row['kind']} of migration {row['migration']:03d})"
        if str(row["execution_id"]) not in ours:
            found.append(f"{what} was not written by this installation.")
        elif number < newest:
            found.append(f"{what} appeared between rows that were copied before.")
    return found


def _copied(target: Target, identity: uuid.UUID, row: LedgerRow) -> LedgerCopy:
    return LedgerCopy(
        target=target,
        target_uuid=identity,
        ledger_id=row.id,
        execution_uuid=_uuid(row.execution_id),
        kind=row.kind,
        change_code=row.change_code[:12],
        migration=(row.migration_name or f"{row.migration:03d}")[:200],
        direction=row.direction,
        step=row.step,
        steps=row.steps,
        script_digest=row.script_digest[:64],
        content_digest=row.content_digest[:64],
        server_at=row.server_at,
        row=as_json(row),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
