"""Batched steps: committed range by range, resumable behind the last key."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Limits
from tests.targets.stage import QUICK, Heard, background, go, one, ran, wait_for

FILL = "-- changecontrol: batch key=id size=100\nUPDATE a SET filled = id WHERE filled IS NULL;\n"


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.execute("CREATE TABLE a (id bigint PRIMARY KEY, filled bigint, times int DEFAULT 0)")
    session.execute("INSERT INTO a SELECT n * 3, NULL FROM generate_series(1, 1000) n")


def progress(conn: Session) -> list[dict[str, Any]]:
    return [row.detail for row in ledger.rows(conn) if row.kind == "progress"]


def test_it_commits_each_batch_with_its_cursor(session: Session) -> None:
    heard = Heard()
    assert ran(session, FILL, heard=heard).effect == "complete"
    assert one(session, "SELECT count(*) FROM a WHERE filled = id") == 1000
    rows = [row for row in ledger.rows(session) if row.kind == "progress"]
    assert rows[-1].detail["rows"] == 1000 and rows[-1].detail["key"] == "3000"
    assert all(int(a.detail["key"]) < int(b.detail["key"]) for a, b in pairwise(rows))
    assert len({row.xid for row in rows}) == len(rows) > 2
    assert one(session, "SELECT count(DISTINCT xmin::text) FROM a") == len(rows)
    told = heard.of("progress")[-1].data
    assert (told["rows"], told["total"], told["key"], told["eta_s"]) == (1000, 1000, "3000", 0.0)


def test_it_resumes_behind_the_last_key_after_a_killed_backend(session: Session, other: Session) -> None:
    session.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.times := OLD.times + 1; PERFORM pg_sleep(0.0005); RETURN NEW; END $$"
    )
    session.execute("CREATE TRIGGER slow BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION slow()")
    heard, pid = Heard(), session.info.backend_pid
    with background(lambda: go(session, FILL, heard=heard)) as result:
        wait_for(lambda: len(heard.of("progress")) >= 2)
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    assert (result[0].state, result[0].effect) == ("failed", "partial")
    before = progress(other)
    assert one(other, "SELECT count(*) FROM a WHERE filled IS NOT NULL") == before[-1]["rows"]
    heard = Heard()
    assert ran(other, FILL, heard=heard, attempt=2).effect == "complete"
    assert heard.of("progress")[0].text == f"Resuming behind key {before[-1]['key']}."
    assert one(other, "SELECT count(*) FROM a WHERE times = 1") == 1000
    assert progress(other)[-1]["rows"] == 1000


def test_it_keeps_committed_batches_when_aborted(session: Session) -> None:
    heard = Heard()
    outcome = go(session, FILL, heard=heard, stop=lambda: "enough" if len(heard.of("progress")) >= 2 else None)
    assert (outcome.state, outcome.effect) == ("aborted", "partial")
    assert one(session, "SELECT count(*) FROM a WHERE filled IS NOT NULL") == progress(session)[-1]["rows"] > 0
    assert ran(session, FILL, attempt=2).effect == "complete"


def test_it_stops_between_batches_at_the_deadline(session: Session) -> None:
    session.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$"
    )
    session.execute("CREATE TRIGGER slow BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION slow()")
    outcome = go(session, FILL, limits=replace(QUICK, deadline_s=0.6))
    assert (outcome.state, outcome.effect) == ("failed", "partial")
    assert outcome.error is not None and "deadline of 0.6 s" in outcome.error.sentence
    session.execute("DROP TRIGGER slow ON a")
    assert ran(session, FILL, attempt=2).effect == "complete"


def test_it_adapts_the_size_to_the_time_a_batch_takes(session: Session) -> None:
    ran(session, FILL, limits=Limits(batch_target_ms=10_000, deadline_s=20))
    sizes = [detail["size"] for detail in progress(session)]
    assert sizes[:3] == [100, 150, 225]


def test_it_halves_and_retries_a_batch_whose_rows_are_locked(session: Session, other: Session) -> None:
    heard = Heard()
    other.execute("BEGIN")
    other.execute("UPDATE a SET times = 9 WHERE id = 600")
    limits = Limits(dml_lock_ms=100, pause_ms=20, deadline_s=20)
    with background(lambda: ran(session, FILL, heard=heard, limits=limits)) as result:
        wait_for(lambda: len(heard.of("retry")) >= 2)
        other.execute("COMMIT")
    assert result[0].effect == "complete"
    assert one(session, "SELECT count(*) FROM a WHERE filled = id") == 1000


def test_it_refuses_to_call_swallowed_updates_done(session: Session) -> None:
    """The strategy document's own table: a rule turns every UPDATE into nothing, without an error."""
    session.execute("CREATE RULE keep AS ON UPDATE TO a DO INSTEAD NOTHING")
    outcome = go(session, FILL.replace("size=100", "size=100 expect>0"))
    assert (outcome.state, outcome.effect) == ("failed", "none")
    assert outcome.error is not None
    assert "100 rows of a up to key 300 match the WHERE, but the batch changed none" in outcome.error.sentence
    outcome = go(session, FILL, attempt=2)
    assert outcome.state == "failed" and outcome.error is not None
    assert "1000 rows of a still match the WHERE after 1 passes" in outcome.error.sentence


