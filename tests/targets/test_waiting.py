"""Getting a lock without stopping the users: short tries, retries to a deadline, blockers named."""

from __future__ import annotations

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Limits
from tests.targets.stage import Heard, background, go, one, ran, wait_for


def test_it_gives_up_at_the_deadline_and_names_table_and_blocker(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    with other.transaction():
        other.execute("SELECT * FROM readings")
        limits = Limits(deadline_s=1.0, pause_ms=50, look_s=0.2)
        outcome = go(session, "BEGIN;\nALTER TABLE readings ADD b int;\nCOMMIT;\n", limits=limits, heard=heard)
    assert (outcome.state, outcome.effect) == ("failed", "none")
    assert outcome.error is not None
    said = outcome.error.sentence
    assert said.startswith("002_example.sql line 2: the deadline of 1 s passed before readings could be locked")
    assert f"pid {other.info.backend_pid}" in said and '"nightly report"' in said and "AccessShareLock" in said
    waiting = heard.of("waiting")[0]
    assert (waiting.data["pid"], waiting.data["user"]) == (other.info.backend_pid, "postgres")
    assert (waiting.data["application"], waiting.data["mode"]) == ("nightly report", "AccessShareLock")
    assert waiting.data["query_age_s"] >= 0


def test_it_retries_until_the_lock_is_free(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("LOCK TABLE readings IN ROW EXCLUSIVE MODE")
    with background(lambda: ran(session, "ALTER TABLE readings ADD b int;", heard=heard)) as result:
        wait_for(lambda: len(heard.of("retry")) >= 2)
        other.execute("COMMIT")
    assert result[0].effect == "complete"
    assert heard.of("retry")[0].data["sqlstate"] == "55P03"


def test_it_holds_no_other_session_up_for_longer_than_the_short_try(
    session: Session, other: Session, where: object
) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("SELECT * FROM readings")
    with session.twin("user") as user:
        user.execute("SET lock_timeout = '1s'")
        limits = Limits(deadline_s=1.5, pause_ms=100, look_s=0.1)
        with background(lambda: go(session, "ALTER TABLE readings ADD b int;", heard=heard, limits=limits)) as result:
            wait_for(lambda: heard.of("retry"))
            for _ in range(50):
                user.execute("SELECT * FROM readings")  # raises if it ever waits for a second
    other.execute("COMMIT")
    assert result[0].state == "failed"


def test_it_aborts_while_waiting(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("SELECT * FROM readings")
    reason = lambda: "Olga needs the table." if heard.of("retry") else None  # noqa: E731
    outcome = go(session, "ALTER TABLE readings ADD b int;", heard=heard, stop=reason)
    assert outcome.state == "aborted" and outcome.error is not None
    assert outcome.error.sentence == "Aborted: Olga needs the table."
    other.execute("COMMIT")


def test_it_retries_a_deadlock(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE a (id int); CREATE TABLE b (id int)")
    other.execute("SET deadlock_timeout = '10s'")  # so that ours is the victim
    session.execute("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("UPDATE b SET id = 2")
    text = "BEGIN;\nUPDATE a SET id = 3;\nUPDATE b SET id = 3;\nCOMMIT;\n"
    with background(lambda: ran(session, text, heard=heard)) as result:
        wait_for(lambda: heard.of("waiting"))
        other.execute("UPDATE a SET id = 2")  # waits for ours until the deadlock is found
        other.execute("COMMIT")
    assert result[0].effect == "complete"
    assert {event.data["sqlstate"] for event in heard.of("retry")} <= {"40P01", "55P03"} and heard.of("retry")
    assert one(session, "SELECT id FROM b") == 3


def test_it_retries_a_serialization_failure(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE a (id int)")
    session.execute("INSERT INTO a VALUES (1)")
    heard = Heard()
    hit = []

    def conflict() -> None:
        if not hit and [event for event in heard.of("statement_done") if event.statement == 1]:
            hit.append(other.execute("UPDATE a SET id = id + 10"))

    text = "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT * FROM a;\nUPDATE a SET id = id + 1;\nCOMMIT;\n"
    outcome = go(session, text, heard=heard, stop=conflict)
    assert outcome.effect == "complete", outcome
    assert [event.data["sqlstate"] for event in heard.of("retry")] == ["40001"]
    assert one(session, "SELECT id FROM a") == 12


def test_it_works_without_a_second_session(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("SELECT * FROM readings")

    def kill_the_watcher() -> None:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND datname = current_database()",
            ("%watch",),
        )

    limits = Limits(deadline_s=0.8, pause_ms=20, look_s=0.1)
    outcome = go(session, "ALTER TABLE readings ADD b int;", heard=heard, stop=kill_the_watcher, limits=limits)
    assert outcome.state == "failed" and outcome.effect == "none"
    other.execute("COMMIT")


def test_it_says_what_it_waits_for_when_rows_are_locked(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE a AS SELECT 1 AS id")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("UPDATE a SET id = 2")
    try:
        outcome = go(session, "UPDATE a SET id = 3;", heard=heard, limits=Limits(deadline_s=0.7, dml_lock_ms=300))
    finally:
        other.execute("ROLLBACK")
    assert outcome.error is not None and f"pid {other.info.backend_pid}" in outcome.error.sentence
    assert isinstance(psycopg.errors.lookup(outcome.error.sqlstate), type)


@pytest.mark.slow
def test_it_waits_long_enough_for_autovacuum_to_give_way(session: Session, other: Session, cluster: Cluster) -> None:
    """A lock_timeout below deadlock_timeout never cancels an autovacuum worker: one long try is announced."""
    session.execute(
        "CREATE TABLE readings (id int, filler text) WITH (autovacuum_vacuum_cost_delay = 100,"
        " autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_insert_threshold = 1)"
    )
    session.execute("INSERT INTO readings SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n")
    session.execute("DELETE FROM readings WHERE id % 2 = 0")
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            wait_for(
                lambda: one(
                    other,
                    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                    " WHERE backend_type = 'autovacuum worker' AND relation = 'readings'::regclass",
                ),
                seconds=240,
            )
            heard = Heard()
            assert ran(session, "ALTER TABLE readings ADD b int;", heard=heard).effect == "complete"
        finally:
            admin.execute("ALTER SYSTEM RESET autovacuum_naptime")
            admin.execute("SELECT pg_reload_conf()")
    assert "long enough for autovacuum to give way" in heard.of("retry")[-1].text
