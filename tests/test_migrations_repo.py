"""Our own migrations: forward, back to empty and forward again, and what the diary database promises.

Runs as the migration role of a target, which is no superuser. The catalog is read here by a query of our own, so that
this test does not lean on the product's own comparison.
"""

from __future__ import annotations

import functools
import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from changecontrol.local.database import prepare_target
from changecontrol.local.postgres import Cluster
from changecontrol.local.testing import Servers
from changecontrol.repository import Repository
from changecontrol.rules.script import RollbackClass, Script
from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.runner import CheckRow, Limits, Order, Outcome, check, run, verify

ROOT = Path(__file__).parents[1] / "migrations_repo"
ROLE = "diary_tests"
read = functools.cache(Repository(ROOT).read)
NUMBERS = [migration.number for migration in Repository(ROOT).migrations()]
#: what they make lasts until the last member of their series takes it away
PASSING = [9, 12, 15]
RECORDING = """INSERT INTO record_audit (participant_id, site_id, operation, data, recorded_by, entered_at, device_info)
               VALUES ('T01-001', 'T01', 'create', '{"minutes": 7}', 'T01-001', '2026-01-05 07:30+01', '{"os": "X"}')"""

_fences = itertools.count(1)
_databases = itertools.count(1)

CATALOG = """
SELECT 'relation', relname, concat_ws(' ', relkind, relrowsecurity, relforcerowsecurity, relacl,
       obj_description(oid, 'pg_class')) FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'column', attrelid::regclass || '.' || attname, concat_ws(' ', format_type(atttypid, atttypmod), attnotnull,
       attidentity, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum))
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef
       ON (adrelid, adnum) = (attrelid, attnum)
 WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) || convalidated
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) || indisvalid
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'function', proname, concat_ws(' ', pg_get_functiondef(oid), proacl, obj_description(oid, 'pg_proc'))
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(pg_trigger.oid) || tgenabled::text FROM pg_trigger JOIN pg_class ON
       pg_class.oid = tgrelid WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'policy', polname, concat_ws(' ', polrelid::regclass, polcmd, polpermissive, polroles,
       pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
"""


@pytest.fixture(scope="module", params=[18, 17])
def server(request: pytest.FixtureRequest, servers: Servers) -> Cluster:
    return servers.target("targets") if request.param == 18 else servers.new_cluster("diary17", major=17)


@pytest.fixture(scope="module")
def newest(servers: Servers) -> Cluster:
    return servers.target("targets")


def fresh(server: Cluster) -> Where:
    """An empty database that the migration role owns."""
    name = f"diary_{next(_databases)}"
    return Where(prepare_target(server.dsn(), database=name, role=ROLE, password="x" * 20), name="development")


def clone(server: Cluster, template: str) -> Where:
    """A copy of a database; so a test with every migration on it costs a moment only."""
    name = f"diary_{next(_databases)}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE} STRATEGY wal_log".encode())
    return Where(server.dsn(name, user=ROLE, password="x" * 20), name="development")


def opened(server: Cluster) -> Session:
    conn = connect(fresh(server), application_name="tests of migrations_repo")
    ledger.bootstrap(
        conn,
        target_uuid="0b0e6a5c-4a43-4a5e-9d6e-2f2f2d0a7c11",
        environment="development",
        actor="olga",
        signed_by="s-1",
    )
    return conn


@pytest.fixture
def empty(server: Cluster) -> Iterator[Session]:
    with opened(server) as conn:
        yield conn


@pytest.fixture(scope="module")
def template(newest: Cluster) -> str:
    """The name of a database with every migration on it, never changed."""
    with opened(newest) as conn:
        forward(conn, *NUMBERS)
        return conn.info.dbname


@pytest.fixture
def conn(newest: Cluster, template: str) -> Iterator[Session]:
    """A database of this test alone with every migration on it."""
    with connect(clone(newest, template), application_name="tests of migrations_repo") as conn:
        yield conn


