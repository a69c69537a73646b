"""The same question with changes as they are in use: revisions, runs, signatures, moves, incidents, events."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.models import (
    ChangeAuthor,
    ChangeRequest,
    Execution,
    ExecutionEvent,
    Incident,
    Person,
    Rehearsal,
    Revision,
    Signature,
    StatusMove,
    Target,
)
from changecontrol.rules.manifest import canonical
from changecontrol.services.certifying import exact
from changecontrol.services.recording import acting
from tests import factories
from tests.services import certificates, rows
from tests.services.rows import NOW
from tests.web.visitors import client_of

FIRST = "CR-7001"
TABS = (
    "",
    "sql/",
    "findings/",
    "rehearsal/",
    "checklist/",
    "signatures/",
    "runs/",
    "watch/",
    "timeline/",
    "documentation/",
    "disk/",
)
PAGES = [
    ("cora", "/"),
    ("ada", "/"),
    ("theo", "/running/"),
    ("ada", "/changes/?q=change&status=open"),
    ("ada", f"/changes/{FIRST}/do/recall/"),
    ("cora", f"/changes/{FIRST}/do/compliance_review/"),
    ("theo", "/matrix/"),
    ("theo", "/matrix.csv"),
    ("theo", "/runs/"),
    ("theo", "/runs/E-7001/"),
    ("theo", "/runs/E-7001/live/"),
    ("theo", "/runs/E-7002/"),
    ("ada", f"/changes/{FIRST}/rehearsal/live/"),
    ("ada", "/rehearsals/R-7001/certificate.json"),
    ("theo", "/runs/E-7001/log/"),
    ("quin", "/incidents/"),
    ("quin", "/incidents/I-7001/"),
    ("ada", "/repository/"),
    ("olga", "/administration/people/"),
    ("olga", "/administration/targets/"),
    *(("ada", f"/changes/{FIRST}/{tab}") for tab in TABS),
]


def targets() -> list[Target]:
    """The three targets, made once."""
    found = list(Target.objects.order_by("pk"))
    return found or [rows.target(name, name) for name in ("development", "staging", "production")]


def fill(first: int, last: int) -> None:
    """Make the changes `first` to `last` in review, each with all that hangs on a change; and as many things on one."""
    ada, tess, places = rows.person("ada"), rows.person("tess"), targets()
    numbers = range(first, last + 1)
    with acting(ada, reason="many changes"):
        changes = ChangeRequest.objects.bulk_create(_change(number, ada) for number in numbers)
        ChangeAuthor.objects.bulk_create(
            ChangeAuthor(change=one, person=ada, because="opened", at=NOW) for one in changes
        )
        revisions = Revision.objects.bulk_create(_revision(one, ada) for one in changes)
        for change, revision in zip(changes, revisions, strict=True):
            change.revision, change.content_digest = revision, f"{change.number:064x}"
        ChangeRequest.objects.bulk_update(changes, ["revision", "content_digest"])
        _submit(changes, ada)
        Execution.objects.bulk_create(
            _run(change, places[at], number * 3 + at) for number, change in enumerate(changes, first) for at in range(3)
        )
        Incident.objects.bulk_create(
            Incident(code=f"I-{one.number}", change=one, title="Rolled back", opened_at=NOW) for one in changes
        )
        Signature.objects.bulk_create(
            _signature(change, who, meaning, duty)
            for change in changes
            for who, meaning, duty in (
                (ada, "authorship", "author"),
                (tess, "technical review", "technical reviewer"),
            )
        )
        one = ChangeRequest.objects.get(code=FIRST)
        if first == 7001:
            rows.add_items(one)
            # one has ended, so that it is held against its rehearsal
            Execution.objects.filter(code="E-7002").update(state="cancelled", ended_at=NOW)
        for code in ("E-7001", "E-7002"):
            watched = Execution.objects.only("pk").get(code=code)
            ExecutionEvent.objects.bulk_create(_event(watched, number) for number in numbers)
        Rehearsal.objects.bulk_create(_rehearsal(one, targets()[1], number) for number in numbers)


def _change(number: int, ada: Person) -> ChangeRequest:
    return ChangeRequest(
        number=number,
        code=f"CR-{number}",
        title=f"Change {number}",
        status_at=NOW,
        migration_number=number,
        migration_name=f"{number}_change",
        opened_by=ada,
        opened_at=NOW,
        **rows.DOCUMENTED,
    )


def _revision(change: ChangeRequest, ada: Person) -> Revision:
    made: dict[str, Any] = {"reviews": ["technical review", "compliance review"], "reasons": []}
    plan = {"forward": rows.to_json(rows.script(number=change.number % 1000)), "rollback": None, "verify": None}
    return Revision(
        change=change,
        number=1,
        forward=b"SELECT 1;\n" * 40,
        plan=plan,
        routing=made,
        script_digest=f"{change.number:064x}",
        rollback_class="forward-fix only",
        frozen_by=ada,
        frozen_at=NOW,
    )


def _submit(changes: list[ChangeRequest], ada: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('changecontrol.move', 'submit', true)")
    numbers = [one.number for one in changes]
    ChangeRequest.objects.filter(number__in=numbers).update(status="in_review", version=2)
    StatusMove.objects.bulk_create(
        StatusMove(
            change=one, move="submit", before="draft", after="in_review", version=2, person=ada, actor="Ada", at=NOW
        )
        for one in changes
    )


def _rehearsal(change: ChangeRequest, target: Target, number: int) -> Rehearsal:
    assert change.revision is not None
    made = certificates.certificate(change.revision.script_digest)
    return Rehearsal(
        code=f"R-{number}",
        change=change,
        revision=change.revision,
        target=target,
        script_digest=change.revision.script_digest,
        verdict="exact",
        passed=True,
        basis="schema",
        findings=list(made.findings),
        certificate=canonical(exact(made.to_json())).decode(),
        certificate_digest="0" * 64,
        asked_by=change.opened_by,
        rehearsed_at=NOW,
    )


def _run(change: ChangeRequest, target: Target, number: int) -> Execution:
    """Three runs a change."""
    codes = {3 * 7001: "E-7001", 3 * 7001 + 1: "E-7002"}
    return Execution(
        code=codes.get(number, f"E-{number + 100_000}"),
        uuid=uuid.uuid4(),
        change=change,
        revision=change.revision,
        target=target,
        purpose="develop",
        direction="forward",
        attempt=1,
        content_digest=change.content_digest,
        requested_by=change.opened_by,
        queued_at=NOW,
    )


def _signature(change: ChangeRequest, who: Person, meaning: str, duty: str) -> Signature:
    return Signature(
        change=change,
        meaning=meaning,
        duty=duty,
        signer=who,
        username=who.username,
        printed_name=who.printed_name,
        signed_at=NOW,
        zone="UTC",
        statement="I say so.",
        status="in_review",
        content_digest=change.content_digest,
        context="{}",
        context_digest="0" * 64,
    )


def _event(run: Execution, number: int) -> ExecutionEvent:
    at = NOW + timedelta(seconds=number)
    kind = "notice" if number % 2 else "statement_done"
    place = {"phase": "forward", "step": 1, "statement": number % 100} if kind != "notice" else {}
    return ExecutionEvent(
        execution=run, number=number, at=at, kind=kind, text=f"Told {number}", data={"ms": 5.0}, **place
    )


def counted() -> Iterator[tuple[str, int]]:
    """Count the queries of each page."""
    clients = {username: client_of(username) for username, _ in PAGES}
    for username, address in PAGES:
        with CaptureQueriesContext(connection) as seen:
            answer = clients[username].get(address)
        assert answer.status_code == 200, address
        yield f"{username} {address}", len(seen)


@pytest.mark.django_db
def test_it_asks_as_often_when_everything_hangs_on_the_changes(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    fill(7001, 7010)
    dict(counted())  # what is looked up once in the life of a process
    with_ten = dict(counted())
    fill(7011, 8000)
    assert dict(counted()) == with_ten
    assert max(with_ten.values()) < 60
