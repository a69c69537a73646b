"""Statements outside a transaction: interrupted ones are inspected, cleaned up and finished."""

from __future__ import annotations

from typing import Any

import pytest

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Limits, Outcome
from tests.targets.stage import Heard, background, go, one, order, ran, script, wait_for

BUILD = "CREATE INDEX CONCURRENTLY a_id ON a (id);"


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.execute("CREATE TABLE a AS SELECT n AS id FROM generate_series(1, 1000) n")


def kinds(conn: Session) -> list[str]:
    return [row.kind for row in ledger.rows(conn)]


def is_valid(conn: Session, index: str = "a_id") -> Any:
    row = conn.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (index,)).fetchone()
    return row[0] if row else None


def cut_while_building(session: Session, other: Session, text: str, *, how: str, **changes: Any) -> Outcome:
    """Run a step that waits for an open writer, and cut it there."""
    heard, pid = Heard(), session.info.backend_pid
    other.execute("BEGIN")
    other.execute("INSERT INTO a VALUES (0)")
    stop = (lambda: "Olga aborts." if heard.of("waiting") else None) if how == "abort" else (lambda: None)
    with background(lambda: go(session, text, heard=heard, stop=stop, **changes)) as result:
        wait_for(lambda: heard.of("waiting"))
        if how == "kill":
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    other.execute("COMMIT")
    outcome: Outcome = result[0]
    return outcome


def test_it_records_before_and_after(session: Session) -> None:
    assert ran(session, BUILD).effect == "complete"
    assert kinds(session) == ["began", "done", "finished"]
    assert is_valid(session)


def test_it_reports_the_invalid_index_of_an_aborted_build_and_rebuilds_it(session: Session, other: Session) -> None:
    outcome = cut_while_building(session, other, BUILD, how="abort")
    assert (outcome.state, outcome.effect, outcome.left) == ("aborted", "partial", ("the INVALID index a_id",))
    assert is_valid(session) is False
    heard = Heard()
    assert ran(session, BUILD, heard=heard, attempt=2).effect == "complete"
    assert is_valid(session) is True
    assert any("left the INVALID index a_id: removing it" in event.text for event in heard.of("notice"))


def test_it_rebuilds_the_invalid_index_of_a_killed_backend(session: Session, other: Session) -> None:
    outcome = cut_while_building(session, other, BUILD, how="kill")
    assert (outcome.state, outcome.effect) == ("failed", "partial")
    assert outcome.left == ("the INVALID index a_id",)
    assert ran(other, BUILD, attempt=2).effect == "complete" and is_valid(other)


def test_it_does_not_let_if_not_exists_keep_an_invalid_index(session: Session, other: Session) -> None:
    text = 'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "A id" ON public.a (id);'
    cut_while_building(session, other, text, how="abort")
    assert is_valid(session, '"A id"') is False
    assert ran(session, text, attempt=2).effect == "complete"
    assert is_valid(session, '"A id"') is True


def test_it_refuses_if_not_exists_over_somebody_elses_invalid_index(session: Session) -> None:
    session.execute("INSERT INTO a VALUES (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        session.execute("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)")
    outcome = go(session, "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_id ON a (id);")
    assert outcome.state == "failed" and outcome.effect == "none"
    assert outcome.error is not None and "IF NOT EXISTS would keep it" in outcome.error.sentence


def test_it_records_an_index_that_was_finished_before_the_worker_died(session: Session) -> None:
    of = script(BUILD)
    ledger.write(session, order(of), "began", step=1, steps=1, detail={"existed": False, "known": []})
    session.execute("CREATE INDEX a_id ON a (id)")
    oid = one(session, "SELECT 'a_id'::regclass::oid")
    assert ledger.net(ledger.rows(session), migration=2).effect == "unknown"
    assert ran(session, BUILD, attempt=2).effect == "complete"
    assert one(session, "SELECT 'a_id'::regclass::oid") == oid
    assert kinds(session) == ["began", "done", "finished"]


def test_it_does_not_take_another_index_of_the_name_for_its_own(session: Session) -> None:
    ledger.write(session, order(script(BUILD)), "began", step=1, steps=1, detail={"existed": False, "known": []})
    session.execute("CREATE UNIQUE INDEX a_id ON a (id)")
    outcome = go(session, BUILD, attempt=2)
    assert (outcome.state, outcome.effect) == ("failed", "unknown")
    assert outcome.error is not None and "sign what you found" in outcome.error.sentence
    ledger.resolve_step(session, order=order(script(BUILD)), step=1, steps=1, done=False, reason="built by hand")
    assert ledger.net(ledger.rows(session), migration=2).effect == "none"


