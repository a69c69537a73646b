"""How far a long statement is: from the server's own progress views, at most once a second."""

from __future__ import annotations

import pytest

from changecontrol.targets import progressing
from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Limits
from tests.targets.stage import Heard, background, one, ran, wait_for

SLOW = (
    "CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM pg_sleep(0.001); RETURN n; END $$"
)


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.execute("CREATE TABLE a (n int, filler text DEFAULT repeat('x', 400))")
    session.execute("INSERT INTO a SELECT n FROM generate_series(1, 2000) n")
    session.execute(SLOW)


def test_it_tells_how_far_an_index_is(session: Session) -> None:
    heard = Heard()
    text = "CREATE INDEX CONCURRENTLY i ON a (slow(n));"
    assert ran(session, text, heard=heard, limits=Limits(deadline_s=60)).effect == "complete"
    told = heard.of("progress")
    seconds = heard.of("statement_done")[0].data["ms"] / 1000
    assert 1 <= len(told) <= seconds + 1
    first = told[0].data
    assert (first["command"], first["unit"]) == ("CREATE INDEX CONCURRENTLY", "blocks")
    assert first["phase"].startswith("building index") and 0 < first["pct"] <= 100
    assert 0 < first["done"] <= first["total"] == one(session, "SELECT pg_relation_size('a') / 8192")
    assert f"{first['done']} of {first['total']} blocks" in told[0].text


@pytest.mark.parametrize(
    ("command", "statement"),
    [
        ("VACUUM", "VACUUM a"),
        ("ANALYZE", "ANALYZE a"),
        ("VACUUM FULL", "VACUUM FULL a"),
        ("COPY TO", "COPY (SELECT slow(n) FROM a) TO '/dev/null'"),
    ],
)
def test_it_reads_the_view_of_each_command(session: Session, other: Session, command: str, statement: str) -> None:
    if command == "VACUUM FULL":
        session.execute("CREATE INDEX i ON a (slow(n))")
    session.execute("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1")
    session.execute("UPDATE a SET n = n WHERE n % 2 = 0" if command == "VACUUM" else "SELECT 1")
    pid = session.info.backend_pid
    with background(lambda: run_until_canceled(session, statement)):
        found = wait_for(lambda: progressing.reading(other, pid))
        other.execute("SELECT pg_cancel_backend(%s)", (pid,))
    assert found["command"] == command and found["phase"]
    assert found["unit"] in ("blocks", "bytes") and found["done"] >= 0
    assert command in progressing.sentence(found)


def run_until_canceled(session: Session, statement: str) -> str:
    try:
        session.execute(statement.encode())
    except Exception as error:
        return str(error)
    return "done"


def test_nobody_at_work_is_nothing_to_tell(session: Session, other: Session) -> None:
    assert progressing.reading(other, session.info.backend_pid) is None