def test_it_accepts_empty_ranges_where_rows_are_expected(session: Session) -> None:
    session.execute("UPDATE a SET filled = id WHERE id BETWEEN 300 AND 2100")
    assert ran(session, FILL.replace("size=100", "size=100 expect>0")).effect == "complete"
    assert one(session, "SELECT count(*) FROM a WHERE filled IS NULL") == 0


def test_it_takes_a_second_pass_for_rows_that_came_behind_it(session: Session, other: Session) -> None:
    heard, done = Heard(), []

    def insert_behind() -> None:
        if len(heard.of("progress")) == 3 and not done:
            done.append(other.execute("INSERT INTO a (id) VALUES (1), (2)"))

    assert ran(session, FILL, heard=heard, stop=insert_behind).effect == "complete"
    assert one(session, "SELECT count(*) FROM a WHERE filled IS NULL") == 0
    assert progress(session)[-1]["pass"] == 2


def test_it_changes_each_row_once_where_the_where_cannot_tell(session: Session) -> None:
    heard = Heard()
    text = "-- changecontrol: batch key=id size=100\nUPDATE a SET times = times + 1 WHERE times < 50;\n"
    assert ran(session, text, heard=heard).effect == "complete"
    assert one(session, "SELECT count(*) FROM a WHERE times = 1") == 1000
    assert any("every row was changed once" in event.text for event in heard.of("notice"))


def test_it_deletes_and_copies_in_batches(session: Session) -> None:
    session.execute("CREATE TABLE copy (id bigint)")
    ran(
        session,
        "-- changecontrol: batch key=a.id size=100\nINSERT INTO copy SELECT a.id FROM a WHERE a.id > 1500;\n"
        "-- changecontrol: batch key=id size=100\nDELETE FROM a WHERE id > 1500;\n",
    )
    assert (one(session, "SELECT count(*) FROM copy"), one(session, "SELECT count(*) FROM a")) == (500, 500)


def test_it_walks_keys_of_other_types(session: Session) -> None:
    session.execute(
        "CREATE TABLE u (k uuid DEFAULT gen_random_uuid() PRIMARY KEY, at timestamptz DEFAULT now(), n int)"
    )
    session.execute("INSERT INTO u (at) SELECT now() + n * interval '1 microsecond' FROM generate_series(1, 500) n")
    ran(session, "-- changecontrol: batch key=k size=50\nUPDATE u SET n = 1 WHERE n IS NULL;\n")
    ran(session, "-- changecontrol: batch key=at size=50\nUPDATE u SET n = 2 WHERE n = 1;\n", migration=3)
    assert one(session, "SELECT count(*) FROM u WHERE n = 2") == 500


def test_it_finishes_at_once_when_nothing_is_to_do(session: Session) -> None:
    session.execute("TRUNCATE a")
    assert ran(session, FILL).effect == "complete"
    assert progress(session) == []
