"""Rows of a change in any status, written past the verbs: for tests of what is read, not of how it came about."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection

from changecontrol.models import (
    ChangeAuthor,
    ChangeRequest,
    ChecklistItem,
    Environment,
    Execution,
    Incident,
    LegalMove,
    Person,
    Rehearsal,
    Revision,
    Signature,
    StatusMove,
    Target,
    Watch,
)
from changecontrol.rules import checklists
from changecontrol.rules.script import (
    Direction,
    Header,
    LockClass,
    RollbackClass,
    Script,
    Statement,
    Step,
    StepKind,
    to_json,
)
from changecontrol.services.recording import acting

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DOCUMENTED: dict[str, Any] = {
    "ticket": "TICKET-010",
    "description": "Keep the device with every entry.",
    "impact": "The diary only.",
    "impact_level": "low",
    "risk": "A short lock.",
    "risk_severity": 2,
    "risk_probability": 1,
    "risk_detectability": 1,
    "mitigation": "Retried after 50 ms.",
    "compliance_impact": "The audit trail is not touched.",
    "pull_request_url": "https://example.org/pull/10",
}
#: the schema of every registered target here, and the one that every rehearsal began with
CATALOG = "c" * 64
_numbers = count(1)
_rehearsals = count(1)


def person(username: str) -> Person:
    return Person.objects.get(username=username)


def target(name: str, kind: str, *, registered: bool = True) -> Target:
    with acting("setup"):
        environment, _ = Environment.objects.get_or_create(
            name=kind, defaults={"kind": kind, "queue": kind, "position": list(Environment.Kind).index(kind)}
        )
        return Target.objects.create(
            name=name,
            environment=environment,
            reference=f"env:{name}",
            uuid=uuid.uuid4() if registered else None,
            catalog_digest=CATALOG if registered else "",
        )


def script(direction: Direction = Direction.FORWARD, *, number: int = 10, dependencies: tuple[str, ...] = ()) -> Script:
    """Two steps: a transaction of two statements and one CONCURRENTLY alone."""
    folder = "" if direction is Direction.FORWARD else f"{direction}/"
    file = f"{folder}{number:03d}_add_device.sql"
    sql = (
        "ALTER TABLE record_audit ADD COLUMN device_info text;",
        "ALTER TABLE record_state ADD COLUMN device_info text;",
        "CREATE INDEX CONCURRENTLY device_idx ON record_state (device_info);",
    )
    tables = (("record_audit",), ("record_state",), ("record_state",))
    statements = [
        Statement(
            number=at,
            sql=text,
            start=at * 100,
            end=at * 100 + len(text),
            line=at + 5,
            column=1,
            kind="IndexStmt" if at == 3 else "AlterTableStmt",
            lock=LockClass.PATIENT if at == 3 else LockClass.STRONG,
            tables=tables[at - 1],
            source=file,
        )
        for at, text in enumerate(sql, 1)
    ]
    return Script(
        direction=direction,
        file=file,
        header=Header(
            migration=f"{number:03d}",
            title="Add device",
            author="Ada Lindqvist",
            dependencies=dependencies,
            rollback_class=RollbackClass.LOSSLESS,
            purpose="Keep the device.",
        ),
        steps=(
            Step(1, StepKind.TRANSACTION, tuple(statements[:2])),
            Step(2, StepKind.SINGLE, (statements[2],), begin_sql=""),
        ),
    )


def revision(
    change: ChangeRequest,
    *,
    number: int = 1,
    author: Person,
    at: datetime = NOW,
    rollback_class: str = "lossless",
    reviews: tuple[str, ...] = ("compliance review", "technical review"),
    dependencies: tuple[str, ...] = (),
    findings: tuple[dict[str, Any], ...] = (),
    bytes_of: bytes = b"SELECT 1;\n",
    rehearsed: bool = True,
) -> Revision:
    scripts = {
        one.value: to_json(script(one, number=change.migration_number, dependencies=dependencies))
        for one in (Direction.FORWARD, Direction.ROLLBACK)
    }
    made = Revision.objects.create(
        change=change,
        number=number,
        forward=bytes_of,
        rollback=None if rollback_class.endswith("only") else b"SELECT 2;\n",
        plan={**scripts, "verify": None},
        findings=list(findings),
        routing={
            "reviews": list(reviews),
            "reasons": [
                {
                    "statement_number": 1,
                    "direction": "forward",
                    "rule": "2",
                    "sentence": "Alters `record_audit`.",
                    "reviews": ["compliance review"],
                }
            ],
        },
        script_digest=sha256(bytes_of + change.code.encode()).hexdigest(),
        rollback_class=rollback_class,
        frozen_by=author,
        frozen_at=at,
    )
    change.revision = made
    change.save(update_fields=["revision"])
    if rehearsed:
        rehearsal(made, at=at)
    return made


def rehearsal(revision: Revision, *, at: datetime = NOW, passed: bool = True, **fields: Any) -> Rehearsal:
    values: dict[str, Any] = {
        "code": f"R-{next(_rehearsals):04d}",
        "change": revision.change,
        "revision": revision,
        "script_digest": revision.script_digest,
        "verdict": "exact" if passed else "differs",
        "passed": passed,
        "sentence": "" if passed else "The index t_a is missing.",
        "lossless": True,
        "basis": "schema",
        "catalog_before": CATALOG,
        "findings": list(revision.findings),
        "certificate": "{}",
        "certificate_digest": sha256(b"{}").hexdigest(),
        "rehearsed_at": at,
    }
    return Rehearsal.objects.create(**{**values, **fields})


def change(
    status: str = "draft",
    *,
    author: str = "ada",
    migration: int | None = None,
    at: datetime = NOW,
    digest: str = "",
    revised: dict[str, Any] | None = None,
    items: bool = True,
    **fields: Any,
) -> ChangeRequest:
    """A change with one revision and its checklists, moved to `status` by legal moves; digest set unless a draft."""
    number = next(_numbers)
    who = person(author)
    with acting(who):
        made = ChangeRequest.objects.create(
            number=number,
            code=f"CR-{number:04d}",
            status_at=at,
            migration_number=migration or 100 + number,
            migration_name=f"{migration or 100 + number:03d}_add_device",
            opened_by=who,
            opened_at=at,
            **{"title": f"Change {number}", **DOCUMENTED, **fields},
        )
        ChangeAuthor.objects.create(change=made, person=who, because="opened", at=at)
        revision(made, author=who, at=at, **(revised or {}))
        if items:
            add_items(made)
        if status != "draft":
            made.content_digest = digest or sha256(made.code.encode()).hexdigest()
            made.save(update_fields=["content_digest"])
            move_to(made, status, at=at, by=who)
    return made


def add_items(change: ChangeRequest) -> None:
    ChecklistItem.objects.bulk_create(
        ChecklistItem(
            change=change,
            list_key=one.key,
            list_title=one.title,
            gate=one.gate_move.value,
            position=at,
            key=item.key,
            text=item.text,
            duty=item.duty.value,
            automatic=item.automatic,
            fact=item.fact,
        )
        for at, (one, item) in enumerate(checklists.items(), 1)
    )


def path_to(status: str) -> list[tuple[str, str, str]]:
    """The shortest way from draft to `status` along the table of moves."""
    rows = list(LegalMove.objects.values_list("before", "move", "after"))
    ways: dict[str, list[tuple[str, str, str]]] = {"draft": []}
    while status not in ways:
        ways |= {row[2]: [*ways[row[0]], row] for row in rows if row[0] in ways and row[2] not in ways}
    return ways[status]


def move(change: ChangeRequest, step: str, after: str, *, at: datetime = NOW, by: Person | None = None) -> None:
    before = change.status
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('changecontrol.move', %s, true)", [step])
    setattr(change, "status", after)  # noqa: B010
    change.status_at = at
    change.version += 1
    change.save(update_fields=["status", "status_at", "version"])
    StatusMove.objects.create(
        change=change,
        move=step,
        before=before,
        after=after,
        version=change.version,
        person=by,
        actor=by.printed_name if by else "worker",
        at=at,
    )


def move_to(change: ChangeRequest, status: str, *, at: datetime = NOW, by: Person | None = None) -> None:
    for _, step, after in path_to(status):
        move(change, step, after, at=at, by=by)


def sign(
    change: ChangeRequest,
    meaning: str,
    username: str,
    *,
    at: datetime = NOW,
    execution: Execution | None = None,
    duty: str = "",
    about: dict[str, Any] | None = None,
) -> Signature:
    signer = person(username)
    told = {"about": about or {}, "schema": 1, "status": change.status}
    context = json.dumps(told, sort_keys=True, separators=(",", ":"))
    with acting(signer):
        return Signature.objects.create(
            change=change,
            execution=execution,
            meaning=meaning,
            duty=duty or next(iter(signer.duties)),
            signer=signer,
            username=signer.username,
            printed_name=signer.printed_name,
            signed_at=at,
            zone="UTC",
            statement="I say so.",
            status=change.status,
            content_digest=change.content_digest,
            context=context,
            context_digest=sha256(context.encode()).hexdigest(),
        )


def execution(
    change: ChangeRequest,
    target: Target,
    *,
    purpose: str,
    direction: str = "forward",
    state: str = "succeeded",
    effect: str = "complete",
    at: datetime = NOW,
    claimed: bool = True,
    outcome: dict[str, Any] | None = None,
    by: str | None = "theo",
    content_digest: str | None = None,
) -> Execution:
    """An execution taken to `state` by legal changes of state."""
    number = next(_numbers)
    with acting("worker"):
        made = Execution.objects.create(
            code=f"E-{number:04d}",
            uuid=uuid.uuid4(),
            change=change,
            revision=change.revision,
            target=target,
            purpose=purpose,
            direction=direction,
            attempt=number,
            content_digest=change.content_digest if content_digest is None else content_digest,
            requested_by=person(by) if by else None,
            queued_at=at,
        )
        if state == "queued":
            return made
        if claimed:
            made.state, made.claimed_at, made.heartbeat_at, made.worker = "running", at, at, "worker-1"
            made.save()
        made.state, made.effect, made.outcome = state, effect, outcome
        made.ended_at = None if state in ("running", "lost") else at + timedelta(minutes=1)
        made.save()
    return made


def watch(change: ChangeRequest, *, started_at: datetime, ends_at: datetime) -> Watch:
    with acting("worker"):
        return Watch.objects.create(change=change, started_at=started_at, ends_at=ends_at)


def incident(change: ChangeRequest, **fields: Any) -> Incident:
    with acting("worker"):
        return Incident.objects.create(
            code=f"I-{next(_numbers):04d}", change=change, title="Rolled back", opened_at=NOW, **fields
        )


def in_duty(username: str, *duties: str) -> Person:
    """Give a person these duties and no others."""
    who = person(username)
    with acting("setup"):
        who.groups.set(Group.objects.filter(name__in=duties))
    return who
