"""What a worker does to register a target, and to point a registered one elsewhere (design 4, Ledger on the target)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from changecontrol.models import Errand, Person, Target
from changecontrol.models.executions import OPEN
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import ledger_copies, probing, visiting
from changecontrol.services.visiting import Done
from changecontrol.targets import ledger
from changecontrol.targets.connection import fingerprint


class Unsigned(Refused):
    """Nobody signed the {meaning} of {target}, so nothing was written there."""


class SiteChanged(Refused):
    """{target} was changed after this was signed. Look at it again, and sign again."""


class RunStarted(Refused):
    """{code} began on {target} meanwhile, so the reference was left as it is."""


def register(errand: Errand, clock: Callable[[], datetime]) -> Done:
    """Create the ledger on a target and read its fingerprint; or compare, where a reference is to be replaced."""
    if "point_to" in errand.params:
        return _point(errand)
    target, params = errand.target, errand.params
    signer = signer_of(errand, Meaning.BOOTSTRAP)
    if (params["reference"], params["environment"]) != (target.reference, target.environment.kind):
        raise SiteChanged(target=target.name)
    assert errand.signature is not None  # signer_of looked at it
    with visiting.visit(visiting.where(target), purpose="registration") as session:
        found = fingerprint(session)
        visiting.require_stranger(target, session, found)
        ledger.bootstrap(
            session,
            target_uuid=params["uuid"],
            environment=target.environment.kind,
            actor=signer.printed_name,
            signed_by=str(errand.signature.pk),
        )
        rows = ledger.rows(session)
        seen = probing.look(session, target)
    ledger_copies.copy(target=target, rows=rows, identity=params["uuid"])

    def save(row: Target) -> None:
        if row.reference != params["reference"] or row.retired_at is not None:
            raise SiteChanged(target=row.name)
        row.uuid, row.fingerprint, row.registered_at = params["uuid"], found.to_json(), clock()
        row.save(update_fields=["uuid", "fingerprint", "registered_at"])
        probing.keep(row, seen, clock())

    return Done({"uuid": params["uuid"], "fingerprint": found.to_json(), "rows": len(rows)}, save)


def _point(errand: Errand) -> Done:
    """See through the new reference that it is the registered database; only then the row changes."""
    target, wanted = errand.target, errand.params["point_to"]
    place = visiting.where(target, reference=wanted["reference"], set_role=wanted["set_role"])
    with visiting.visit_registered(target, purpose="registration", place=place) as session:
        found = fingerprint(session)

    def save(row: Target) -> None:
        if run := row.executions.filter(state__in=OPEN).first():
            raise RunStarted(code=run.code, target=row.name)
        row.reference, row.set_role = wanted["reference"], wanted["set_role"]
        row.save(update_fields=["reference", "set_role"])

    return Done({"fingerprint": found.to_json()}, save)


def signer_of(errand: Errand, meaning: Meaning) -> Person:
    """Return who signed for this errand. A row without a fitting signature was not made by a verb."""
    signature = errand.signature
    if signature is None or signature.meaning != meaning or signature.target_id != errand.target_id:
        raise Unsigned(meaning=meaning.value, target=errand.target.name)
    if not signature.signer.is_active:
        raise Unsigned(meaning=meaning.value, target=errand.target.name)
    return signature.signer
