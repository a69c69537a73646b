"""Data digests depend on the data and on nothing else."""

from __future__ import annotations

import pytest

from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.snapshot import RowsHidden, data, lost, sequences
from tests.targets.stage import unique


@pytest.fixture(autouse=True)
def tables(session: Session) -> None:
    session.execute(
        b"CREATE TABLE a (id int, at timestamptz, f float8, b bytea, i interval, note text);"
        b"INSERT INTO a SELECT n, '2024-06-01 12:00+00'::timestamptz + n * interval '1 hour', n / 3.0,"
        b" decode(lpad(to_hex(n), 4, '0'), 'hex'), n * interval '1 day 2 hours', 'note ' || n"
        b" FROM generate_series(1, 50) n"
    )


def test_it_does_not_depend_on_settings_or_order(session: Session) -> None:
    before = data(session, by_column=True)
    session.execute("CREATE TABLE c AS SELECT * FROM a ORDER BY random()")
    session.execute("DROP TABLE a; ALTER TABLE c RENAME TO a; ALTER TABLE a DROP note")
    session.execute("ALTER TABLE a ADD note text; UPDATE a SET note = 'note ' || id")
    for setting in (
        "TimeZone = 'America/New_York'",
        "DateStyle = 'German'",
        "IntervalStyle = 'iso_8601'",
        "extra_float_digits = -5",
        "bytea_output = 'escape'",
    ):
        session.execute(f"SET {setting}".encode())
    assert data(session, by_column=True) == before
    assert before["public.a"].rows == 50


def test_it_tells_null_from_empty_and_values_from_their_place(session: Session) -> None:
    session.execute("CREATE TABLE x (p text, q text)")
    seen = set()
    for p, q in (("", None), (None, ""), ("a", "b"), ("b", "a"), ("a,b", None), ("ab", ""), ('"', None)):
        session.execute("TRUNCATE x")
        session.execute("INSERT INTO x VALUES (%s, %s)", (p, q))
        seen.add(data(session)["public.x"].digest)
    assert len(seen) == 7


def test_it_counts_equal_rows(session: Session) -> None:
    before = data(session)["public.a"]
    session.execute("INSERT INTO a SELECT * FROM a")
    after = data(session)["public.a"]
    assert after.rows == 100 and after.digest != before.digest


def test_it_says_what_is_lost(session: Session) -> None:
    before = data(session, by_column=True)
    session.execute("DELETE FROM a WHERE id <= 3")
    assert lost(before, data(session, by_column=True)) == ("Table public.a lost 3 rows of 50.",)


def test_it_says_which_column_is_lost_and_which_is_not(session: Session) -> None:
    session.execute("UPDATE a SET note = NULL WHERE id > 10")
    before = data(session, by_column=True)
    session.execute("ALTER TABLE a DROP note; ALTER TABLE a ADD more text DEFAULT 'x'; UPDATE a SET f = 1 WHERE id = 1")
    assert lost(before, data(session, by_column=True)) == (
        "Column f of public.a holds other values than before.",
        "Column note of public.a is gone with its 10 values.",
    )


def test_it_loses_nothing_with_an_empty_column_or_table(session: Session) -> None:
    session.execute("ALTER TABLE a ADD unused text; CREATE TABLE unused (id int)")
    before = data(session, by_column=True)
    session.execute("ALTER TABLE a DROP unused; DROP TABLE unused")
    assert lost(before, data(session, by_column=True)) == ()


def test_it_names_a_lost_table_and_swapped_rows(session: Session) -> None:
    before = data(session)
    session.execute("UPDATE a SET note = 'other' WHERE id = 1")
    assert lost(before, data(session)) == ("Table public.a holds other rows than before.",)
    session.execute("DROP TABLE a")
    assert lost(before, data(session)) == ("Table public.a is gone with 50 rows.",)


def test_it_keeps_sequences_apart(session: Session) -> None:
    session.execute("CREATE SEQUENCE s")
    assert sequences(session)["public.s"] is None
    session.execute("SELECT nextval('s')")
    assert sequences(session)["public.s"] == 1


def test_it_refuses_to_digest_rows_it_cannot_see(session: Session, where: Where) -> None:
    role = unique("blind")
    session.execute(f"CREATE ROLE {role}".encode())
    session.execute(b"ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON a USING (id = 1)")
    session.execute(f"GRANT SELECT ON a TO {role}; GRANT USAGE ON SCHEMA public TO {role}".encode())
    blind = Where(where.dsn, set_role=role)
    with (
        connect(blind, application_name="x") as opened,
        pytest.raises(RowsHidden, match=r"public\.a cannot all be read"),
    ):
        data(opened)
    session.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
