"""Keys that are odd: without a value, without an end, of every type; and sources that grow meanwhile."""

from __future__ import annotations

import pytest

from changecontrol.targets.connection import Session, Where
from tests.targets import stage
from tests.targets.stage import Heard, go, one, ran

TYPES = {
    "int": "(n - 150) * 7",
    "numeric": "CASE n WHEN 1 THEN 'NaN' ELSE (n - 150) / 7.0 END::numeric",
    "double precision": "CASE n WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity' ELSE n / 7.0 END",
    "timestamptz": "CASE n WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' ELSE now() + n * interval '1 us' END",
    "date": "CASE n WHEN 1 THEN 'infinity' ELSE date '0044-03-15 BC' + n END",
    "interval": "(n - 150) * interval '1 hour 1 us'",
    "text": "CASE n WHEN 1 THEN '' ELSE E'ä\\\\''\\n' || md5(n::text) END",
    "char(40)": "md5(n::text)",
    "bytea": "decode(md5(n::text), 'hex')",
    "uuid": "md5(n::text)::uuid",
    "inet": "'10.0.0.0'::inet + n",
    "int[]": "ARRAY[n % 3, n]",
    "jsonb": "jsonb_build_object('a', n)",
    "boolean": "n % 2 = 0",
}


@pytest.mark.parametrize("type_", TYPES)
def test_every_row_is_changed_once_whatever_the_key_is(session: Session, type_: str) -> None:
    session.execute(f"CREATE TABLE k (key {type_} NOT NULL, n int, times int NOT NULL DEFAULT 0)".encode())
    session.execute(f"INSERT INTO k SELECT ({TYPES[type_]})::{type_}, n FROM generate_series(1, 300) n".encode())
    session.execute("CREATE INDEX ON k (key)")
    ran(session, "-- changecontrol: batch key=key size=20 expect>0\nUPDATE k SET times = times + 1 WHERE times < 9;\n")
    assert one(session, "SELECT count(*) FROM k WHERE times = 1") == 300


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE k SET times = times + 1 WHERE times < 9;",
        "UPDATE k SET times = 1 WHERE times = 0;",
        "INSERT INTO copy SELECT n FROM k WHERE n > 0;",
        "DELETE FROM k WHERE n > 0;",
    ],
)
def test_rows_without_a_key_are_said_before_anything_changes(session: Session, statement: str) -> None:
    session.execute("CREATE TABLE copy (n int)")
    session.execute("CREATE TABLE k (key int UNIQUE, n int, times int DEFAULT 0)")
    session.execute("INSERT INTO k SELECT NULLIF(n % 10, 0) * 1000 + n, n FROM generate_series(1, 300) n")
    outcome = go(session, f"-- changecontrol: batch key=key size=20\n{statement}\n")
    assert (outcome.state, outcome.effect) == ("failed", "none") and outcome.error is not None
    assert "30 rows of k that match the WHERE have no key" in outcome.error.sentence
    session.execute("DELETE FROM k WHERE key IS NULL")
    assert ran(session, f"-- changecontrol: batch key=key size=20\n{statement}\n", attempt=2).effect == "complete"


def test_a_copy_takes_what_came_behind_it(session: Session, other: Session) -> None:
    """New rows have random keys: half of those that come meanwhile lie behind the walk."""
    session.execute("CREATE TABLE k (key int PRIMARY KEY)")
    session.execute("CREATE TABLE copy (key int PRIMARY KEY)")
    session.execute("INSERT INTO k SELECT n * 10 FROM generate_series(1, 500) n")
    heard, done = Heard(), []

    def insert_behind() -> None:
        if heard.of("progress") and not done:
            done.append(other.execute("INSERT INTO k VALUES (5), (7)"))

    text = """-- changecontrol: batch key=k.key size=100 expect>0
INSERT INTO copy SELECT key FROM k WHERE NOT EXISTS (SELECT FROM copy AS c WHERE c.key = k.key);
"""
    assert ran(session, text, heard=heard, stop=insert_behind).effect == "complete"
    assert one(session, "SELECT count(*) FROM copy") == 502


def test_a_copy_whose_where_cannot_tell_copies_once(session: Session) -> None:
    session.execute("CREATE TABLE k (key int PRIMARY KEY)")
    session.execute("CREATE TABLE copy (key int)")
    session.execute("INSERT INTO k SELECT n FROM generate_series(1, 500) n")
    ran(session, "-- changecontrol: batch key=key size=100\nINSERT INTO copy SELECT key FROM k WHERE key > 0;\n")
    assert one(session, "SELECT count(*) FROM copy") == 500


def test_rows_that_a_trigger_keeps_back_are_counted_where_the_where_cannot_tell(session: Session) -> None:
    session.execute("CREATE TABLE k (key int PRIMARY KEY, n int DEFAULT 0)")
    session.execute("INSERT INTO k SELECT n FROM generate_series(1, 100) n")
    session.execute(
        "CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN CASE WHEN NEW.key % 2 = 0 THEN NEW END; END $$"
    )
    session.execute("CREATE TRIGGER half BEFORE UPDATE ON k FOR EACH ROW EXECUTE FUNCTION half()")
    heard = Heard()
    ran(session, "-- changecontrol: batch key=key size=20 expect>0\nUPDATE k SET n = n + 1 WHERE n < 9;\n", heard=heard)
    assert any("50 were changed, 100 match now" in event.text for event in heard.of("notice"))


def test_it_says_that_a_conflict_leaves_rows_out(session: Session) -> None:
    session.execute("CREATE TABLE k (key int PRIMARY KEY)")
    session.execute("CREATE TABLE copy (key int PRIMARY KEY)")
    session.execute("INSERT INTO k VALUES (1)")
    session.execute("INSERT INTO copy VALUES (1)")
    copy = "INSERT INTO copy SELECT key FROM k WHERE key > 0 ON CONFLICT DO NOTHING;\n"
    outcome = go(session, f"-- changecontrol: batch key=key size=20 expect>0\n{copy}")
    assert outcome.error is not None and "ON CONFLICT, or a rule or trigger" in outcome.error.sentence
    assert ran(session, f"-- changecontrol: batch key=key size=20\n{copy}", attempt=2).effect == "complete"


def test_it_walks_a_partitioned_table_and_its_joins_on_the_older_server(older: Where) -> None:
    with stage.registered(older) as session:
        session.execute("CREATE TABLE k (key int, part int, n int, PRIMARY KEY (key, part)) PARTITION BY LIST (part)")
        session.execute("CREATE TABLE k1 PARTITION OF k FOR VALUES IN (1)")
        session.execute("CREATE TABLE k2 PARTITION OF k DEFAULT")
        session.execute("CREATE TABLE other (key int PRIMARY KEY, n int)")
        session.execute("INSERT INTO k SELECT n, n % 3 FROM generate_series(1, 600) n")
        session.execute("INSERT INTO other SELECT n, n FROM generate_series(1, 600) n")
        ran(
            session,
            "-- changecontrol: batch key=t.key size=50 expect>0\n"
            "UPDATE k AS t SET n = o.n, part = 1 FROM other AS o WHERE o.key = t.key AND t.n IS NULL;\n"
            "-- changecontrol: batch key=key size=50\n"
            "DELETE FROM other USING k WHERE k.key = other.key AND k.n > 100;\n",
        )
        assert one(session, "SELECT count(*) FROM k1 WHERE n = key") == 600
        assert one(session, "SELECT count(*) FROM other") == 100