def attempt(conn: Session, number: int, script: Script | None) -> Outcome:
    assert script is not None
    fence = next(_fences)
    order = Order(
        change_code=f"CR-{number:04}",
        migration=number,
        direction=script.direction.value,
        script_digest=read(number).script_digest,
        content_digest="c" * 64,
        execution_id=str(fence),
        attempt=1,
        fence=fence,
        actor="theo",
    )
    limits = Limits(deadline_s=60, pause_ms=20, look_s=0.2)
    return run(conn, script=script, order=order, limits=limits)


def forward(conn: Session, *numbers: int) -> None:
    for number in numbers:
        outcome = attempt(conn, number, read(number).forward_script)
        assert outcome.state == "succeeded", outcome.error


def back(conn: Session, *numbers: int) -> None:
    for number in numbers:
        outcome = attempt(conn, number, read(number).rollback_script)
        assert outcome.state == "succeeded", outcome.error


def catalog(conn: Session) -> dict[tuple[str, str], str]:
    return {(kind, name): text for kind, name, text in conn.execute(CATALOG.encode()).fetchall()}


def checked(conn: Session) -> dict[str, CheckRow]:
    return {row.name: row for name, sql in Repository(ROOT).checks().items() for row in check(conn, name=name, sql=sql)}


def red(conn: Session) -> list[str]:
    return [row.name for row in checked(conn).values() if not row.ok]


def verified(conn: Session, number: int, *, expect_failure: bool = False) -> bool:
    script = read(number).verify_script
    assert script is not None
    return verify(conn, script=script, expect_failure=expect_failure).ok


def problems(conn: Session) -> list[str]:
    return [text for (text,) in conn.execute("SELECT problem FROM audit_problems() ORDER BY audit_id").fetchall()]


def test_it_goes_forward_back_to_empty_and_forward_again(empty: Session) -> None:
    conn, before = empty, catalog(empty)
    for number in NUMBERS:
        forward(conn, number)
        after = catalog(conn)
        assert verified(conn, number) and red(conn) == [], number
        back(conn, number)
        assert catalog(conn) == before, number
        assert verified(conn, number, expect_failure=True) and red(conn) == [], number
        forward(conn, number)
        assert catalog(conn) == after, number
        before = after
    back(conn, *reversed(NUMBERS))
    assert catalog(conn) == {}
    forward(conn, *NUMBERS)
    assert catalog(conn) == before
    assert [number for number in NUMBERS if not verified(conn, number)] == PASSING


def test_its_series_are_complete_and_wait_for_a_release_at_their_end() -> None:
    found = Repository(ROOT).series()
    assert {slug: sorted(members) for slug, members in found.items()} == {
        "rename-enrolled-on": [1, 2, 3],
        "sort-sites-by-kind": [1, 2, 3],
        "split-sites": [1, 2],
    }
    for members in found.values():
        headers = [members[place].header for place in sorted(members)]
        assert {header.series_length for header in headers} == {len(headers)}
        assert [bool(header.requires_release) for header in headers] == [False] * (len(headers) - 1) + [True]
        assert {(header.ticket, header.author) for header in headers} == {(headers[0].ticket, "Ada Lindqvist")}


def test_its_roles_stay_on_the_server_and_are_created_only_where_missing(newest: Cluster) -> None:
    with opened(newest) as conn:
        forward(conn, 1)
        back(conn, 1)
        assert conn.execute("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'diary\\_a%'").fetchone() == (2,)
        forward(conn, 1)


