"""Adoption of a database that was migrated by hand: compare its schema with 001 to NNN, sign, write the baseline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings

from changecontrol.models import Errand, Target
from changecontrol.repository import Frozen, Repository
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import attempts, ledger_copies, registering, visiting
from changecontrol.services.visiting import Done
from changecontrol.targets import ledger, sandbox, snapshot
from changecontrol.targets.connection import fingerprint, lock
from changecontrol.targets.outcome import Order


class MigrationsMissing(Refused):
    """The migrations folder has no {missing}, so 001 to {upto:03d} cannot be built. Put the files in place, or choose
    another number."""


class MajorsDiffer(Refused):
    """The sandbox runs PostgreSQL {sandbox} and {target} runs {found}: their schemas are not comparable. Configure a
    sandbox server of the same version."""


class LedgerInUse(Refused):
    """{target} has rows in its ledger already, so there is nothing to adopt: what was applied there is known."""


class SchemaMoved(Refused):
    """The schema of {target} is no longer the one that was compared and signed. Compare again, and sign again."""


class FilesMoved(Refused):
    """{stem} is no longer the file that was compared and signed. Compare again, and sign again."""


def compare(errand: Errand, clock: Callable[[], datetime]) -> Done:
    """Compare a target with a sandbox built from the folder's migrations 001 to NNN.

    The result's keys: upto, migrations [{number, stem, script_digest}], catalog_digest, sandbox_digest, verdict, same,
    and missing, extra, changed, order_only, said (sentences) as targets.snapshot.Differences names them: missing is
    what the migrations make and the target lacks.
    """
    target, upto = errand.target, int(errand.params["upto"])
    frozen = _migrations(upto)
    place = visiting.where(target)
    with visiting.visit_registered(target, purpose="comparison", place=place) as session:
        if ledger.rows(session):
            raise LedgerInUse(target=target.name)
        known = fingerprint(session)
        there = snapshot.catalog(session)
    server = visiting.sandbox_server(target, place)
    with sandbox.sandbox(server, name=f"adoption {errand.pk}", encoding=known.encoding) as made:
        with visiting.visit(made, purpose="comparison") as session:
            if (found := fingerprint(session).major) != known.major:
                raise MajorsDiffer(sandbox=found, target=target.name, found=known.major)
        sandbox.build(made, [one.forward_script for one in frozen])
        with visiting.visit(made, purpose="comparison") as session:
            wanted = snapshot.catalog(session)
    different = snapshot.differences(wanted, there)
    return Done(
        {
            "upto": upto,
            "migrations": [_named(one) for one in frozen],
            "catalog_digest": there.digest,
            "sandbox_digest": wanted.digest,
            "verdict": different.verdict,
            "same": not different,
            **different.to_json(),
        }
    )


def adopt(errand: Errand, clock: Callable[[], datetime]) -> Done:
    """Write the baseline rows that were signed for, if target and folder are still what was compared."""
    target = errand.target
    signer = registering.signer_of(errand, Meaning.ADOPTION)
    assert errand.signature is not None  # signer_of looked at it
    compared: dict[str, Any] = Errand.objects.get(pk=errand.params["comparison"], target=target).result or {}
    frozen = _migrations(compared["upto"])
    for one, signed in zip(frozen, compared["migrations"], strict=True):
        if _named(one) != signed:
            raise FilesMoved(stem=one.stem)
    order = Order(
        change_code="",
        migration=0,
        direction=attempts.FORWARD,
        script_digest="",
        content_digest=errand.signature.content_digest,
        execution_id=f"{ledger_copies.ERRAND}{errand.pk}",
        attempt=1,
        fence=attempts.next_fence(),
        actor=signer.printed_name,
        signature_ids=(str(errand.signature.pk),),
    )
    with visiting.visit_registered(target, purpose="adoption") as session, lock(session, deadline=10):
        digest = snapshot.catalog(session).digest
        if digest != compared["catalog_digest"]:
            raise SchemaMoved(target=target.name)
        # rows of this very errand: a worker died after writing them, before it could say so
        if any(row.execution_id != order.execution_id for row in ledger.rows(session)):
            raise LedgerInUse(target=target.name)
        named = [(one.number, one.stem, one.script_digest) for one in frozen]
        ledger.baseline(session, migrations=named, order=order, detail={"differences": len(compared["said"])})
        rows = ledger.rows(session)
    ledger_copies.copy(target=target, rows=rows)

    def save(row: Target) -> None:
        row.catalog_digest = digest
        row.save(update_fields=["catalog_digest"])

    return Done({"upto": compared["upto"], "rows": len(rows), "catalog_digest": digest}, save)


def _migrations(upto: int) -> list[Frozen]:
    """Read 001 to `upto`; a gap has no place in a baseline."""
    repository = Repository(settings.REPOSITORY)
    known = {one.number for one in repository.migrations()}
    missing = [f"{number:03d}" for number in range(1, upto + 1) if number not in known]
    if missing:
        raise MigrationsMissing(missing=", ".join(missing[:5]), upto=upto)
    return [repository.read(number) for number in range(1, upto + 1)]


def _named(one: Frozen) -> dict[str, Any]:
    return {"number": one.number, "stem": one.stem, "script_digest": one.script_digest}
