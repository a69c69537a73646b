"""The story of one text, from a file on disk to the ledger of production. A newcomer reads this first.

file -> repository.read -> script.parse -> frozen Revision -> content digest at submit -> signatures -> an id through
the queue -> the worker compares -> the ledger row on the target.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from changecontrol.local import testing
from changecontrol.models import Execution, LedgerCopy, Signature
from changecontrol.repository import Repository
from changecontrol.rules.lifecycle import Status
from changecontrol.services import content, freezing
from tests import factories


@pytest.mark.usefixtures("own_database")
def test_it_carries_one_text_from_disk_to_the_ledger(servers: testing.Servers, tmp_path: Path) -> None:
    told: list[str] = []
    journey = factories.journey(told.append)
    references = factories.references(servers, tmp_path)
    journey.set_up_places(references)

    # 1. The file on disk has a script digest, known from its bytes alone.
    on_disk = Repository(settings.REPOSITORY).read(1)
    change = journey.open(1)
    assert change.revision is not None
    assert bytes(change.revision.forward) == (Path(settings.REPOSITORY) / "001_initial_schema.sql").read_bytes()
    assert change.revision.script_digest == on_disk.script_digest == freezing.digest_again(change.revision)

    # 2. From submission on, the content has a digest; every signature names it.
    journey.develop(change)
    change = journey.submit(change)
    content_digest = change.content_digest
    assert content_digest == content.preview(change).digest
    change = journey.review(change)
    assert change.status == Status.APPROVED

    # 3. Staging proves it; QA accepts, the tech lead authorizes and starts production.
    change = journey.stage(change)
    assert change.status == Status.STAGED, told
    change = journey.authorize(journey.accept(change))
    change = journey.deploy(change)
    assert change.status == Status.DEPLOYED

    # 4. The same two strings stand everywhere.
    assert {one.content_digest for one in Signature.objects.filter(change=change)} == {content_digest}
    runs = Execution.objects.filter(change=change).exclude(purpose="develop")
    assert {one.content_digest for one in runs} == {content_digest}
    for environment in ("staging", "production"):
        rows = ledger(references[environment])
        done = [row for row in rows if row["kind"] == "done"]
        assert done and {row["script_digest"] for row in rows} == {on_disk.script_digest}
        assert {row["content_digest"] for row in rows} == {content_digest}
        copies = LedgerCopy.objects.filter(target__name=environment)
        assert [one.ledger_id for one in copies.order_by("ledger_id")] == [row["id"] for row in rows]

    # 5. Production has the table, and only the signed run made it.
    with psycopg.connect(dsn(references["production"])) as production:
        assert production.execute("SELECT to_regclass('public.record_audit') IS NOT NULL").fetchone() == (True,)
    deploy = Execution.objects.get(change=change, purpose="deploy")
    assert {row["execution_id"] for row in ledger(references["production"])} == {str(deploy.uuid)}
    assert deploy.effect == "complete" and deploy.state == "succeeded"


def dsn(reference: str) -> str:
    return Path(reference.removeprefix("file:")).read_text(encoding="utf-8")


def ledger(reference: str) -> list[dict[str, Any]]:
    """Return the ledger rows of a target as dictionaries, oldest first."""
    from psycopg.rows import dict_row

    with psycopg.connect(dsn(reference), row_factory=dict_row) as connection:
        return connection.execute("SELECT * FROM changecontrol.ledger ORDER BY id").fetchall()