def test_it_runs_with_psql_as_well(newest: Cluster) -> None:
    dsn = fresh(newest).dsn
    rollbacks = sorted(ROOT.glob("rollback/*.sql"), reverse=True)
    for path in [*sorted(ROOT.glob("*.sql")), *sorted(ROOT.glob("checks/*.sql")), *rollbacks]:
        command = [newest.bin_dir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_it_has_no_findings_and_is_complete() -> None:
    repository = Repository(ROOT)
    assert repository.findings() == []
    assert [*range(1, len(NUMBERS) + 1)] == NUMBERS
    for number in NUMBERS:
        frozen = repository.read(number)
        assert frozen.findings == ()
        assert frozen.rollback_script is not None and frozen.verify_script is not None
        assert frozen.forward_script.header.rollback_declared
    assert [
        number
        for number in NUMBERS
        if repository.read(number).forward_script.header.rollback_class is not RollbackClass.LOSSLESS
    ] == [8]


def test_it_describes_every_table_column_sequence_and_function(conn: Session) -> None:
    undescribed = """
        SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
           AND obj_description(oid, 'pg_class') IS NULL AND relname <> 'assignments_assignment_id_seq'
           AND relname <> 'record_audit_audit_id_seq'
        UNION ALL
        SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
           AND col_description(attrelid, attnum) IS NULL
        UNION ALL
        SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
           AND obj_description(oid, 'pg_proc') IS NULL"""
    assert conn.execute(undescribed.encode()).fetchall() == []


def test_it_pins_the_search_path_of_every_function(conn: Session) -> None:
    unpinned = """SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                     AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)"""
    assert conn.execute(unpinned.encode()).fetchall() == []


def test_it_refuses_to_change_or_remove_an_event(conn: Session) -> None:
    for text in ("UPDATE record_audit SET data = '{}'", "DELETE FROM record_audit", "TRUNCATE record_audit CASCADE"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            conn.execute(text.encode())


def test_it_keeps_the_read_model_in_step_and_numbers_events_itself(conn: Session) -> None:
    conn.execute(RECORDING.encode())
    conn.execute(
        b"""INSERT INTO record_audit (record_id, participant_id, site_id, operation, data, reason, recorded_by,
                                      entered_at, version)
            VALUES (currval('record_number'), 'T01-001', 'T01', 'update', '{"minutes": 9}', 'typo', 'T01-001', now(),
                    99)"""
    )
    state = "SELECT version, data, device_info FROM record_state WHERE record_id = currval('record_number')"
    assert conn.execute(state.encode()).fetchone() == (2, {"minutes": 9}, {})
    with pytest.raises(psycopg.errors.RaiseException, match="cannot be changed"):
        conn.execute(
            b"""INSERT INTO record_audit (record_id, participant_id, site_id, operation, data, reason, recorded_by,
                                          entered_at)
                VALUES (-1, 'T01-001', 'T01', 'delete', '{}', 'x', 'T01-001', now())"""
        )


def test_it_shows_and_takes_only_what_belongs_to_the_person(conn: Session) -> None:
    conn.execute("GRANT diary_app TO CURRENT_USER")
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL ROLE diary_app")
        conn.execute("SELECT set_config('diary.person', 'T01-001', true)")
        assert conn.execute("SELECT DISTINCT participant_id FROM record_state").fetchall() == [("T01-001",)]
        conn.execute(RECORDING.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            conn.execute(RECORDING.replace("T01", "T02").replace("'T02-001', '2026", "'T01-001', '2026").encode())


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("style", ["German, DMY", "SQL, MDY", "ISO, YMD"])
def test_its_hashes_are_the_same_in_every_session(conn: Session, zone: str, style: str) -> None:
    conn.execute("SELECT set_config('TimeZone', 'Pacific/Chatham', false), set_config('DateStyle', 'SQL, DMY', false)")
    conn.execute(RECORDING.encode())
    conn.execute("SELECT set_config('TimeZone', %s, false), set_config('DateStyle', %s, false)", (zone, style))
    assert problems(conn) == []


TAMPERING = {
    "an event with a hash": ("UPDATE record_audit SET data = '{}' WHERE audit_id = 2641", "was changed after"),
    "its time": ("UPDATE record_audit SET entered_at = entered_at + '1 us' WHERE audit_id = 2641", "was changed after"),
    "its device": ("UPDATE record_audit SET device_info = NULL WHERE audit_id = 2641", "was changed after"),
    "an event from before": ("UPDATE record_audit SET reason = 'x' WHERE audit_id = 2600", "from 1 to 2640"),
    "a removed event": ("DELETE FROM record_audit WHERE audit_id = 31", "from 1 to 2640"),
    "a hash": ("UPDATE record_audit SET entry_hash = sha256('x') WHERE audit_id = 2641", "was changed after"),
    "a removed hash": ("UPDATE record_audit SET entry_hash = NULL WHERE audit_id = 2641", "was removed"),
    "the read model": ("UPDATE record_state SET data = '{}' WHERE record_id = 5", "does not show the newest"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_it_finds_what_the_owner_tampers_with(conn: Session, what: str) -> None:
    statement, found = TAMPERING[what]
    conn.execute(RECORDING.encode())
    assert problems(conn) == []
    conn.execute("ALTER TABLE record_audit DISABLE TRIGGER USER, DROP CONSTRAINT record_audit_hash_present")
    conn.execute("ALTER TABLE record_state DROP CONSTRAINT record_state_last_audit_fkey")
    conn.execute(statement.encode())
    assert found in problems(conn)[0]
    assert {"audit chain", "trigger record_audit_append_only"} <= set(red(conn))


def test_its_checks_notice_what_is_switched_off(conn: Session) -> None:
    assert red(conn) == []
    conn.execute("ALTER TABLE record_audit ENABLE TRIGGER record_audit_append_only")
    conn.execute("DROP TRIGGER record_audit_20_seal ON record_audit")
    conn.execute("ALTER TABLE participants DISABLE ROW LEVEL SECURITY")
    conn.execute("DROP POLICY sites_of_person ON sites; DROP POLICY sites_for_auditor ON sites")
    assert red(conn) == [
        "row-level security on participants",
        "row-level security on sites",
        "trigger record_audit_20_seal",
        "trigger record_audit_append_only",
    ]


def test_its_checks_count_rows_that_must_not_fall(conn: Session) -> None:
    counts = {row.name: row.value for row in checked(conn).values() if row.must_not_fall}
    assert counts == {
        "rows in assignments": 4,
        "rows in participants": 12,
        "rows in record_audit": 2640,
        "rows in record_state": 2400,
        "rows in sites": 2,
    }


@pytest.mark.parametrize(("level", "said"), [(3, "carry hashes"), (2, "carry metadata"), (1, "beyond the training")])
def test_its_rollbacks_refuse_to_lose_what_people_recorded(newest: Cluster, level: int, said: str) -> None:
    with opened(newest) as conn:
        forward(conn, *NUMBERS[:level])
        recording = RECORDING if level > 1 else RECORDING.replace(", device_info", "").replace(', \'{"os": "X"}\'', "")
        conn.execute(recording.encode())
        before = catalog(conn)
        outcome = attempt(conn, level, read(level).rollback_script)
        assert outcome.error is not None and said in outcome.error.sentence
        assert catalog(conn) == before


def test_its_backfill_can_be_taken_back_without_touching_newer_values(newest: Cluster) -> None:
    with opened(newest) as conn:
        forward(conn, *NUMBERS[:4])
        conn.execute(RECORDING.encode())
        values = "SELECT record_id, device_info FROM record_state ORDER BY record_id"
        before = conn.execute(values.encode()).fetchall()
        forward(conn, 5)
        filled = conn.execute(values.encode()).fetchall()
        assert filled[-1] == (2401, {"os": "X"}) and {str(device) for _record, device in filled[:-1]} == {
            "{'backfilled': True}"
        }
        back(conn, 5)
        assert conn.execute(values.encode()).fetchall() == before


def test_its_lossy_rollback_loses_what_it_declares_and_nothing_else(conn: Session) -> None:
    others = "SELECT participant_id, site_id, consented_on, left_on FROM participants ORDER BY 1"
    before = conn.execute(others.encode()).fetchall()
    back(conn, 8)
    assert conn.execute("SELECT count(*), count(initials) FROM participants").fetchone() == (12, 0)
    assert conn.execute(others.encode()).fetchall() == before
    header = read(8).forward_script.header
    assert header.rollback_class is RollbackClass.LOSSY and "participants.initials" in header.rollback_note


def test_it_needs_no_superuser(conn: Session) -> None:
    assert conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)
