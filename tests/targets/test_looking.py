"""Looking first: who is in the way of a strong lock, by mode, wherever the statement reaches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import psycopg
import pytest

from changecontrol.rules.lock_needs import needs
from changecontrol.rules.observed import STRENGTH
from changecontrol.targets import ledger, observe
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Limits
from tests.targets.stage import TARGET_UUID, Heard, background, go, one, ran, unique, wait_for

PATIENT = Limits(deadline_s=20, pause_ms=20)
HOUSE = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE a (id int PRIMARY KEY, p_id int REFERENCES p, n serial, t text);
CREATE TABLE far (id int PRIMARY KEY, a_id int REFERENCES a);
CREATE INDEX a_t ON a (t);
CREATE VIEW v AS SELECT id FROM a;
CREATE VIEW w AS SELECT id FROM v;
CREATE MATERIALIZED VIEW m AS SELECT 1 AS x;
CREATE TABLE parts (id int, k text) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE rest PARTITION OF parts DEFAULT;
CREATE TABLE loose (id int, k text);
CREATE SEQUENCE s;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER trig BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();
CREATE POLICY pol ON a;
CREATE TABLE "Odd name" (id int);
"""
STATEMENTS = [
    "ALTER TABLE a ADD b int",
    'ALTER TABLE "Odd name" ADD b int',
    "ALTER TABLE a ALTER t TYPE varchar(10)",
    "ALTER TABLE a ALTER p_id TYPE bigint",
    "ALTER TABLE a DROP COLUMN p_id",
    "ALTER TABLE a DROP COLUMN n",
    "ALTER TABLE a DROP CONSTRAINT a_p_id_fkey",
    "ALTER TABLE a DROP CONSTRAINT a_pkey CASCADE",
    "ALTER TABLE loose ADD FOREIGN KEY (id) REFERENCES p",
    "ALTER TABLE loose ADD p_id int REFERENCES p",
    "ALTER TABLE loose ADD FOREIGN KEY (id) REFERENCES p NOT VALID",
    "ALTER TABLE a DISABLE TRIGGER trig",
    "ALTER TABLE a ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE a RENAME COLUMN t TO u",
    "ALTER TABLE a RENAME TO b",
    "ALTER TABLE a SET SCHEMA changecontrol",
    "ALTER TABLE a OWNER TO CURRENT_USER",
    "ALTER TABLE loose SET UNLOGGED",
    "ALTER TABLE parts ADD b int",
    "ALTER TABLE parts ATTACH PARTITION loose FOR VALUES FROM (10) TO (20)",
    "ALTER TABLE parts DETACH PARTITION part1",
    "CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE child (id int REFERENCES p)",
    "CREATE INDEX ON a (p_id)",
    "CREATE INDEX ON parts (id)",
    "CREATE TRIGGER tt BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE POLICY more ON a",
    "ALTER POLICY pol ON a USING (true)",
    "DROP POLICY pol ON a",
    "CREATE RULE r AS ON UPDATE TO a DO INSTEAD NOTHING",
    "CREATE OR REPLACE VIEW v AS SELECT id, 1 AS x FROM a",
    "DROP TRIGGER trig ON a",
    "DROP TABLE a CASCADE",
    "DROP TABLE far",
    "DROP TABLE parts",
    "DROP TABLE part1",
    "DROP INDEX a_t",
    "DROP VIEW v CASCADE",
    "DROP MATERIALIZED VIEW m",
    "DROP SEQUENCE s",
    "TRUNCATE a CASCADE",
    "TRUNCATE parts",
    "REINDEX TABLE a",
    "REINDEX INDEX a_t",
    "REFRESH MATERIALIZED VIEW m",
    "CLUSTER a USING a_pkey",
    "LOCK TABLE parts IN SHARE ROW EXCLUSIVE MODE",
    "ALTER SEQUENCE s RESTART",
]
TAKEN = """
SELECT DISTINCT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND granted AND relation = ANY (%s::oid[])
  AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""
HERE = "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
WAITING = f"SELECT count(*) FROM pg_locks WHERE NOT granted {HERE}"


@pytest.fixture
def house(session: Session) -> Session:
    session.execute(HOUSE)
    return session


def overlooked(session: Session, there: list[int], statement: str) -> list[str]:
    """The strong locks the server takes on what was there, and that are not looked for."""
    looked_for = observe.conflicts(session, needs(statement))
    wanted = set(zip(looked_for.oids, looked_for.modes, strict=True))
    session.execute("BEGIN")
    session.execute(statement.encode())
    taken = session.execute(TAKEN, (there,)).fetchall()
    session.execute("ROLLBACK")
    if not taken and "INDEX a_t" not in statement:
        return [f"{statement}: takes no strong lock"]
    # a writer stands in the way of each of these; a reader only of ACCESS EXCLUSIVE
    return [
        f"{statement}: {mode} on {one(session, f'SELECT {oid}::regclass::text')}"
        for oid, mode in taken
        for held in ("RowExclusiveLock", "AccessShareLock" if mode == "AccessExclusiveLock" else "RowExclusiveLock")
        if (oid, held) not in wanted
    ]


def test_it_looks_for_whatever_the_server_locks(house: Session) -> None:
    there = one(
        house,
        "SELECT array_agg(c.oid::int) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = 'public' AND relkind NOT IN ('i', 'I')",  # who uses an index holds its table as well
    )
    assert [found for statement in STATEMENTS for found in overlooked(house, there, statement)] == []


def test_modes_that_do_not_conflict_are_not_looked_for() -> None:
    share = needs("CREATE INDEX ON a (id)")[0]
    assert "AccessShareLock" not in share.conflicts and "ShareLock" not in share.conflicts
    assert "RowExclusiveLock" in share.conflicts
    assert set(STRENGTH) and len(needs("ALTER TABLE a ADD b int")[0].conflicts) == 8
    assert needs("DO $$ BEGIN DROP TABLE a; END $$") == ()


def grown_old(other: Session) -> None:
    """Return once the transaction is older than those that the look lets pass."""
    wait_for(lambda: one(other, "SELECT clock_timestamp() - transaction_timestamp() > '50 ms'"))


def test_it_waits_without_a_try_while_an_old_reader_is_there(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("SELECT * FROM readings")
    grown_old(other)
    with background(lambda: ran(session, "ALTER TABLE readings ADD b int;", heard=heard, limits=PATIENT)) as result:
        wait_for(lambda: heard.of("waiting"))
        assert "started" not in heard.kinds and one(other, WAITING) == 0
        other.execute("COMMIT")
    assert result[0].effect == "complete" and not heard.of("retry")
    assert heard.of("waiting")[0].data["mode"] == "AccessShareLock"


def test_a_reader_is_not_in_the_way_of_an_index(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    with other.transaction():
        other.execute("SELECT * FROM readings")
        wait_for(lambda: one(session, "SELECT now() - min(xact_start) > '50 ms' FROM pg_stat_activity"))
        assert ran(session, "CREATE INDEX ON readings (id);", heard=heard, limits=PATIENT).effect == "complete"
    assert not heard.of("waiting") and not heard.of("retry")


@pytest.mark.parametrize(
    ("held", "statement"),
    [
        ("SELECT * FROM p", "ALTER TABLE a DROP CONSTRAINT a_p_id_fkey;"),
        ("SELECT * FROM part1", "ALTER TABLE parts ADD b int;"),
        ("SELECT * FROM a_n_seq", "DROP TABLE a CASCADE;"),
        ("UPDATE p SET id = 1", "ALTER TABLE loose ADD FOREIGN KEY (id) REFERENCES p;"),
        ("SELECT * FROM rest", "CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20);"),
        ("SELECT * FROM w", "DROP TABLE a CASCADE;"),
    ],
)
def test_it_waits_for_holders_of_what_it_only_reaches(
    house: Session, other: Session, held: str, statement: str
) -> None:
    heard = Heard()
    other.execute("BEGIN")
    other.execute(held.encode())
    grown_old(other)
    with background(lambda: ran(house, statement, heard=heard, limits=PATIENT)):
        wait_for(lambda: heard.of("waiting"))
        assert one(other, WAITING) == 0
        other.execute("ROLLBACK")
    assert not heard.of("retry")


def test_it_looks_for_all_tables_of_a_step_before_it_starts(house: Session, other: Session) -> None:
    """While the second table is in use, the first one must not be locked either."""
    heard = Heard()
    other.execute("BEGIN")
    other.execute("SELECT * FROM p")
    grown_old(other)
    text = "BEGIN;\nALTER TABLE loose ADD b int;\nALTER TABLE p ADD b int;\nCOMMIT;\n"
    with background(lambda: ran(house, text, heard=heard, limits=PATIENT)):
        wait_for(lambda: heard.of("waiting"))
        assert one(other, f"SELECT count(*) FROM pg_locks WHERE relation = 'loose'::regclass {HERE}") == 0
        other.execute("COMMIT")
    assert not heard.of("retry") and len(heard.of("statement_done")) == 2


def test_a_body_that_nobody_can_read_is_tried_at_once(session: Session, other: Session) -> None:
    session.execute("CREATE TABLE readings (id int)")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("SELECT * FROM readings")
    text = "DO $$ BEGIN ALTER TABLE readings ADD b int; END $$;"
    with background(lambda: ran(session, text, heard=heard, limits=PATIENT)):
        wait_for(lambda: heard.of("retry"))
        other.execute("COMMIT")
    assert heard.of("retry")[0].data["sqlstate"] == "55P03"


@pytest.fixture
def blind(where: Where, other: Session) -> Iterator[Session]:
    """A plain role that may not see the sessions of others."""
    role = unique("blind")
    other.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
    other.execute(f"GRANT CREATE ON DATABASE {other.info.dbname} TO {role}".encode())
    other.execute(f"GRANT CREATE ON SCHEMA public TO {role}".encode())
    dsn = where.dsn.replace(f"//{other.info.user}:{other.info.password}@", f"//{role}:x@")
    with connect(Where(dsn, name="staging"), application_name="CR-0001") as opened:
        ledger.bootstrap(opened, target_uuid=TARGET_UUID, environment="staging", actor="olga", signed_by="s")
        yield opened
    other.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


def test_without_pg_monitor_it_tries_shortly_and_says_so(blind: Session, other: Session) -> None:
    ran(blind, "CREATE TABLE readings (id int);")
    heard = Heard()
    other.execute("BEGIN")
    other.execute("SELECT * FROM readings")
    text = "ALTER TABLE readings ADD b int;"
    with background(lambda: ran(blind, text, migration=3, heard=heard, limits=PATIENT)):
        wait_for(lambda: len(heard.of("retry")) >= 2)
        other.execute("COMMIT")
    said = [event.text for event in heard.of("notice") if "pg_monitor" in event.text]
    assert len(said) == 1 and "50 ms at most" in said[0]


def test_the_waits_for_many_locks_are_bound_together(session: Session, where: Where) -> None:
    """Each lock is free before its own timeout; all of them together would stall the users for long."""
    names = [f"t{number}" for number in range(9)]
    session.execute("".join(f"CREATE TABLE {name} (id int);" for name in names).encode())
    holders = [connect(where, application_name=f"holder {name}") for name in names]
    for name, holder in zip(names, holders, strict=True):
        holder.execute("BEGIN")
        holder.execute(f"SELECT * FROM {name}".encode())
    let_go = threading.Event()

    def release() -> None:
        """Let each table go when our session has waited for it for most of its timeout."""
        waits = (
            "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
            " AND clock_timestamp() - waitstart > '200 ms'"
        )
        with connect(where, application_name="release") as eye, suppress(psycopg.Error):
            for name, holder in zip(names, holders, strict=True):
                wait_for(partial(lambda of: let_go.is_set() or eye.execute(waits, (of,)).fetchone(), name))
                holder.execute("COMMIT")

    heard = Heard()
    # no look before: all are in use, and the try itself is what is bound
    limits = Limits(deadline_s=20, pause_ms=20, lock_ms=300, look_s=0)
    with background(release):
        outcome = ran(session, f"DROP TABLE {', '.join(names)};", heard=heard, limits=limits)
        let_go.set()
    for holder in holders:
        holder.close()
    assert outcome.effect == "complete"
    assert heard.of("retry")[0].data["sqlstate"] == "57014"
    assert "together were not free" in heard.of("retry")[0].text


def test_a_statement_is_bound_by_what_the_rehearsal_lets_expect(session: Session) -> None:
    session.execute("CREATE TABLE readings (id int); INSERT INTO readings VALUES (1)")
    limits = Limits(deadline_s=20, expected_ms={1: 3.0})
    text = "ALTER TABLE readings ALTER id TYPE bigint USING id + length(pg_sleep(15)::text);"
    outcome = go(session, text, limits=limits)
    assert (outcome.state, outcome.effect) == ("failed", "none")
    assert outcome.error is not None and outcome.error.sqlstate == "57014"
    assert "canceled after 2200 ms. The rehearsal lets expect 3 ms" in outcome.error.sentence


def test_a_transaction_cannot_outlive_its_deadline_on_the_server(session: Session) -> None:
    assert session.info.server_version >= 170000
    session.execute("CREATE TABLE seen (ms text)")
    ran(session, "INSERT INTO seen SELECT current_setting('transaction_timeout');", limits=Limits(deadline_s=20))
    assert one(session, "SELECT ms <> '0' FROM seen")
    assert one(session, "SHOW transaction_timeout") == "0"
