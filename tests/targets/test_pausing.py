"""A run holds between batches and between steps: no transaction, no lock on anybody's table, nothing lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changecontrol.targets.connection import Session, lock, lock_is_held
from tests.targets.stage import QUICK, Heard, background, go, one, ran, wait_for

FILL = "-- changecontrol: batch key=id size=100\nUPDATE a SET filled = id WHERE filled IS NULL;\n"
HELD = (
    "SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'relation'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.execute("CREATE TABLE a (id bigint PRIMARY KEY, filled bigint)")
    session.execute("INSERT INTO a SELECT n FROM generate_series(1, 1000) n")


def quiet(other: Session, pid: int) -> bool:
    """Whether the backend is outside a transaction and holds no lock on a relation."""
    state = other.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()
    held = other.execute(HELD, (pid,)).fetchone()
    return state == ("idle",) and held == (0,)


def test_it_pauses_between_batches_and_goes_on_where_it_was(session: Session, other: Session) -> None:
    heard, wish = Heard(), {"pause": False}

    def hold() -> str | None:
        if len(heard.of("progress")) == 2 and not heard.of("paused"):
            wish["pause"] = True
        return "The clinic is full." if wish["pause"] else None

    with lock(session, deadline=10):
        with background(lambda: ran(session, FILL, heard=heard, hold=hold)) as result:
            wait_for(lambda: heard.of("paused"))
            done = wait_for(lambda: one(other, "SELECT count(*) FROM a WHERE filled IS NOT NULL"))
            assert quiet(other, session.info.backend_pid) and 0 < done < 1000
            with other.transaction():
                other.execute("LOCK TABLE a IN ACCESS EXCLUSIVE MODE NOWAIT")
            assert one(other, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 1
            wish["pause"] = False
        assert result[0].effect == "complete" and lock_is_held(session)
    assert [event.data for event in heard.of("paused")] == [{"reason": "The clinic is full."}]
    assert heard.of("resumed")[0].data["paused_s"] >= 0
    assert one(session, "SELECT count(*) FROM a WHERE filled = id") == 1000


def test_it_pauses_between_steps(session: Session, other: Session) -> None:
    heard, wish = Heard(), {"pause": False}

    def hold() -> str | None:
        if len(heard.of("committed")) == 1 and not heard.of("paused"):
            wish["pause"] = True
        return "Theo looks." if wish["pause"] else None

    text = "BEGIN;\nALTER TABLE a ADD b int;\nCOMMIT;\nBEGIN;\nALTER TABLE a ADD c int;\nCOMMIT;\n"
    with background(lambda: ran(session, text, heard=heard, hold=hold)):
        wait_for(lambda: heard.of("paused"))
        assert quiet(other, session.info.backend_pid)
        assert [event.step for event in heard.of("step_started")] == [1]
        wish["pause"] = False
    assert [event.step for event in heard.of("committed")] == [1, 2]


def test_a_paused_run_can_be_aborted(session: Session) -> None:
    heard = Heard()
    stop = lambda: "Not today." if heard.of("paused") else None  # noqa: E731
    hold = lambda: "Wait." if heard.of("progress") else None  # noqa: E731
    outcome = go(session, FILL, heard=heard, stop=stop, hold=hold)
    assert (outcome.state, outcome.effect) == ("aborted", "partial")
    assert not heard.of("resumed")
    assert 0 < one(session, "SELECT count(*) FROM a WHERE filled IS NOT NULL") < 1000
    assert ran(session, FILL, attempt=2).effect == "complete"


def test_a_pause_ends_at_the_deadline(session: Session) -> None:
    heard = Heard()
    hold = lambda: "Wait." if heard.of("progress") else None  # noqa: E731
    outcome = go(session, FILL, heard=heard, hold=hold, limits=replace(QUICK, deadline_s=0.6))
    assert (outcome.state, outcome.effect) == ("failed", "partial")
    assert outcome.error is not None and "deadline of 0.6 s" in outcome.error.sentence
    assert ran(session, FILL, attempt=2).effect == "complete"


def test_a_backend_killed_in_a_pause_loses_nothing(session: Session, other: Session) -> None:
    heard, pid = Heard(), session.info.backend_pid
    wish = [True]
    hold = lambda: "Wait." if wish and heard.of("progress") else None  # noqa: E731
    with background(lambda: go(session, FILL, heard=heard, hold=hold)) as result:
        wait_for(lambda: heard.of("paused"))
        done = one(other, "SELECT count(*) FROM a WHERE filled IS NOT NULL")
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wish.clear()
    assert (result[0].state, result[0].effect) == ("failed", "partial")
    assert one(other, "SELECT count(*) FROM a WHERE filled IS NOT NULL") == done
    assert ran(other, FILL, attempt=2).effect == "complete"
