"""Killed backends and unclear commits: what is on is read from the target, never guessed."""

from __future__ import annotations

import os
import socket

import pytest

from changecontrol.targets import ledger, observe, runner, wire
from changecontrol.targets.connection import Session, TargetUnreachable
from changecontrol.targets.outcome import Event
from tests.targets.stage import QUICK, Heard, background, go, one, order, ran, script, wait_for

SLOW = "BEGIN;\nCREATE TABLE a (id int);\nSELECT pg_sleep(60);\nCOMMIT;\n"


def terminate(other: Session, pid: int) -> None:
    other.execute("SELECT pg_terminate_backend(%s)", (pid,))


def test_it_reports_a_killed_backend_and_leaves_nothing(session: Session, other: Session) -> None:
    heard, pid = Heard(), session.info.backend_pid
    assert not observe.is_gone(other, pid=pid, started=session.started)
    with background(lambda: go(session, SLOW, heard=heard)) as result:
        wait_for(lambda: heard.of("statement_done"))
        terminate(other, pid)
    assert observe.is_gone(other, pid=pid, started=session.started)
    outcome = result[0]
    assert (outcome.state, outcome.effect, outcome.steps_done) == ("failed", "none", 0)
    assert outcome.error.sqlstate == "57P01" and "ended our session" in outcome.error.sentence
    assert one(other, "SELECT to_regclass('a') IS NULL")
    assert [row.kind for row in ledger.rows(other)] == ["finished"]


def test_it_resumes_after_a_killed_backend(session: Session, other: Session) -> None:
    text = "BEGIN;\nCREATE TABLE z (id int);\nCOMMIT;\n" + SLOW.replace("pg_sleep(60)", "pg_sleep(0.5)")
    heard, pid = Heard(), session.info.backend_pid
    with background(lambda: go(session, text, heard=heard)) as result:
        wait_for(lambda: len(heard.of("statement_done")) == 2)
        terminate(other, pid)
    assert (result[0].effect, result[0].steps_done) == ("partial", 1)
    assert ran(other, text, attempt=2).effect == "complete"
    assert sorted(row.step for row in ledger.rows(other) if row.kind == "done") == [1, 2]


def test_it_tells_of_a_commit_behind_which_the_session_breaks(
    session: Session, other: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, pid, pin = Heard(), session.info.backend_pid, Session.pin

    def cut(self: Session) -> None:
        if any(row.kind == "done" for row in ledger.rows(other)):
            terminate(other, pid)
        pin(self)

    monkeypatch.setattr(Session, "pin", cut)
    outcome = go(session, "BEGIN;\nCREATE TABLE z (id int);\nCOMMIT;\n", heard=heard)
    assert outcome.effect == "complete"
    assert [event.step for event in heard.of("committed")] == [1]


def test_it_calls_the_effect_unknown_when_the_target_stays_away(
    session: Session, other: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Session:
        raise TargetUnreachable(target="staging", reason="nothing listens at its address")

    monkeypatch.setattr("changecontrol.targets.recovery._REACH_S", 0.2)
    heard, pid = Heard(), session.info.backend_pid
    with background(lambda: go(session, SLOW, heard=heard, reconnect=away)) as result:
        wait_for(lambda: heard.of("statement_done"))
        terminate(other, pid)
    assert (result[0].state, result[0].effect) == ("failed", "unknown")


@pytest.mark.parametrize("committed", [True, False])
def test_it_learns_whether_an_unanswered_commit_took_place(
    session: Session, other: Session, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """The connection breaks right behind, or right before, the server's COMMIT."""
    real, pid = wire.send, session.info.backend_pid

    def breaking(conn: Session, text: str, **rest: object) -> wire.Reply:
        if text != "COMMIT" or conn is not session:
            return real(conn, text, **rest)  # type: ignore[arg-type]
        if committed:
            real(conn, text)
        terminate(other, pid)
        return real(conn, "SELECT pg_sleep(10)")

    monkeypatch.setattr(wire, "send", breaking)
    heard = Heard()
    outcome = go(session, "CREATE TABLE a (id int);", heard=heard)
    assert outcome.state == ("succeeded" if committed else "failed"), outcome
    assert outcome.effect == ("complete" if committed else "none")
    assert one(other, "SELECT to_regclass('a') IS NOT NULL") == committed
    assert bool(heard.of("committed")) == committed


def test_it_waits_until_its_broken_session_has_ended_on_the_server(session: Session, other: Session) -> None:
    """The network is cut, the backend goes on: nothing is decided before it is gone."""
    heard = Heard()
    seen: list[int] = []

    def cut(event: Event) -> None:
        heard(event)
        if event.kind == "waiting" and not seen:
            seen.append(session.info.backend_pid)
            with socket.socket(fileno=os.dup(session.pgconn.socket)) as wires:
                wires.shutdown(socket.SHUT_RDWR)

    other.execute("CREATE TABLE locked (id int)")
    other.execute("BEGIN")
    other.execute("LOCK TABLE locked")
    text = "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO locked VALUES (1);\nCOMMIT;\n"
    of = script(text)
    try:
        outcome = runner.run(session, script=of, order=order(of), on_event=cut, limits=QUICK)
    finally:
        other.execute("ROLLBACK")
    assert (outcome.state, outcome.effect) == ("failed", "none")
    assert one(other, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {seen[0]}") == 0
