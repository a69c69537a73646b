"""VACUUM between batches: by a session of its own, never in the way, nothing lost when it is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Limits
from tests.targets.stage import Heard, background, go, one, ran, unique, wait_for

FILL = "-- changecontrol: batch key=id size=300\nUPDATE a SET filled = id WHERE filled IS NULL;\n"
PATIENT = Limits(deadline_s=30, pause_ms=20)
RUNS = "SELECT pid FROM pg_stat_progress_vacuum WHERE relid = 'a'::regclass"


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.execute("CREATE TABLE a (id bigint PRIMARY KEY, filled bigint) WITH (autovacuum_enabled = false)")
    session.execute("INSERT INTO a SELECT n FROM generate_series(1, 10000) n")
    session.execute("ANALYZE a")


@pytest.fixture
def slowly(session: Session, where: Where) -> Session:
    """A VACUUM here never ends by itself."""
    name = session.info.dbname
    for setting in ("vacuum_cost_delay = 100", "vacuum_cost_limit = 1", "vacuum_cost_page_dirty = 10000"):
        session.execute(f"ALTER DATABASE {name} SET {setting}".encode())
    return session


def filled(conn: Session) -> int:
    return int(one(conn, "SELECT count(*) FROM a WHERE filled = id"))


def test_it_cleans_up_whenever_a_fifth_was_changed(session: Session, other: Session) -> None:
    heard = Heard()
    ran(session, FILL, heard=heard, limits=replace(PATIENT, batch_target_ms=1))
    assert 3 <= len(heard.of("vacuumed")) <= 5
    assert heard.of("vacuumed")[0].data["table"] == '"a"'
    other.execute("SELECT pg_stat_force_next_flush()")
    wait_for(lambda: one(other, "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'a'") >= 3)
    ends = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%vacuum' AND datname = current_database()"
    )
    wait_for(lambda: one(other, ends) == 0)


def test_it_cleans_up_no_more_often_where_nobody_counted_the_rows(session: Session) -> None:
    session.execute("DROP TABLE a")
    session.execute("CREATE TABLE a (id bigint PRIMARY KEY, filled bigint) WITH (autovacuum_enabled = false)")
    session.execute("INSERT INTO a SELECT n FROM generate_series(1, 10000) n")
    heard = Heard()
    ran(session, FILL, heard=heard, limits=replace(PATIENT, batch_target_ms=1))
    assert 3 <= len(heard.of("vacuumed")) <= 5


def test_the_table_grows_less_than_without(session: Session) -> None:
    sizes = []
    for number, share in enumerate((0.2, 0.0), 2):
        session.execute("TRUNCATE a; INSERT INTO a SELECT n FROM generate_series(1, 10000) n; ANALYZE a")
        ran(session, FILL, migration=number, limits=replace(PATIENT, vacuum_share=share, batch_target_ms=1))
        sizes.append(one(session, "SELECT pg_relation_size('a')"))
    assert sizes[0] < 0.85 * sizes[1]


def test_it_leaves_small_tables_alone(session: Session) -> None:
    session.execute("DELETE FROM a WHERE id > 900; ANALYZE a")
    heard = Heard()
    ran(session, FILL, heard=heard)
    assert not heard.of("vacuumed")


@pytest.fixture
def clerk(where: Where, session: Session) -> Iterator[Session]:
    """A role that may change the table and does not own it."""
    role = unique("clerk")
    session.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
    session.execute(f"GRANT SELECT, UPDATE ON a TO {role}".encode())
    session.execute(f"GRANT USAGE ON SCHEMA changecontrol TO {role}".encode())
    session.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA changecontrol TO {role}".encode())
    session.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA changecontrol TO {role}".encode())
    dsn = where.dsn.replace(f"//{session.info.user}:{session.info.password}@", f"//{role}:x@")
    with connect(Where(dsn, name="staging"), application_name="CR-0001") as opened:
        yield opened
    session.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


def test_it_says_when_it_may_not(clerk: Session) -> None:
    heard = Heard()
    ran(clerk, FILL, heard=heard)
    assert len([event for event in heard.of("notice") if "may not VACUUM" in event.text]) == 1
    assert not heard.of("vacuumed") and filled(clerk) == 10000


def test_a_pause_lets_go_of_the_table(slowly: Session, other: Session) -> None:
    heard, wish = Heard(), {"pause": False}
    stop = lambda: "Enough." if heard.of("resumed") else None  # noqa: E731

    def pause_in_vacuum() -> str | None:
        if one(other, f"SELECT count(*) FROM ({RUNS}) AS x") and not heard.of("paused"):
            wish["pause"] = True
        return "Wait." if wish["pause"] else None

    limits = replace(PATIENT, batch_target_ms=1)
    with background(lambda: go(slowly, FILL, heard=heard, hold=pause_in_vacuum, stop=stop, limits=limits)) as result:
        wait_for(lambda: heard.of("paused"))
        with connect(slowly.where, application_name="user") as user, user.transaction():
            user.execute("LOCK TABLE a IN ACCESS EXCLUSIVE MODE NOWAIT")
        wish["pause"] = False
    assert (result[0].state, result[0].effect) == ("aborted", "partial")
    assert one(slowly, f"SELECT count(*) FROM ({RUNS}) AS x") == 0


@pytest.mark.parametrize("how", ["abort", "deadline"])
def test_an_end_of_the_run_ends_it_too(slowly: Session, other: Session, how: str) -> None:
    """Batches get half a share ahead of a VACUUM at most, and wait for it then."""
    heard = Heard()
    stop = lambda: "Enough." if how == "abort" and one(other, f"SELECT count(*) FROM ({RUNS}) AS x") else None  # noqa: E731
    limits = replace(PATIENT, batch_target_ms=1, deadline_s=30 if how == "abort" else 2)
    outcome = go(slowly, FILL, heard=heard, stop=stop, limits=limits)
    assert one(slowly, f"SELECT count(*) FROM ({RUNS}) AS x") == 0
    assert (outcome.state, outcome.effect) == ("aborted" if how == "abort" else "failed", "partial")
    done = filled(slowly)
    assert 2000 <= done < 10000
    if how == "deadline":
        told = [event.data["rows"] for event in heard.of("progress") if "batch" in event.data]
        assert told[-1] == done and max(b - a for a, b in pairwise(told)) < 2000
    assert ran(slowly, FILL, attempt=2, limits=replace(PATIENT, vacuum_share=0)).effect == "complete"


def test_a_killed_vacuum_is_said_and_nothing_else(slowly: Session, other: Session) -> None:
    heard = Heard()

    def kill() -> None:
        other.execute(f"SELECT pg_terminate_backend(pid) FROM ({RUNS}) AS x".encode())

    assert ran(slowly, FILL, heard=heard, stop=kill, limits=PATIENT).effect == "complete"
    assert any("VACUUM" in event.text and "did not work" in event.text for event in heard.of("notice"))
    assert filled(slowly) == 10000


def test_a_run_killed_in_a_vacuum_goes_on_behind_its_last_batch(slowly: Session, other: Session) -> None:
    heard, pid = Heard(), slowly.info.backend_pid
    killed: list[object] = []

    def kill() -> None:
        if not killed and one(other, f"SELECT count(*) FROM ({RUNS}) AS x"):
            killed.append(other.execute("SELECT pg_terminate_backend(%s)", (pid,)))

    limits = replace(PATIENT, batch_target_ms=1)
    outcome = go(slowly, FILL, heard=heard, stop=kill, limits=limits)
    assert killed and (outcome.state, outcome.effect) == ("failed", "partial")
    rows = [row.detail["rows"] for row in ledger.rows(other) if row.kind == "progress"]
    assert filled(other) == rows[-1] < 10000
    assert ran(other, FILL, attempt=2, limits=replace(PATIENT, vacuum_share=0)).effect == "complete"
    assert filled(other) == 10000
