"""A login without any special right runs migrations too, and sees who blocks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, connect, fingerprint
from changecontrol.targets.outcome import Limits
from changecontrol.targets.snapshot import catalog, data
from tests.targets.stage import TARGET_UUID, Heard, go, one, ran, unique


@pytest.fixture
def migrator(where: Where, other: Session) -> Iterator[Session]:
    """A session of a plain role that owns the database's objects."""
    role = unique("migrator")
    other.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
    other.execute(f"GRANT CREATE ON DATABASE {other.info.dbname} TO {role}".encode())
    other.execute(f"GRANT CREATE ON SCHEMA public TO {role}".encode())
    dsn = where.dsn.replace(f"//{other.info.user}:{other.info.password}@", f"//{role}:x@")
    with connect(Where(dsn, name="staging"), application_name="CR-0001") as opened:
        ledger.bootstrap(opened, target_uuid=TARGET_UUID, environment="staging", actor="olga", signed_by="s")
        yield opened
    other.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


def test_it_runs_and_fingerprints(migrator: Session) -> None:
    assert ran(migrator, "CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY i ON a (id);\n").effect == "complete"
    assert fingerprint(migrator).system_identifier
    assert "table public.a" in catalog(migrator).objects and data(migrator)["public.a"].rows == 0
    assert one(migrator, "SELECT current_user") != "postgres"


def test_it_names_the_blocker(migrator: Session, other: Session) -> None:
    ran(migrator, "CREATE TABLE a (id int);")
    heard = Heard()
    with other.transaction():
        other.execute("SELECT * FROM a")
        limits = Limits(deadline_s=0.8, pause_ms=50, look_s=0.1)
        outcome = go(migrator, "ALTER TABLE a ADD b int;", migration=3, heard=heard, limits=limits)
    assert outcome.error is not None and f"pid {other.info.backend_pid}, user postgres" in outcome.error.sentence


def test_it_says_which_right_is_missing(migrator: Session, other: Session) -> None:
    other.execute("CREATE TABLE theirs (id int)")
    outcome = go(migrator, "DROP TABLE theirs;")
    assert outcome.error is not None and outcome.error.sqlstate == "42501"
    assert "must be owner of table theirs" in outcome.error.sentence
    assert "an administrator of the target must grant it" in outcome.error.sentence


def test_batches_do_not_pass_over_rows_that_policies_hide(migrator: Session, other: Session) -> None:
    """The owner of a table with forced row-level security may see a part of it, and take it for the whole."""
    ran(migrator, "CREATE TABLE a (id int PRIMARY KEY, done bool);\nINSERT INTO a SELECT generate_series(1, 100);\n")
    other.execute("ALTER TABLE a ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    other.execute("CREATE POLICY part ON a USING (id > 50)")
    fill = "-- changecontrol: batch key=id size=10\nUPDATE a SET done = true WHERE done IS NULL;\n"
    outcome = go(migrator, fill, migration=3)
    assert (outcome.state, outcome.effect) == ("failed", "none") and outcome.error is not None
    assert "Row-level security of a hides rows from" in outcome.error.sentence
    role = one(migrator, "SELECT current_user")
    other.execute(f"CREATE POLICY whole ON a TO {role} USING (true)".encode())
    assert ran(migrator, fill, migration=3, attempt=2).effect == "complete"
    assert one(other, "SELECT count(*) FROM a WHERE done") == 100
    other.execute("CREATE POLICY less ON a AS RESTRICTIVE USING (id < 70)")
    assert go(migrator, fill.replace("true", "NULL"), migration=4).state == "failed"
