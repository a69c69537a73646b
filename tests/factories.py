"""Plain factory functions: the cast, registered targets on real servers, and a change walked to any status."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from django.utils import timezone
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from changecontrol.local import testing
from changecontrol.management.journey import ENVIRONMENTS, Journey
from changecontrol.models import ChangeRequest, Errand, Execution, Target
from changecontrol.rules.certificate import Basis, Certificate, Verdict
from changecontrol.rules.lifecycle import State
from changecontrol.rules.script import RollbackClass
from changecontrol.services import cast, certifying, claiming, errands, running
from changecontrol.services.recording import acting
from changecontrol.targets import snapshot
from changecontrol.targets.connection import Where, connect, resolve

PASSWORD = "demonstration-only"


def set_up_cast() -> None:
    """Create duties and the cast, each with one duty, as the demonstration does."""
    cast.set_up_cast(password=PASSWORD, now=datetime.now(UTC))


def empty_database(servers: testing.Servers, environment: str) -> str:
    """Make an empty database on the server of an environment; returns the migration role's conninfo for it."""
    url = servers.target_url(environment)
    name = f"diary_{secrets.token_hex(4)}"
    role = conninfo_to_dict(url)["user"]
    with psycopg.connect(servers.target(environment).dsn(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" OWNER "{role}" TEMPLATE template0')
    return make_conninfo(url, dbname=name)


def references(servers: testing.Servers, folder: Path, environments: tuple[str, ...] = ENVIRONMENTS) -> dict[str, str]:
    """Make one empty target database an environment; returns references to files that hold their connection strings."""
    made = {}
    for environment in environments:
        path = folder / f"target-{environment}"
        path.write_text(empty_database(servers, environment), encoding="utf-8")
        made[environment] = f"file:{path}"
    return made


def carry_out(clock: Callable[[], datetime] = timezone.now) -> None:
    """Carry out in this process everything that is due, as workers would: errands first, then executions."""
    for errand in Errand.objects.filter(state=Errand.State.QUEUED).order_by("pk"):
        errands.run(errand_id=errand.pk, clock=clock, worker="test:1")
    for queue in ENVIRONMENTS:
        while due := claiming.due(queue):
            running.run(execution_id=due[0].pk, clock=clock, worker="test:1")


def journey(say: Callable[[str], None] = lambda line: None) -> Journey:
    """Return a journey whose runs are carried out in this process."""
    return Journey(password=PASSWORD, say=say, patience=60, tend=carry_out, certify=certify)


def certify(change: ChangeRequest) -> None:
    """Write a certificate that fits production as it is now, for tests that are about something else.

    What a rehearsal really does is tested in tests/targets/test_rehearsal*.py and tests/services/test_rehearsing.py.
    """
    change = ChangeRequest.objects.select_related("revision").get(pk=change.pk)
    assert change.revision is not None
    before = ""
    with acting("setup"):
        for target in Target.objects.of("production").exclude(registered_at=None):
            with connect(Where(resolve(target.reference), target.set_role), application_name="test") as session:
                before = snapshot.catalog(session).digest
            Target.objects.filter(pk=target.pk).update(catalog_digest=before)
        shown = Certificate(
            script_digest=change.revision.script_digest,
            verdict=Verdict.EXACT,
            sentence="The rollback gives the schema back exactly.",
            declared=RollbackClass(change.revision.rollback_class),
            basis=Basis(kind="schema", of="production"),
            fingerprints={"before": before},
        )
        certifying.keep(change.revision, shown, errand=None, person=None, now=timezone.now(), ms=1)


def queued() -> list[Execution]:
    """Return the queued executions, oldest first."""
    return list(Execution.objects.filter(state=State.QUEUED).order_by("pk"))


def small_folder(folder: Path, **files: str) -> Path:
    """Write a folder of three harmless migrations; `files` (name with __ for /, without .sql) replace or add.

    001 makes a table with three rows, 002 adds a column in one step, 003 runs three steps: a column, an index built
    CONCURRENTLY, a comment.
    """
    texts = {
        "001_first": header("001", "none") + "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY, name text);\n"
        "INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 3) AS n;\nCOMMIT;\n",
        "rollback__001_rollback": "-- Rollback: 001 - first\nBEGIN;\nDROP TABLE thing;\nCOMMIT;\n",
        "002_second": header("002", "001") + "BEGIN;\nALTER TABLE thing ADD COLUMN color text;\nCOMMIT;\n",
        "rollback__002_rollback": "-- Rollback: 002 - second\nBEGIN;\nALTER TABLE thing DROP COLUMN color;\nCOMMIT;\n",
        "003_third": header("003", "001")
        + "BEGIN;\nALTER TABLE thing ADD COLUMN size int;\nCOMMIT;\n"
        + "CREATE INDEX CONCURRENTLY thing_size ON thing (size);\n"
        + "BEGIN;\nCOMMENT ON COLUMN thing.size IS 'Size in millimeters.';\nCOMMIT;\n",
        "rollback__003_rollback": "-- Rollback: 003 - third\nDROP INDEX CONCURRENTLY IF EXISTS thing_size;\n"
        "BEGIN;\nALTER TABLE thing DROP COLUMN size;\nCOMMIT;\n",
        **files,
    }
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def header(number: str, dependencies: str) -> str:
    return (
        f"-- Migration: {number} - small\n-- Ticket: TICKET-{number}\n-- Author: Ada Lindqvist\n-- Date: 2026-01-01\n"
        f"-- Purpose: A small migration for the tests\n-- Dependencies: {dependencies}\n-- Rollback: lossless\n\n"
    )
