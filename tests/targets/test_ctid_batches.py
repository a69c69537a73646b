"""Batches along the places of rows: for tables without a usable key, with a last pass for what moved."""

from __future__ import annotations

import pytest

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where
from changecontrol.targets.outcome import Limits
from tests.targets.stage import QUICK, Heard, background, go, one, ran, registered, wait_for

FILL = "-- changecontrol: batch key=ctid size=400\nUPDATE a SET filled = n WHERE filled IS NULL;\n"
BARE = FILL.replace("key=ctid ", "")


@pytest.fixture(autouse=True)
def table(session: Session) -> None:
    session.execute("CREATE TABLE a (n int, filled int, filler text DEFAULT repeat('x', 100))")
    session.execute("INSERT INTO a SELECT n FROM generate_series(1, 5000) n")


@pytest.mark.parametrize("text", [FILL, BARE])
def test_it_changes_every_row_without_a_key(session: Session, text: str) -> None:
    assert ran(session, text).effect == "complete"
    assert one(session, "SELECT count(*) FROM a WHERE filled = n") == 5000
    rows = [row.detail for row in ledger.rows(session) if row.kind == "progress"]
    assert len(rows) > 3 and rows[0]["key"].endswith(",65535)") and rows[-1]["rows"] == 5000


def test_each_range_reads_its_own_blocks_only(session: Session) -> None:
    heard = Heard()
    session.execute("SELECT pg_stat_force_next_flush()")
    before = one(session, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'a'")
    ran(session, FILL, heard=heard, limits=Limits(deadline_s=20, vacuum_share=0))
    session.execute("SELECT pg_stat_force_next_flush()")
    read = wait_for(
        lambda: one(session, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'a'") - before or None
    )
    # counts at the beginning and the end, and the trial whether the WHERE tells what is done: and each row once
    assert read <= 6 * 5000


def test_a_last_pass_takes_the_rows_that_moved(session: Session, other: Session) -> None:
    """A user changes rows ahead of the batches: their new versions lie behind the last block of the pass."""
    heard, done = Heard(), list[object]()

    def move() -> None:
        if len(heard.of("progress")) == 1 and not done:
            done.append(other.execute("UPDATE a SET filler = repeat('y', 150) WHERE n > 4000"))

    assert ran(session, FILL, heard=heard, stop=move, limits=Limits(deadline_s=20, vacuum_share=0)).effect == "complete"
    assert one(session, "SELECT count(*) FROM a WHERE filled = n") == 5000
    assert any("rows came to match meanwhile: one more pass" in event.text for event in heard.of("progress"))
    last = [row.detail for row in ledger.rows(session) if row.kind == "progress"][-1]
    assert (last["pass"], last["sweep"], last["key"]) == (2, True, "(4294967295,65535)") and last["changed"] > 0


def test_it_resumes_in_the_middle_of_a_pass(session: Session) -> None:
    heard = Heard()
    stop = lambda: "enough" if len(heard.of("progress")) == 2 else None  # noqa: E731
    outcome = go(session, FILL, heard=heard, stop=stop)
    assert (outcome.state, outcome.effect) == ("aborted", "partial")
    key = [row.detail for row in ledger.rows(session) if row.kind == "progress"][-1]["key"]
    heard = Heard()
    assert ran(session, FILL, heard=heard, attempt=2).effect == "complete"
    assert heard.of("progress")[0].text == f"Resuming behind key {key}."
    assert one(session, "SELECT count(*) FROM a WHERE filled = n") == 5000


def test_it_refuses_a_where_that_cannot_tell_what_is_done(session: Session) -> None:
    outcome = go(session, "-- changecontrol: batch size=400\nUPDATE a SET n = n + 1 WHERE n > 0;\n")
    assert (outcome.state, outcome.effect) == ("failed", "none")
    assert outcome.error is not None and "would change it twice" in outcome.error.sentence
    assert one(session, "SELECT max(n) FROM a") == 5000


def test_it_deletes_and_walks_partitions(session: Session) -> None:
    session.execute("CREATE TABLE p (n int, filled int) PARTITION BY HASH (n)")
    for number in range(3):
        session.execute(
            f"CREATE TABLE p{number} PARTITION OF p FOR VALUES WITH (MODULUS 3, REMAINDER {number})".encode()
        )
    session.execute("INSERT INTO p SELECT n FROM generate_series(1, 5000) n")
    ran(session, FILL.replace("UPDATE a", "UPDATE p"))
    assert one(session, "SELECT count(*) FROM p WHERE filled = n") == 5000
    ran(session, "-- changecontrol: batch key=ctid size=400\nDELETE FROM a WHERE n > 100;\n", migration=3)
    assert one(session, "SELECT count(*) FROM a") == 100


def test_it_rests_as_long_as_the_author_wishes(session: Session) -> None:
    text = FILL.replace("size=400", "size=400 duty=20")
    heard = Heard()
    ran(session, text, heard=heard, limits=Limits(deadline_s=20, vacuum_share=0))
    told = [event for event in heard.of("progress") if "batch" in event.data]
    worked = sum(event.data["ms"] for event in told)
    assert heard.of("statement_done")[-1].data["ms"] >= worked * 4


def test_it_works_on_the_older_server_too(older: Where) -> None:
    with registered(older) as session:
        session.execute("CREATE TABLE a (n int, filled int)")
        session.execute("INSERT INTO a SELECT n FROM generate_series(1, 3000) n")
        assert ran(session, FILL, limits=QUICK).effect == "complete"
        assert one(session, "SELECT count(*) FROM a WHERE filled = n") == 3000


def test_a_key_without_an_index_is_said(session: Session) -> None:
    heard = Heard()
    ran(session, FILL.replace("key=ctid", "key=n"), heard=heard)
    assert any("No index of a begins with n" in event.text for event in heard.of("notice"))
    session.execute("CREATE INDEX ON a (n)")
    heard = Heard()
    ran(session, FILL.replace("key=ctid", "key=n").replace("NULL", "NOT NULL"), migration=3, heard=heard)
    assert not any("No index" in event.text for event in heard.of("notice"))


def test_a_killed_backend_loses_nothing(session: Session, other: Session) -> None:
    session.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.0005);"
        " RETURN NEW; END $$; CREATE TRIGGER slow BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    heard, pid = Heard(), session.info.backend_pid
    with background(lambda: go(session, FILL, heard=heard)) as result:
        wait_for(lambda: len(heard.of("progress")) >= 2)
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    assert (result[0].state, result[0].effect) == ("failed", "partial")
    last = [row.detail for row in ledger.rows(other) if row.kind == "progress"][-1]
    assert one(other, "SELECT count(*) FROM a WHERE filled = n") == last["rows"]
    other.execute("DROP TRIGGER slow ON a")
    assert ran(other, FILL, attempt=2).effect == "complete"
    assert one(other, "SELECT count(*) FROM a WHERE filled = n") == 5000
