"""`engine` apply, rollback, status and fingerprint on a database that nobody registered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from changecontrol.local.testing import Servers
from changecontrol.services.engine.applying import apply
from changecontrol.services.engine.base import DatabaseGuarded, OutOfOrder
from changecontrol.services.engine.looking import fingerprint
from changecontrol.services.engine.standing import status
from changecontrol.services.engine.taking_back import rollback
from changecontrol.targets import ledger
from changecontrol.targets.connection import TargetBusy, Where, connect, lock
from tests import engine_folders
from tests.targets.stage import TARGET_UUID, unique


@pytest.fixture
def dsn(servers: Servers) -> Iterator[str]:
    """A fresh, empty database."""
    cluster, name = servers.target("targets"), unique("e")
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} STRATEGY wal_log")
    yield cluster.dsn(name)
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def states(report: Any) -> list[str]:
    return [one["state"] for one in report.value["migrations"]]


def ask(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


def test_it_applies_what_is_pending_and_records_it_unsigned(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    report = apply(folder=folder, dsn=dsn, actor="ada", to=2)
    assert report.fine and states(report) == ["applied", "applied"]
    with connect(Where(dsn), application_name="test") as session:
        stamped = ledger.identity(session)
        assert stamped is not None and (stamped.environment, stamped.signed_by) == ("unregistered", "")
        rows = [(row.migration, row.kind, row.actor) for row in ledger.rows(session) if row.kind == "done"]
    assert rows == [(1, "done", "ada"), (2, "done", "ada")]
    report = apply(folder=folder, dsn=dsn, actor="ada")
    assert report.fine and states(report) == ["skipped", "skipped", "applied"]


def test_it_records_the_digest_that_the_product_signs(dsn: str, tmp_path: Path) -> None:
    from changecontrol.repository import Repository

    folder = engine_folders.good(tmp_path)
    apply(folder=folder, dsn=dsn, actor="ada")
    found = dict(ask(dsn, "SELECT migration, script_digest FROM changecontrol.ledger"))
    assert found == {number: Repository(folder).read(number).script_digest for number in (1, 2, 3)}


def test_it_refuses_a_file_that_changed_before_anything_runs(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    apply(folder=folder, dsn=dsn, actor="ada", to=1)
    (folder / "001_sites.sql").write_text(engine_folders.forward("CREATE TABLE other (id int);"))
    report = apply(folder=folder, dsn=dsn, actor="ada")
    assert not report.fine and states(report) == ["changed"]
    assert states(status(folder=folder, dsn=dsn)) == ["changed", "pending", "pending"]


def test_it_takes_a_corrected_rollback_for_the_same_migration(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    apply(folder=folder, dsn=dsn, actor="ada")
    (folder / "rollback" / "003_rollback.sql").write_text("ALTER TABLE sites DROP COLUMN IF EXISTS opened_on;\n")
    assert states(status(folder=folder, dsn=dsn)) == ["applied", "applied", "applied"]
    assert states(rollback(folder=folder, dsn=dsn, actor="ada")) == ["rolled_back"]


def test_it_refuses_a_file_that_cannot_be_parsed_before_anything_runs(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    (folder / "003_named.sql").write_text("\\set x 1\n")
    report = apply(folder=folder, dsn=dsn, actor="ada")
    assert states(report) == ["refused"] and "psql" in report.value["migrations"][0]["said"]
    assert ask(dsn, "SELECT to_regclass('sites') IS NULL") == [(True,)]


def test_it_passes_over_files_without_a_number(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.put(engine_folders.good(tmp_path), {"schema.sql": "SELECT 1;"})
    report = apply(folder=folder, dsn=dsn, actor="ada")
    assert report.fine and states(report) == ["applied", "applied", "applied", "ignored"]


def test_it_stops_at_what_fails_and_resumes_there(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    broken = "BEGIN;\nALTER TABLE sites ADD COLUMN country text;\nCOMMIT;\nBEGIN;\nSELECT * FROM later;\nCOMMIT;\n"
    (folder / "002_country.sql").write_text(broken)
    report = apply(folder=folder, dsn=dsn, actor="ada")
    assert not report.fine and states(report) == ["applied", "failed"]
    assert "later" in report.value["migrations"][1]["said"]
    assert states(status(folder=folder, dsn=dsn)) == ["applied", "partial", "pending"]
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE later (id int)")
    assert states(apply(folder=folder, dsn=dsn, actor="ada")) == ["skipped", "applied", "applied"]


def test_it_fails_where_a_verify_script_does(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.put(engine_folders.good(tmp_path), {"verify/001_verify.sql": "SELECT false AS ok;"})
    assert states(apply(folder=folder, dsn=dsn, actor="ada")) == ["verify_failed"]
    assert states(apply(folder=folder, dsn=dsn, actor="ada", verify=False)) == ["skipped", "applied", "applied"]


@pytest.mark.parametrize(("environment", "signed"), [("production", ""), ("Staging", ""), ("uat", "s-1")])
def test_it_refuses_a_guarded_database(dsn: str, tmp_path: Path, environment: str, signed: str) -> None:
    with connect(Where(dsn), application_name="test") as session:
        ledger.bootstrap(session, target_uuid=TARGET_UUID, environment=environment, actor="olga", signed_by=signed)
    folder = engine_folders.good(tmp_path)
    with pytest.raises(DatabaseGuarded, match=environment):
        apply(folder=folder, dsn=dsn, actor="ada")
    with pytest.raises(DatabaseGuarded):
        rollback(folder=folder, dsn=dsn, actor="ada")
    assert states(status(folder=folder, dsn=dsn)) == ["pending"] * 3


def test_it_works_on_a_registered_development_database(dsn: str, tmp_path: Path) -> None:
    with connect(Where(dsn), application_name="test") as session:
        ledger.bootstrap(session, target_uuid=TARGET_UUID, environment="development", actor="olga", signed_by="s-1")
    assert apply(folder=engine_folders.good(tmp_path), dsn=dsn, actor="ada").fine


def test_it_does_not_work_beside_another_execution(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    with connect(Where(dsn), application_name="the other one") as other, lock(other, deadline=1):
        with pytest.raises(TargetBusy, match="the other one"):
            apply(folder=folder, dsn=dsn, actor="ada")
    assert apply(folder=folder, dsn=dsn, actor="ada").fine


def test_it_rolls_back_the_newest_first(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    apply(folder=folder, dsn=dsn, actor="ada")
    told: list[dict[str, Any]] = []
    report = rollback(folder=folder, dsn=dsn, actor="ada", to=1, on_migration=told.append)
    assert report.fine and [one["number"] for one in told] == [3, 2]
    assert states(status(folder=folder, dsn=dsn)) == ["applied", "pending", "pending"]
    assert states(rollback(folder=folder, dsn=dsn, actor="ada", steps=5)) == ["rolled_back"]
    assert ask(dsn, "SELECT to_regclass('sites') IS NULL") == [(True,)]
    assert states(apply(folder=folder, dsn=dsn, actor="ada")) == ["applied"] * 3


def test_it_refuses_to_roll_back_out_of_order(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    apply(folder=folder, dsn=dsn, actor="ada")
    with pytest.raises(OutOfOrder, match="003_named was applied after it"):
        rollback(folder=folder, dsn=dsn, actor="ada", only=2)
    assert states(rollback(folder=folder, dsn=dsn, actor="ada", only=3)) == ["rolled_back"]


def test_it_refuses_to_roll_back_without_a_rollback(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    apply(folder=folder, dsn=dsn, actor="ada")
    (folder / "rollback" / "003_rollback.sql").unlink()
    report = rollback(folder=folder, dsn=dsn, actor="ada", to=0)
    assert not report.fine and states(report) == ["refused"]
    assert "003_named.sql has no rollback" in report.value["migrations"][0]["said"]


def test_it_tells_what_is_on_without_a_file(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    apply(folder=folder, dsn=dsn, actor="ada")
    (folder / "003_named.sql").unlink()
    report = status(folder=folder, dsn=dsn)
    assert not report.fine and states(report) == ["applied", "applied", "missing"]


def test_it_tells_two_databases_apart(dsn: str, servers: Servers, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    empty = fingerprint(dsn=dsn)
    assert empty.fine
    apply(folder=folder, dsn=dsn, actor="ada")
    found = fingerprint(dsn=dsn)
    assert found.value["digest"] != empty.value["digest"] and "table public.sites" in found.value["objects"]
    assert fingerprint(dsn=dsn, compare=dsn).fine
    other = servers.target("targets").dsn()
    report = fingerprint(dsn=dsn, compare=other)
    assert not report.fine and "table public.sites" in report.value["compared"]["differences"]["missing"]


def test_it_takes_numbers_of_any_length(dsn: str, tmp_path: Path) -> None:
    folder = engine_folders.put(
        tmp_path,
        {
            "0001_first.sql": "CREATE TABLE a (id int);",
            "1000_thousand.sql": "CREATE TABLE b (id int);",
            "20240131120000_stamp.sql": "CREATE TABLE c (id int);",
            "rollback/20240131120000_rollback.sql": "DROP TABLE c;",
        },
    )
    assert apply(folder=folder, dsn=dsn, actor="ada").fine
    assert [one["number"] for one in status(folder=folder, dsn=dsn).value["migrations"]] == [1, 1000, 20240131120000]
    assert states(rollback(folder=folder, dsn=dsn, actor="ada")) == ["rolled_back"]
