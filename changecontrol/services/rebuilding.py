"""What a worker does where a database was restored or rebuilt: its ledger gets a new identity and a new start.

What ran there before counts only as far as the ledger that was found holds it: nothing in an empty database, the
earlier runs in a restored state.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Min

from changecontrol.models import Errand, LedgerCopy, Target
from changecontrol.models.executions import OPEN
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import ledger_copies, probing, registering, visiting
from changecontrol.services.visiting import Done
from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, fingerprint, lock


class NothingRebuilt(Refused):
    """The ledger on {target} holds every row that was ever copied from it: nothing was rebuilt. Restore or rebuild the
    database first, then have it registered anew."""


class NoEarlierState(Refused):
    """The ledger on {target} is no earlier state of the one known here, so nobody can say what was run. Restore
    another state, or make the database anew without a ledger."""


class MiddleOfRun(Refused):
    """The restored state of {target} lies in the middle of the run {run}. Restore one from before or after it, or
    make the database anew."""


def register_anew(errand: Errand, clock: Callable[[], datetime]) -> Done:
    """Stamp a restored or rebuilt database with the identity that was signed for, and read its fingerprint.

    The result's keys: uuid, former_uuid, fingerprint, rows (how many of the earlier ledger it still holds).
    """
    target, params = errand.target, errand.params
    signer = registering.signer_of(errand, Meaning.BOOTSTRAP)
    if (params["reference"], params["former_uuid"]) != (target.reference, str(target.uuid)):
        raise registering.SiteChanged(target=target.name)
    assert errand.signature is not None  # signer_of looked at it
    stamp = {
        "target_uuid": params["uuid"],
        "environment": target.environment.kind,
        "actor": signer.printed_name,
        "signed_by": str(errand.signature.pk),
    }
    with visiting.visit(visiting.where(target), purpose="registration") as session, lock(session, deadline=10):
        found = fingerprint(session)
        visiting.require_stranger(target, session, found)
        _require_earlier(target, session, params["uuid"])
        if ledger.identity(session) is None:
            ledger.bootstrap(session, **stamp)
        else:
            ledger.restamp(session, **stamp)
        rows = ledger.rows(session)
        # seen as what it is from now on; this instance is never saved
        target.uuid, target.fingerprint = uuid.UUID(params["uuid"]), found.to_json()
        ledger_copies.copy(target=target, rows=rows)
        seen = probing.look(session, target)

    def save(row: Target) -> None:
        if (row.reference, str(row.uuid)) != (params["reference"], params["former_uuid"]) or row.retired_at is not None:
            raise registering.SiteChanged(target=row.name)
        if run := row.executions.filter(state__in=OPEN).first():
            raise registering.RunStarted(code=run.code, target=row.name)
        row.uuid, row.fingerprint, row.catalog_digest = params["uuid"], found.to_json(), ""
        row.registered_at = row.rebuilt_at = clock()
        row.save(update_fields=["uuid", "fingerprint", "catalog_digest", "registered_at", "rebuilt_at"])
        probing.keep(row, seen, clock())

    said = {"uuid": params["uuid"], "former_uuid": params["former_uuid"], "fingerprint": found.to_json()}
    return Done({**said, "rows": len(rows)}, save)


def _require_earlier(target: Target, session: Session, wanted: str) -> None:
    """Raise unless the ledger there is missing, or a state that this target's ledger had before a later run."""
    identity = ledger.identity(session)
    if identity is None:
        return
    if other := LedgerCopy.objects.filter(target_uuid=identity.uuid).exclude(target=target).first():
        raise visiting.Twin(target=target.name, other=other.target.name)
    rows = [ledger_copies.as_json(row) for row in ledger.rows(session)]
    known = _known(target)
    if identity.uuid != wanted and identity.uuid in known:
        known = {identity.uuid: known[identity.uuid]}
    fitting = [copies for copies in known.values() if rows == [one.row for one in copies[: len(rows)]]]
    if identity.uuid == str(target.uuid) and len(rows) >= len(known[identity.uuid]):
        raise NothingRebuilt(target=target.name)
    if not fitting and rows:
        raise NoEarlierState(target=target.name)
    if fitting and not any(_cut_run(copies, len(rows)) is None for copies in fitting):
        raise MiddleOfRun(target=target.name, run=_cut_run(fitting[0], len(rows)))


def _known(target: Target) -> dict[str, list[LedgerCopy]]:
    """Return identity -> copies of every ledger this target has had, the one of now first."""
    found: dict[str, list[LedgerCopy]] = {str(target.uuid): []}
    earlier = target.ledger_rows.values("target_uuid").annotate(first=Min("pk")).order_by("-first")
    found |= {str(one["target_uuid"]): [] for one in earlier}
    for copy in target.ledger_rows.order_by("ledger_id"):
        found[str(copy.target_uuid)].append(copy)
    return found


def _cut_run(copies: Sequence[LedgerCopy], kept: int) -> Any:
    """Return the change of a run that has rows on both sides of the cut, or None."""
    before = {one.row["execution_id"] for one in copies[:kept]}
    return next((f"of {one.change_code}" for one in copies[kept:] if one.row["execution_id"] in before), None)
