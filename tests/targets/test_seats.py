"""What one rehearsal leaves to the next one on the same copy, and what it must not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from changecontrol.targets.connection import Where
from changecontrol.targets.seats import Seats
from tests.targets.stage import one, script


@pytest.fixture
def seats(where: Where) -> Iterator[Seats]:
    with closing(Seats(where)) as made:
        yield made


def test_the_next_one_takes_over_the_sessions(seats: Seats) -> None:
    session, eye = seats.work(), seats.eye()
    seats.hand_on([script("CREATE TABLE a (id int);")])
    assert seats.work() is session and seats.eye() is eye


def test_what_belongs_to_a_session_is_thrown_away(seats: Seats) -> None:
    text = "CREATE TEMP TABLE mine (id int); SET work_mem = '1MB'; SELECT pg_advisory_lock(7);"
    session = seats.work()
    session.execute(text.encode())
    session.execute("CREATE SEQUENCE numbers")
    session.execute("SELECT nextval('numbers')")
    seats.hand_on([script(text)])
    assert seats.work() is session
    assert one(session, "SELECT to_regclass('mine')") is None
    assert one(session, "SHOW work_mem") != "1MB"
    assert one(session, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == 0
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        session.execute("SELECT currval('numbers')")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT set_config('app.person', 'Ada', false);",
        "SET app.person = 'Ada';",
        'SET LOCAL "app"."person" = \'Ada\';',
        "DO $$ BEGIN SET SESSION app.person = 'Ada'; END $$;",
        "ALTER ROLE CURRENT_USER SET work_mem = '1MB';",
        "CREATE EVENT TRIGGER hello ON login EXECUTE FUNCTION hello();",
        "DO $x$ BEGIN EXECUTE $$LOAD 'plpgsql'$$; END $x$;",
        "DO $x$ BEGIN EXECUTE $$PREPARE mine AS SELECT 1$$; END $x$;",
    ],
)
def test_what_stays_with_a_session_ends_it_and_all_that_come_after(seats: Seats, text: str) -> None:
    session = seats.work()
    seats.hand_on([None, script(text)])
    assert session.closed
    later = seats.work()
    seats.hand_on([script("SELECT 1;")])  # a trigger of then may set the setting now
    assert later.closed


def test_the_eye_sees_what_the_other_session_committed_at_once(seats: Seats) -> None:
    session = seats.work()
    for number in range(8):  # often enough for its plans to be remembered
        session.execute(f"CREATE TABLE t{number} (id int)".encode())
        assert one(seats.eye(), "SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]'") == number + 1
