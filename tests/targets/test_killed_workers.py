"""A worker killed with -9 at any point: the next one finds out what is on, and everything runs exactly once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, lock
from tests.targets.stage import one, ran


@contextmanager
def killed(where: Where, file: Path, *, at: str, times: int = 1) -> Iterator[None]:
    """Start a worker on the file and kill it when it has told an event so many times."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.targets.worker", str(file)],
        env={**os.environ, "DSN": where.dsn},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        try:
            for line in process.stdout:
                times -= line.strip() == at
                if not times:
                    break
            yield
        finally:
            process.kill()


def finish(session: Session, text: str) -> None:
    with lock(session, deadline=30):  # free once the killed worker's backend has noticed
        assert ran(session, text, attempt=2).effect == "complete"
    assert len([row for row in ledger.rows(session) if row.kind == "done"]) == len(
        {row.step for row in ledger.rows(session) if row.kind == "done"}
    )


def test_it_survives_a_kill_inside_a_transaction(session: Session, where: Where, tmp_path: Path) -> None:
    session.execute("CREATE TABLE gate (id int)")
    session.execute("INSERT INTO gate VALUES (60)")
    text = "BEGIN;\nCREATE TABLE a (id int);\nSELECT pg_sleep(id) FROM gate;\nCOMMIT;\n"
    file = tmp_path / "002_example.sql"
    file.write_text(text)
    with killed(where, file, at="statement_done"):
        pass
    session.execute("DELETE FROM gate")
    finish(session, text)


def test_it_survives_a_kill_inside_a_concurrent_build(
    session: Session, other: Session, where: Where, tmp_path: Path
) -> None:
    session.execute("CREATE TABLE a AS SELECT 1 AS id")
    text = "CREATE INDEX CONCURRENTLY a_id ON a (id);\n"
    file = tmp_path / "002_example.sql"
    file.write_text(text)
    other.execute("BEGIN")
    other.execute("INSERT INTO a VALUES (2)")
    with killed(where, file, at="waiting"):
        pass
    other.execute("COMMIT")
    finish(session, text)
    assert one(session, "SELECT array_agg(indisvalid) FROM pg_index WHERE indrelid = 'a'::regclass") == [True]


def test_it_survives_a_kill_between_batches(session: Session, where: Where, tmp_path: Path) -> None:
    session.execute("CREATE TABLE a AS SELECT n AS id, 0 AS times, false AS done FROM generate_series(1, 3000) n")
    text = (
        "-- changecontrol: batch key=id size=100\n"
        "UPDATE a SET times = times + 1, done = pg_sleep(0.0002) IS NOT NULL WHERE NOT done;\n"
    )
    file = tmp_path / "002_example.sql"
    file.write_text(text)
    with killed(where, file, at="progress", times=3):
        pass
    finish(session, text)
    assert one(session, "SELECT array_agg(DISTINCT times) FROM a") == [1]
