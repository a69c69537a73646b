"""The ledger: created once, append-only, fenced, and what its rows add up to."""

from __future__ import annotations

import psycopg
import pytest

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Order
from tests.targets import stage
from tests.targets.stage import TARGET_UUID, one, order, script, unique

WORK = order(script("SELECT 1;"))
OTHER_UUID = "00000000-0000-0000-0000-00000000000a"


def put(conn: Session, kind: str, step: int | None, steps: int, **changes: object) -> None:
    detail = changes.pop("detail", None)
    ledger.write(conn, Order(**{**_fields(WORK), **changes}), kind, step=step, steps=steps, detail=detail)  # type: ignore[arg-type]


def _fields(value: Order) -> dict[str, object]:
    return {name: getattr(value, name) for name in Order.__slots__}


def test_it_bootstraps_once_and_says_who_signed(where: Where) -> None:
    with connect(where, application_name="x") as bare:
        assert ledger.identity(bare) is None and ledger.rows(bare) == [] and not ledger.exists(bare)
    with stage.registered(where) as session:
        first = ledger.identity(session)
        assert first is not None
        assert (first.uuid, first.environment, first.actor, first.signed_by) == (TARGET_UUID, "staging", "olga", "s-1")
    with stage.registered(where) as session:
        assert ledger.identity(session) == first
        assert one(session, "SELECT count(*) FROM changecontrol.identity") == 1


def test_it_refuses_a_database_stamped_as_another_target(session: Session) -> None:
    with pytest.raises(ledger.IdentityTaken, match=f"already stamped as staging target {TARGET_UUID}"):
        ledger.bootstrap(session, target_uuid=OTHER_UUID, environment="staging", actor="olga", signed_by="s")
    with pytest.raises(ledger.IdentityTaken):
        ledger.bootstrap(session, target_uuid=TARGET_UUID, environment="production", actor="olga", signed_by="s")


def test_it_stamps_a_copy_anew_and_keeps_the_old_stamp(session: Session) -> None:
    ledger.restamp(session, target_uuid=OTHER_UUID, environment="development", actor="olga", signed_by="s-2")
    found = ledger.identity(session)
    assert found is not None and (found.uuid, found.environment) == (OTHER_UUID, "development")
    assert one(session, "SELECT count(*) FROM changecontrol.identity") == 2


def test_it_refuses_a_login_that_may_not_create_schemas(session: Session, where: Where) -> None:
    role = unique("poor")
    session.execute(f"CREATE ROLE {role}".encode())
    session.execute("DROP SCHEMA changecontrol CASCADE")
    with connect(Where(where.dsn, set_role=role), application_name="x") as poor:
        with pytest.raises(ledger.LedgerForbidden, match="permission denied"):
            ledger.bootstrap(poor, target_uuid=TARGET_UUID, environment="staging", actor="olga")
        assert not ledger.exists(poor)
    session.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("table", ["ledger", "identity"])
@pytest.mark.parametrize("statement", ["UPDATE changecontrol.{} SET actor = 'x'", "DELETE FROM changecontrol.{}",
                                       "TRUNCATE changecontrol.{}"])  # fmt: skip
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_it_is_append_only_even_for_a_superuser_in_replica_mode(
    session: Session, table: str, statement: str, role: str
) -> None:
    put(session, "done", 1, 1)
    session.execute(f"SET session_replication_role = {role}".encode())
    with pytest.raises(psycopg.Error, match="append-only") as refused:
        session.execute(statement.format(table).encode())
    assert refused.value.sqlstate == ledger.APPEND_ONLY


def test_it_refuses_rows_of_a_replaced_execution(session: Session) -> None:
    put(session, "began", 1, 1, fence=5)
    put(session, "done", 1, 1, fence=5)
    put(session, "done", 1, 1, fence=1, migration=3)  # another migration counts for itself
    with pytest.raises(psycopg.Error, match="a newer execution owns this target") as refused:
        put(session, "done", 1, 1, fence=4)
    assert refused.value.sqlstate == ledger.FENCED


def test_it_comments_every_column(session: Session) -> None:
    without = session.execute(
        "SELECT a.attname FROM pg_attribute a WHERE a.attrelid IN"
        " ('changecontrol.ledger'::regclass, 'changecontrol.identity'::regclass) AND a.attnum > 0"
        " AND col_description(a.attrelid, a.attnum) IS NULL"
    ).fetchall()
    assert without == []


def test_it_reads_back_what_it_wrote(session: Session) -> None:
    row_id, xid = ledger.write(session, WORK, "done", step=1, steps=2, detail={"rows": 3})
    row = ledger.rows(session)[0]
    assert (row.id, row.xid, row.detail, row.signature_ids) == (row_id, xid, {"rows": 3}, ("s-7",))
    assert (row.migration_name, row.steps, row.pass_no, row.fence) == ("002_example", 2, 1, 1)
    assert row.client_at.tzinfo is not None and "/" in row.wal_lsn
    assert ledger.rows(session, since=row_id) == []


def test_it_records_a_baseline_once(session: Session) -> None:
    ledger.baseline(session, migrations=[1, (2, "002_two"), (3, "003_three", "d" * 64)], order=WORK)
    ledger.baseline(session, migrations=[1, 2, 3, 4], order=WORK, detail={"differences": []})
    rows = ledger.rows(session)
    assert [(row.migration, row.kind) for row in rows] == [(n, "baseline") for n in (1, 2, 3, 4)]
    assert rows[2].script_digest == "d" * 64
    net = ledger.net(rows, migration=3)
    assert (net.effect, net.baseline) == ("complete", True)


def test_it_adds_up_steps(session: Session) -> None:
    def effect() -> str:
        return ledger.net(ledger.rows(session), migration=2).effect

    assert effect() == "none"
    put(session, "done", 1, 3)
    assert effect() == "partial"
    put(session, "began", 2, 3)
    assert effect() == "unknown"
    put(session, "finished", None, 3, detail={"in_flight": {"step": 2, "left": "the INVALID index x"}})
    assert effect() == "partial"
    put(session, "began", 2, 3)
    put(session, "done", 2, 3)
    put(session, "progress", 3, 3, detail={"key": "5"})
    assert effect() == "partial"
    put(session, "done", 3, 3)
    assert effect() == "complete"
    put(session, "done", 1, 2, direction="rollback")
    assert effect() == "partial"
    put(session, "done", 2, 2, direction="rollback")
    assert effect() == "none"
    assert ledger.net(ledger.rows(session), migration=2).steps_done == ()


def test_it_counts_the_steps_of_a_script_cut_in_its_first(session: Session) -> None:
    put(session, "progress", 1, 3, detail={"key": "5"})
    net = ledger.net(ledger.rows(session), migration=2)
    assert (net.total, net.steps_done, net.effect) == (3, (), "partial")


def test_it_takes_a_signed_resolution(session: Session) -> None:
    put(session, "began", 1, 1)
    ledger.resolve_step(session, order=WORK, step=1, steps=1, done=True, reason="seen on the target")
    assert ledger.net(ledger.rows(session), migration=2).effect == "complete"


def test_it_works_on_postgresql_17(older: Where) -> None:
    with stage.registered(older) as session:
        assert stage.ran(session, "CREATE TABLE a (id int);\nCREATE INDEX CONCURRENTLY i ON a (id);").steps_done == 2
        assert stage.ran(session, "DROP TABLE a;", direction="rollback").effect == "none"
