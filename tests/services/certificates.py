"""Certificates with realistic values, and rehearsals that hold them: for tests of what is shown and asked."""

from __future__ import annotations

from typing import Any

from changecontrol.models import ChangeRequest, Errand, Rehearsal, Target
from changecontrol.rules.certificate import Basis, Certificate, Prefix, Verdict
from changecontrol.rules.manifest import canonical, digest
from changecontrol.rules.observed import Observed
from changecontrol.rules.plan import RollbackClass
from changecontrol.services import certifying
from changecontrol.services.recording import WORKER, acting
from tests.services import rows
from tests.services.rows import NOW

BEFORE, FORWARD = "b7" * 32, "f1" * 32
#: the bytes of which rows.script() names lines and places: its statements begin at the bytes 100, 200 and 300; what
#: looks like a tag is to be shown, never to be obeyed
TEXT = b"".join(
    line.ljust(99) + b"\n" if line[:1] in (b"A", b"C") else line + b"\n"
    for line in (
        b"-- Migration: 110 - Add device",
        b"-- Ticket: TICKET-110",
        b"-- <script>alert(1)</script>",
        b"-- .......",
        b"BEGIN;",
        b"ALTER TABLE record_audit ADD COLUMN device_info text;",
        b"ALTER TABLE record_state ADD COLUMN device_info text; COMMIT;",
        b"CREATE INDEX CONCURRENTLY device_idx ON record_state (device_info);",
    )
)
#: what the three statements of rows.script() did
STATEMENTS = (
    Observed(
        step=1, statement=1, ms=3.6, line=6, column=1, kind="AlterTableStmt", file="110_add_device.sql",
        sql="ALTER TABLE record_audit ADD COLUMN device_info text;",
        locks={"public.record_audit": "ACCESS EXCLUSIVE"}, held_ms={"public.record_audit": 8.25},
    ),
    Observed(
        step=1, statement=2, ms=310.4, line=7, column=1, kind="AlterTableStmt", file="110_add_device.sql",
        sql="ALTER TABLE record_state ADD COLUMN device_info text;",
        locks={"public.record_state": "ACCESS EXCLUSIVE"}, held_ms={"public.record_state": 311.0},
        rewrites=("public.record_state",), scans={"public.record_state": 12000},
        sizes={"public.record_state": 96_000_000}, rows={"public.record_state": 12000},
    ),
    Observed(
        step=2, statement=3, ms=96.0, line=8, column=1, kind="IndexStmt", file="110_add_device.sql",
        sql="CREATE INDEX CONCURRENTLY device_idx ON record_state (device_info);",
        locks={"public.record_state": "SHARE UPDATE EXCLUSIVE"}, held_ms={"public.record_state": 96.0},
        indexes=("public.device_idx",), sizes={"public.record_state": 97_000_000}, exact=False,
    ),
)  # fmt: skip
FINDINGS = (
    {
        "rule": "rewrites-table", "severity": "error", "file": "110_add_device.sql", "line": 7, "column": 1,
        "message": "Rewrites `record_state` while everybody waits. On the copy it took 310 ms for 12,000 rows.",
        "rewrite": "ALTER TABLE record_state ADD COLUMN device_info text;\n-- then fill it in batches",
        "basis": "observed",
    },
    {
        "rule": "no-if-exists", "severity": "note", "file": "rollback/110_add_device.sql", "line": 6, "column": 1,
        "message": "Says IF EXISTS. A rollback that finds nothing succeeds.", "rewrite": "", "basis": "predicted",
    },
)  # fmt: skip


def certificate(script_digest: str = "0" * 64, **changes: Any) -> Certificate:
    """A rehearsal that went well, on the schema of staging with generated rows; `changes` replace fields."""
    made: dict[str, Any] = {
        "script_digest": script_digest,
        "verdict": Verdict.EXACT,
        "sentence": "Forward, back and forward again: the schema and every row are the same.",
        "declared": RollbackClass.LOSSLESS,
        "basis": Basis(
            kind="schema", of="staging", server_version="17.6", major=17, extensions={"plpgsql": "1.0"},
            rows={"public.record_audit": [500, "generated"], "public.record_state": [12000, "generated"]},
            not_generated={"public.vault": "its CHECK calls a function that nothing satisfies"},
            preceded_by=("109_participants",),
        ),
        "fingerprints": {"before": BEFORE, "forward": FORWARD, "rollback": BEFORE, "again": FORWARD},
        "changed": {
            "missing": [], "extra": ["column public.record_audit.device_info", "index public.device_idx"],
            "changed": ["table public.record_state"], "order_only": [], "said": [],
        },
        "lossless": True,
        "sequences": ("Sequence `record_state_id_seq` stands at 12001 instead of 12000.",),
        "prefixes": (Prefix(steps=1, verdict=Verdict.EXACT),),
        "passes": (
            {"name": "forward", "ms": 412.5, "error": ""},
            {"name": "rollback", "ms": 120.0, "error": ""},
            {"name": "forward again", "ms": 390.1, "error": ""},
        ),
        "statements": STATEMENTS,
        "verify": {"forward": {"ok": True, "sentence": "Every row says ok."}},
        "findings": FINDINGS,
        "sizes": {"public.record_state": [1_204_318, 512_000_000], "public.record_audit": [88_000, 40_000_000]},
    }  # fmt: skip
    return Certificate(**(made | changes))


def rehearsable(status: str = "in_review", *, migration: int = 110) -> ChangeRequest:
    """A change whose script is TEXT, not rehearsed yet."""
    return rows.change(status, migration=migration, revised={"bytes_of": TEXT, "rehearsed": False})


def errand(change: ChangeRequest, target: Target, state: str = "done", **fields: Any) -> Errand:
    """What asks for a rehearsal of the current revision."""
    with acting(WORKER):
        return Errand.objects.create(
            kind=Errand.Kind.REHEARSE,
            target=target,
            revision=change.revision,
            params={"basis": "schema"},
            requested_at=NOW,
            requested_by=rows.person("ada"),
            state=state,
            **fields,
        )


def rehearsal(change: ChangeRequest, target: Target, **changes: Any) -> Rehearsal:
    """A rehearsal of the change's current revision by a worker of ours, with `certificate(**changes)`."""
    assert change.revision is not None
    made = certificate(change.revision.script_digest, **changes)
    data = canonical(certifying.exact(made.to_json()))
    asked = errand(change, target)
    with acting(WORKER):
        return rows.rehearsal(
            change.revision,
            passed=made.passed,
            verdict=made.verdict.value,
            lossless=made.lossless,
            sentence=made.shortfall,
            target=target,
            errand=asked,
            asked_by=asked.requested_by,
            findings=list(made.findings),
            certificate=data.decode(),
            certificate_digest=digest(data),
            milliseconds=1840,
        )
