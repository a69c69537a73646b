"""A series on disk and the database it runs on, step by step through the real runner."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from changecontrol.local.database import prepare_target
from changecontrol.local.postgres import Cluster
from changecontrol.repository import Frozen, Repository
from changecontrol.rules.script import Script
from changecontrol.services import scaffolding
from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Event, Limits, Order
from changecontrol.targets.runner import run, verify
from tests.targets.stage import TARGET_UUID

OWNER, WRITER = "series_owner", "series_writer"
PASSWORD = "only-for-tests-here"
LIMITS = Limits(deadline_s=120, pause_ms=20, look_s=2.0)
RELEASE = "app >= 4.2"
_fences = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A database: as its owner migrates it, as the application writes to it, and as its administrator sees it."""

    owner: Where
    writer: str
    admin: str

    @contextmanager
    def session(self) -> Iterator[Session]:
        with connect(self.owner, application_name="series") as opened:
            yield opened

    def set_up(self, sql: str) -> None:
        with self.session() as opened:
            ledger.bootstrap(opened, target_uuid=TARGET_UUID, environment="staging", actor="olga", signed_by="s-1")
            opened.execute(sql.encode())
            opened.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON things TO {WRITER}".encode())

    def by_hand(self, sql: str) -> None:
        with self.session() as opened:
            if sql:
                opened.execute(sql.format(role=WRITER).encode())


def place(server: Cluster, name: str) -> Place:
    owner = prepare_target(server.dsn(), database=name, role=OWNER, password=PASSWORD)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (WRITER,)).fetchone():
            admin.execute(f"CREATE ROLE {WRITER} LOGIN PASSWORD '{PASSWORD}'".encode())
        admin.execute(f"GRANT CONNECT ON DATABASE {name} TO {WRITER}".encode())
    with psycopg.connect(server.dsn(name), autocommit=True) as admin:
        admin.execute(f"GRANT USAGE ON SCHEMA public TO {WRITER}".encode())
    writer = server.dsn(name, user=WRITER, password=PASSWORD)
    return Place(Where(owner, name="staging"), writer, server.dsn(name))


def written(folder: Path, pattern: str, given: dict[str, str]) -> list[Frozen]:
    """Let the wizard write a series into a folder; the migrations as they are read."""
    created = scaffolding.new_series(
        repository=folder,
        pattern=pattern,
        given={"release": RELEASE, "batch-size": "200", **given},
        description="",
        ticket="TICKET-010",
        author="Ada Lindqvist",
        on=date(2026, 1, 5),
        dependencies="none",
    )
    numbers = sorted({int(path.name[:3]) for path in created})
    return [Repository(folder).read(number) for number in numbers]


def go(
    conn: Session, frozen: Frozen, script: Script | None, *, heard: Callable[[Event], None] = lambda event: None
) -> None:
    """Run one script to its end."""
    assert script is not None
    fence = next(_fences)
    order = Order(
        change_code=f"CR-{frozen.number:04d}",
        migration=frozen.number,
        direction=script.direction.value,
        script_digest=frozen.script_digest,
        content_digest="c" * 64,
        execution_id=str(fence),
        attempt=1,
        fence=fence,
        actor="theo",
    )
    outcome = run(conn, script=script, order=order, limits=LIMITS, on_event=heard)
    assert outcome.state == "succeeded", outcome.error


def holds(conn: Session, frozen: Frozen) -> Any:
    """Whether the migration's own verify script says that it took effect."""
    assert frozen.verify_script is not None
    return verify(conn, script=frozen.verify_script).ok
