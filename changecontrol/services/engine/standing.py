"""Which migrations of a folder are on a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changecontrol.repository.foreign import Gathered
from changecontrol.rules.refusal import Refused
from changecontrol.services.engine.base import CODE, Folder, Report, reached, read_folder
from changecontrol.targets import ledger
from changecontrol.targets.folding import LedgerRow, Net


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one migration stands. `state`: applied, pending, partial, changed, refused or missing (from the folder)."""

    number: int | None
    name: str
    state: str
    said: str = ""
    steps_done: int = 0
    steps_total: int = 0
    applied_at: str = ""
    actor: str = ""
    order: int = 0  # the newest ledger row's id: what was applied after what

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        fields = ("number", "name", "state", "said", "steps_done", "steps_total", "applied_at", "actor")
        return {name: getattr(self, name) for name in fields}


def status(*, folder: Path, dsn: str) -> Report:
    """Compare a folder with a database's ledger; nothing is changed. Not fine: anything but applied or pending."""
    found = read_folder(folder)
    with reached(dsn) as session:
        identity = ledger.identity(session)
        rows = ledger.rows(session)
    standing = stand(found, rows)
    environment = identity.environment if identity else ""
    value = {
        "environment": environment,
        "signed": bool(identity and identity.signed_by),
        "migrations": [one.to_json() for one in standing],
    }
    return Report(value, all(one.state in ("applied", "pending") for one in standing))


def stand(folder: Folder, rows: Sequence[LedgerRow]) -> list[Standing]:
    """Where every migration of the folder and of the ledger stands, in order of their numbers."""
    by_number: dict[int, list[LedgerRow]] = {}
    for row in rows:
        by_number.setdefault(row.migration, []).append(row)
    nets = {number: ledger.net(own, migration=number) for number, own in by_number.items()}
    found = [_one(migration, nets, by_number) for migration in folder.migrations]
    known = {migration.number for migration in folder.migrations}
    for number, net in nets.items():
        if number not in known and net.effect != "none":
            name = next((row.migration_name for row in reversed(by_number[number]) if row.migration_name), "")
            said = "It is on the database, and its file is not in the folder."
            found.append(Standing(number, name, "missing", said, order=_order(by_number[number])))
    return sorted(found, key=lambda one: (one.number is None, one.number or 0, one.name))


def same_forward(migration: Gathered, net: Net, rows: Sequence[LedgerRow]) -> bool:
    """Whether what is on came from this forward file."""
    if net.baseline or net.script_digest in ("", migration.script_digest):
        return True
    ours = [row for row in rows if row.kind in ("done", "began") and row.direction == "forward"]
    newest = ours[-1] if ours else None
    return newest is not None and newest.change_code == CODE and newest.content_digest == migration.forward_digest


def _one(migration: Gathered, nets: Mapping[int, Net], by_number: Mapping[int, list[LedgerRow]]) -> Standing:
    number = migration.number
    net = nets.get(number) if number is not None else None
    rows = by_number.get(number, []) if number is not None else []
    state, said = _state(migration, net, rows)
    newest = next((row for row in reversed(rows) if row.kind in ("done", "baseline")), None)
    shown = newest if net is not None and net.effect != "none" else None
    return Standing(
        number=number,
        name=migration.name,
        state=state,
        said=said,
        steps_done=len(net.steps_done) if net else 0,
        steps_total=0 if isinstance(migration.forward, Refused) else len(migration.forward.steps),
        applied_at=shown.server_at.isoformat() if shown else "",
        actor=shown.actor if shown else "",
        order=_order(rows),
    )


def _state(migration: Gathered, net: Net | None, rows: Sequence[LedgerRow]) -> tuple[str, str]:
    if net is not None and net.effect != "none" and not same_forward(migration, net, rows):
        return "changed", "The file is not the one that was applied."
    if net is None or net.effect == "none":
        if isinstance(migration.forward, Refused):
            return "refused", migration.forward.sentence
        return "pending", ""
    if net.effect == "complete":
        return "applied", "Since its adoption." if net.baseline else ""
    return "partial", f"{len(net.steps_done)} of {net.total} steps are on the database."


def _order(rows: Sequence[LedgerRow]) -> int:
    return max((row.id for row in rows if row.kind in ("done", "baseline") and row.direction == "forward"), default=0)
