"""How often a run speaks with its target: few messages, and the same care."""

from __future__ import annotations

import psycopg
import pytest

from changecontrol.targets import ledger, observe, wire
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Limits
from changecontrol.targets.runner import run
from tests.targets.stage import QUICK, go, one, order, ran, script


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that goes to a target, in order."""
    found: list[str] = []
    send, execute = wire.send, psycopg.Connection.execute

    def sending(session: Session, text: str, **more: object) -> object:
        found.append(text)
        return send(session, text, **more)  # type: ignore[arg-type]

    def executing(self: Session, query: object, *more: object, **words: object) -> object:
        found.append(query.decode() if isinstance(query, bytes) else str(query))
        return execute(self, query, *more, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(wire, "send", sending)
    monkeypatch.setattr(psycopg.Connection, "execute", executing)
    return found


def test_a_small_migration_costs_a_dozen_messages(session: Session, sent: list[str]) -> None:
    session.execute("CREATE TABLE readings (id int)")
    with session.twin("watch", lasting=True) as watch:
        text = script(
            "ALTER TABLE readings ADD a int;\nALTER TABLE readings ADD b int;\nCOMMENT ON TABLE readings IS 'x';"
        )
        sent.clear()
        assert run(session, script=text, order=order(text), limits=QUICK, observer=watch).state == "succeeded"
    assert len(sent) <= 14, sent


def test_a_lent_session_stays_open_and_no_other_is_opened(session: Session) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%watch'"
    with session.twin("watch", lasting=True) as watch:
        for number in (1, 2, 3):
            text = script(f"DO $$ BEGIN ASSERT ({count}) = 1; END $$;")
            outcome = run(session, script=text, order=order(text, migration=number), limits=QUICK, observer=watch)
            assert outcome.state == "succeeded", outcome
        assert not watch.closed


def test_a_script_cannot_lengthen_the_wait_of_what_comes_behind(session: Session, sent: list[str]) -> None:
    session.execute("CREATE TABLE readings (id int)")
    sent.clear()
    ran(session, "SET LOCAL lock_timeout = '1h';\nALTER TABLE readings ADD a int;\nALTER TABLE readings ADD b int;")
    texts = [text for text in sent if "ALTER TABLE" in text or "lock_timeout = 50" in text]
    assert ["SET" in text[:3] for text in texts] == [True, False, False]


def test_settings_of_a_script_end_with_its_step(session: Session) -> None:
    ran(session, "SET search_path = pg_catalog;\nSET statement_timeout = '1h';\nSELECT 1;")
    assert one(session, "SHOW search_path") == "public"
    assert one(session, "SHOW statement_timeout") == "5min"
    go(session, "SET search_path = pg_catalog;\nSELECT 1/0;", migration=3)
    assert one(session, "SHOW search_path") == "public"


def test_nobody_works_where_others_are_idle(session: Session, other: Session) -> None:
    with session.twin("watch") as watch:
        pid = session.info.backend_pid
        assert not observe.somebody_works(watch, not_pid=pid, older_s=0)
        other.execute("BEGIN")
        other.execute("SELECT 1")
        assert observe.somebody_works(watch, not_pid=pid, older_s=0)
        assert not observe.somebody_works(watch, not_pid=pid, older_s=600)
        other.execute("ROLLBACK")
        assert not observe.somebody_works(watch, not_pid=pid, older_s=0)


def test_the_row_of_an_end_is_written_also_where_it_may_be_lost(session: Session) -> None:
    limits = Limits(deadline_s=20, end_may_be_lost=True)
    assert go(session, "CREATE TABLE a (id int);", limits=limits).effect == "complete"
    assert [row.kind for row in ledger.rows(session)] == ["done", "finished"]
    assert one(session, "SHOW synchronous_commit") == "on"


def test_a_pin_brings_back_the_role(where: Where) -> None:
    with connect(where, application_name="test") as session:
        session.execute("SET ROLE pg_monitor")
        session.execute("SET standard_conforming_strings = off")
        session.pin()
        assert one(session, "SELECT current_user = session_user")
        assert one(session, "SHOW standard_conforming_strings") == "on"
