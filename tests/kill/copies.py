"""Rehearsals that are killed: in the build of the copy and in every pass; nothing of theirs may be left."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import psycopg

from changecontrol.local.postgres import Cluster
from changecontrol.targets import sandbox, snapshot
from changecontrol.targets.connection import Where, connect
from tests.kill.stage import wait_until
from tests.kill.victims import File, Point, Rehearsing, Victim

BASE = """BEGIN;
CREATE TABLE thing (id integer PRIMARY KEY);
INSERT INTO thing SELECT generate_series(1, 300);
COMMIT;
"""
BEFORE = File(
    "002_before.sql",
    "BEGIN;\nCREATE TABLE other (id integer PRIMARY KEY);\nCREATE ROLE kill_reader NOLOGIN;\n"
    "GRANT SELECT ON other TO kill_reader;\nCOMMIT;\n",
)
FORWARD = File(
    "003_small.sql",
    "BEGIN;\nALTER TABLE thing ADD COLUMN a integer;\nCREATE TABLE made (id integer PRIMARY KEY);\n"
    "CREATE ROLE kill_writer NOLOGIN;\nCOMMIT;\n\n"
    "-- changecontrol: batch key=id size=50\nUPDATE thing SET a = id WHERE a IS NULL;\n\n"
    "CREATE INDEX CONCURRENTLY thing_a ON thing (a);\n",
)
BACK = File(
    "rollback/003_rollback.sql",
    "DROP INDEX CONCURRENTLY IF EXISTS thing_a;\n\n"
    "BEGIN;\nDROP TABLE IF EXISTS made;\nDROP ROLE IF EXISTS kill_writer;\n"
    "ALTER TABLE thing DROP COLUMN IF EXISTS a;\nCOMMIT;\n",
    "rollback",
)


class Part(StrEnum):
    """What a rehearsal does when it is killed."""

    BUILD = "rehearsal, building the copy"
    FORWARD = "rehearsal, forward"
    ROLLBACK = "rehearsal, rollback"
    PREFIX = "rehearsal, a beginning and its rollback"


#: moments of each part: kind of event, step, which of them, and the pass
POINTS = {
    Part.BUILD: [("run_started", None, 1, ""), ("statement_done", 1, 1, ""), ("statement_done", 1, 2, ""),
                 ("committed", 1, 1, "")],
    Part.FORWARD: [("statement_done", 1, 1, "forward"), ("committed", 1, 1, "forward"), ("progress", 2, 1, "forward"),
                   ("committed", 2, 1, "forward"), ("statement_done", 3, 1, "forward"), ("committed", 3, 1, "forward"),
                   ("statement_done", 1, 2, "forward again")],
    Part.ROLLBACK: [("statement_done", 1, 1, "rollback"), ("committed", 1, 1, "rollback"),
                    ("statement_done", 2, 1, "rollback"), ("statement_done", 2, 2, "rollback"),
                    ("committed", 2, 1, "rollback")],
    Part.PREFIX: [("statement_done", 1, 1, "forward to step 1"), ("committed", 1, 1, "forward to step 1"),
                  ("statement_done", 2, 1, "rollback after step 1"), ("committed", 2, 1, "forward to step 2"),
                  ("committed", 2, 1, "rollback after step 2")],
}  # fmt: skip


@dataclass(slots=True)
class Rehearsals:
    """Rehearsals on one server; the target whose schema some of them copy lies there as well."""

    cluster: Cluster
    dice: random.Random
    folder: Path  # for what victims write on this machine
    met: Counter[str] = field(default_factory=Counter)
    kills: int = 0

    def __post_init__(self) -> None:
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE production")
        with psycopg.connect(self.target, autocommit=True) as made:
            made.execute(BASE.encode())

    @property
    def target(self) -> str:
        return self.cluster.dsn("production")

    @property
    def server(self) -> Where:
        return Where(self.cluster.dsn(), name="sandboxes")

    def kill_one(self, part: Part) -> None:
        """Rehearse until a moment of that part, and kill; every second round is of the target's schema."""
        points = POINTS[part]
        kind, step, nth, during = points[self.met[part] % len(points)]
        victim = Victim(self._job(Point(kind, step, nth, during), of=bool((self.met[part] // len(points)) % 2)))
        wait_until(lambda: victim.stopped or victim.ended, str(part))
        stopped = victim.stopped
        victim.kill()
        assert stopped, (part, kind, step, during, victim.heard)
        self.kills += 1
        self.met[part] += 1

    def complete(self) -> str:
        """Rehearse undisturbed; gives the verdict."""
        said = Victim(self._job(None, of=True)).wait()
        return " ".join(said)

    def left(self) -> Iterator[str]:
        """Sweep as a worker does, and say what is left in spite of that."""
        wait_until(lambda: not self._keepers(), "the end of the connections of killed rehearsals")
        with self.writing():
            sandbox.sweep(self.server)
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as admin:
            for query in (
                "SELECT 'database ' || datname FROM pg_database WHERE datname LIKE 'cc\\_sandbox%'",
                "SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'kill%'",
                "SELECT 'session ' || application_name FROM pg_stat_activity WHERE application_name LIKE 'rehears%'",
            ):
                yield from (said for (said,) in admin.execute(query.encode()))
        yield from (f"folder {one}" for one in self.folder.iterdir())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have the sweep look where the victims write."""
        known, tempfile.tempdir = tempfile.tempdir, str(self.folder)
        try:
            yield
        finally:
            tempfile.tempdir = known

    def catalog(self) -> str:
        """The digest of the target's catalog."""
        with connect(Where(self.target, name="production"), application_name="look") as session:
            return snapshot.catalog(session).digest

    def _keepers(self) -> bool:
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as admin:
            row = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'cc\\_sandbox%'")
            return bool((row.fetchone() or (0,))[0])

    def _job(self, point: Point | None, *, of: bool) -> Rehearsing:
        base = (BEFORE,) if of else (File("001_base.sql", BASE), BEFORE)
        return Rehearsing(self.server.dsn, self.target if of else "", base, FORWARD, BACK, str(self.folder), point)