def test_it_counts_a_failed_build_that_left_nothing_as_nothing(session: Session) -> None:
    outcome = go(session, "CREATE INDEX CONCURRENTLY a_id ON a (missing);")
    assert (outcome.state, outcome.effect, outcome.left) == ("failed", "none", ())


def test_it_reports_the_invalid_index_of_a_violated_uniqueness(session: Session) -> None:
    session.execute("INSERT INTO a VALUES (1)")
    text = "CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id);"
    outcome = go(session, text)
    assert (outcome.effect, outcome.left) == ("partial", ("the INVALID index a_id",))
    assert outcome.error is not None and outcome.error.sqlstate == "23505"
    session.execute("DELETE FROM a WHERE ctid IN (SELECT max(ctid) FROM a WHERE id = 1)")
    assert ran(session, text, attempt=2).effect == "complete"


def test_it_says_that_the_name_is_taken_and_calls_nothing_its_own(session: Session) -> None:
    session.execute("CREATE INDEX a_id ON a (id)")
    outcome = go(session, BUILD)
    assert (outcome.state, outcome.effect, outcome.left) == ("failed", "none", ())
    assert outcome.error is not None and outcome.error.sqlstate == "42P07"


def test_it_refuses_an_index_without_a_name(session: Session) -> None:
    outcome = go(session, "CREATE INDEX CONCURRENTLY ON a (id);")
    assert outcome.state == "failed" and outcome.effect == "none" and kinds(session) == []
    assert outcome.error is not None and "without a name" in outcome.error.sentence


def test_it_gives_a_concurrent_build_no_lock_timeout_but_the_deadline(session: Session, other: Session) -> None:
    other.execute("BEGIN")
    other.execute("INSERT INTO a VALUES (0)")
    outcome = go(session, BUILD, limits=Limits(deadline_s=1.0, lock_ms=20, dml_lock_ms=20))
    other.execute("COMMIT")
    assert outcome.state == "failed" and outcome.error is not None
    assert f"pid {other.info.backend_pid}" in outcome.error.sentence


def test_it_drops_an_index_concurrently_and_resumes_that(session: Session, other: Session) -> None:
    session.execute("CREATE INDEX a_id ON a (id)")
    text = "DROP INDEX CONCURRENTLY a_id;"
    outcome = cut_while_building(session, other, text, how="abort")
    assert outcome.state == "aborted"
    assert ran(session, text, attempt=2).effect == "complete"
    assert is_valid(session) is None
    of = script(text)
    ledger.write(session, order(of, migration=3), "began", step=1, steps=1)
    assert ran(session, text, migration=3, attempt=2).effect == "complete"  # absent: it had been done


def test_it_removes_what_an_interrupted_reindex_left(session: Session, other: Session) -> None:
    session.execute("CREATE INDEX a_id ON a (id)")
    text = "REINDEX INDEX CONCURRENTLY a_id;"
    outcome = cut_while_building(session, other, text, how="kill")
    assert "_ccnew" in outcome.left[0]
    assert ran(other, text, attempt=2).effect == "complete"
    assert one(other, "SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass") == 1


def test_it_finishes_a_half_detached_partition(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE p (id int) PARTITION BY RANGE (id)")
    session.execute("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (10)")
    text = "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;"
    heard, pid = Heard(), session.info.backend_pid
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT * FROM p")
    with background(lambda: go(session, text, heard=heard)) as result:
        wait_for(lambda: heard.of("waiting"))
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    other.execute("COMMIT")
    assert result[0].effect == "partial" and "half detached" in result[0].left[0]
    assert ran(other, text, attempt=2).effect == "complete"
    assert one(other, "SELECT count(*) FROM pg_inherits") == 0


def test_it_simply_repeats_a_vacuum(session: Session) -> None:
    ledger.write(session, order(script("VACUUM a;")), "began", step=1, steps=1)
    assert ran(session, "VACUUM a;", attempt=2).effect == "complete"
    assert one(session, "SELECT count(*) FROM a") == 1000
