"""Batches wait for others, say why, and go on by themselves."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.local.testing import Servers
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Limits, Throttle
from tests.targets.stage import Heard, background, go, one, ran, registered, unique, wait_for

FILL = "-- changecontrol: batch key=id size=100\nUPDATE a SET filled = id WHERE filled IS NULL;\n"
TABLE = "CREATE TABLE a (id bigint PRIMARY KEY, filled bigint); INSERT INTO a SELECT n FROM generate_series(1, 1000) n"


def limits(**changes: Any) -> Limits:
    return Limits(deadline_s=30, pause_ms=20, throttle=replace(Throttle(active_sessions=1000), **changes))


def reasons(heard: Heard) -> list[str]:
    return [event.data["kind"] for event in heard.of("throttled")]


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.execute(TABLE)


def test_it_waits_for_an_old_snapshot(session: Session, other: Session) -> None:
    heard = Heard()
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM a")
    wait_for(lambda: one(session, "SELECT max(clock_timestamp() - xact_start) > '0.3 s' FROM pg_stat_activity"))
    with background(lambda: ran(session, FILL, heard=heard, limits=limits(oldest_xmin_s=0.3))) as result:
        wait_for(lambda: heard.of("throttled"))
        assert not heard.of("progress")
        other.execute("COMMIT")
    assert result[0].effect == "complete"
    assert reasons(heard) == ["old snapshot", "over"]
    assert "cannot be cleaned up" in heard.of("throttled")[0].data["reason"]
    assert heard.of("throttled")[1].data["waited_s"] >= 0


def test_a_throttled_run_ends_at_the_deadline_and_on_an_abort(session: Session, other: Session) -> None:
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    other.execute("SELECT count(*) FROM a")
    heard = Heard()
    patience = replace(limits(oldest_xmin_s=0.0), deadline_s=0.5)
    outcome = go(session, FILL, heard=heard, limits=patience)
    assert (outcome.state, outcome.effect) == ("failed", "none") and reasons(heard)[0] == "old snapshot"
    heard = Heard()
    stop = lambda: "Not now." if heard.of("throttled") else None  # noqa: E731
    outcome = go(session, FILL, heard=heard, stop=stop, limits=limits(oldest_xmin_s=0.0), attempt=2)
    assert outcome.state == "aborted"
    other.execute("COMMIT")


def test_it_waits_while_many_sessions_are_active(session: Session, other: Session, where: Where) -> None:
    heard = Heard()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    other.execute("SELECT pg_advisory_lock(77)")
    with connect(where, application_name="busy") as busy:
        with background(lambda: busy.execute("SELECT pg_advisory_lock_shared(77)")):
            wait_for(lambda: one(other, waiting))
            with background(lambda: ran(session, FILL, heard=heard, limits=limits(active_sessions=0))) as result:
                wait_for(lambda: heard.of("throttled"))
                other.execute("SELECT pg_advisory_unlock(77)")
    assert result[0].effect == "complete" and reasons(heard)[0] == "active sessions"


def test_it_makes_room_for_who_waits_behind_a_batch(session: Session, other: Session, where: Where) -> None:
    session.execute(
        "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(5); RETURN NEW; END $$;"
        " CREATE TRIGGER gate BEFORE UPDATE OF filled ON a FOR EACH ROW WHEN (NEW.id = 150) EXECUTE FUNCTION gate()"
    )
    heard = Heard()
    other.execute("SELECT pg_advisory_lock(5)")
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = {pid}"
    with connect(where, application_name="user") as user, connect(where, application_name="eye") as eye:
        with background(lambda: ran(session, FILL, heard=heard, limits=limits(waiter_ms=10))):
            wait_for(lambda: one(eye, waits.format(pid=session.info.backend_pid)))
            with background(lambda: user.execute("UPDATE a SET id = id WHERE id = 110")):
                wait_for(lambda: one(eye, waits.format(pid=user.info.backend_pid)))
                # seen by a tick of the batch: it looks every 200 ms at most
                age = "SELECT now() - min(waitstart) > '450 ms' FROM pg_locks WHERE pid = {pid}"
                wait_for(lambda: one(eye, age.format(pid=user.info.backend_pid)))
                other.execute("SELECT pg_advisory_unlock(5)")
    assert reasons(heard)[0] == "waiters"
    assert "1 sessions waited for rows of the last batch" in heard.of("throttled")[0].text


def test_it_waits_while_the_server_answers_slowly(session: Session) -> None:
    session.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001);"
        " RETURN NEW; END $$; CREATE TRIGGER slow BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    heard = Heard()
    stop = lambda: "Enough." if heard.of("throttled") else None  # noqa: E731
    outcome = go(session, FILL, heard=heard, stop=stop, limits=limits(look_ms=0.0))
    assert outcome.state == "aborted" and reasons(heard)[0] == "latency"


@contextmanager
def replica(cluster: Cluster, lsn: str) -> Iterator[dict[str, bool]]:
    """A physical standby's side of the protocol: it applies what it gets as long as told so."""
    wish = {"apply": True, "end": False}
    conn = psycopg.pq.PGconn.connect(f"{cluster.dsn()}?replication=true&application_name=replica".encode())
    assert conn.exec_(f"START_REPLICATION PHYSICAL {lsn}".encode()).status == psycopg.pq.ExecStatus.COPY_BOTH
    conn.nonblocking = 1
    pause = threading.Event()

    def work() -> None:
        seen = applied = 0
        while not wish["end"]:
            conn.consume_input()
            while (got := conn.get_copy_data(1))[0] > 0:
                data = bytes(got[1])
                begin, _ = struct.unpack(">QQ", data[1:17])
                seen = max(seen, begin + len(data) - 25 if data[:1] == b"w" else begin)
            applied = seen if wish["apply"] else applied
            conn.put_copy_data(b"r" + struct.pack(">QQQQB", seen, seen, applied, 0, 0))
            conn.flush()
            pause.wait(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield wish
    finally:
        wish["end"] = True
        thread.join(10)
        conn.finish()


def test_it_waits_for_a_replica_that_lags(session: Session, other: Session, cluster: Cluster) -> None:
    heard = Heard()
    with replica(cluster, one(other, "SELECT pg_current_wal_lsn()")) as wish:
        other.execute("CREATE TABLE moved (id int)")
        wait_for(lambda: one(other, "SELECT count(replay_lag) FROM pg_stat_replication"))
        wish["apply"] = False

        def lags() -> Any:
            other.execute("INSERT INTO moved VALUES (1)")
            return one(other, "SELECT max(replay_lag) > '0.4 s' FROM pg_stat_replication")

        wait_for(lags)
        with background(lambda: ran(session, FILL, heard=heard, limits=limits(replay_lag_s=0.3))) as result:
            wait_for(lambda: heard.of("throttled"))
            wish["apply"] = True
            wait_for(lambda: other.execute("INSERT INTO moved VALUES (1)") and result)
    assert result[0].effect == "complete" and reasons(heard)[0] == "replay lag"


@pytest.fixture(scope="module")
def archiving(servers: Servers) -> Iterator[Cluster]:
    """A server whose archive is out of order, and which knows prepared transactions."""
    cluster = servers.new_cluster(unique("archiving"))
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        for setting in ("archive_mode = 'on'", "archive_command = 'false'", "max_prepared_transactions = 5"):
            admin.execute(f"ALTER SYSTEM SET {setting}".encode())
    cluster.stop()
    yield cluster.start()
    cluster.stop()


def test_it_waits_for_the_archive(archiving: Cluster) -> None:
    heard = Heard()
    with (
        registered(Where(archiving.dsn(), name="staging")) as session,
        psycopg.connect(archiving.dsn(), autocommit=True) as admin,
    ):
        session.execute(TABLE)
        for number in range(3):
            admin.execute(f"CREATE TABLE w{number} (id int)".encode())
            admin.execute("SELECT pg_switch_wal()")
        with background(lambda: ran(session, FILL, heard=heard, limits=limits(archive_files=2))) as result:
            wait_for(lambda: heard.of("throttled"))
            admin.execute("ALTER SYSTEM SET archive_command = 'true'")
            admin.execute("SELECT pg_reload_conf()")
    assert result[0].effect == "complete" and reasons(heard)[0] == "archive"
    assert "WAL files wait for the archive" in heard.of("throttled")[0].text


def test_a_prepared_transaction_is_in_the_way(archiving: Cluster) -> None:
    with registered(Where(archiving.dsn(), name="staging")) as session:
        session.execute("CREATE TABLE readings (id int)")
        with psycopg.connect(archiving.dsn(), autocommit=True) as other:
            other.execute("BEGIN; INSERT INTO readings VALUES (1); PREPARE TRANSACTION 'forgotten'")
            quick = Limits(deadline_s=0.5, look_s=5)
            outcome = go(session, "ALTER TABLE readings ADD b int;", limits=quick, migration=7)
            other.execute("ROLLBACK PREPARED 'forgotten'")
    assert outcome.error is not None and "a prepared transaction" in outcome.error.sentence


@pytest.mark.slow
def test_it_waits_for_autovacuum_on_the_table_but_not_for_ever(
    session: Session, other: Session, cluster: Cluster
) -> None:
    session.execute(
        "ALTER TABLE a SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,"
        " autovacuum_vacuum_threshold = 1, autovacuum_vacuum_insert_threshold = 1)"
    )
    session.execute("INSERT INTO a SELECT n FROM generate_series(1001, 20000) n; DELETE FROM a WHERE id % 5 = 0")
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            busy = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'a'::regclass"
            wait_for(lambda: one(other, busy), seconds=240)
            heard = Heard()
            ran(session, FILL, heard=heard, limits=limits(autovacuum_s=0.4))
            assert reasons(heard)[:2] == ["autovacuum", "over"]
            assert heard.of("throttled")[1].data["waited_s"] >= 0.4
        finally:
            admin.execute("ALTER SYSTEM RESET autovacuum_naptime")
            admin.execute("SELECT pg_reload_conf()")
