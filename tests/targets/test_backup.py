"""A backup is read back whole and restores to the same catalog and data."""

from __future__ import annotations

import resource
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.targets import backup, clients, ledger
from changecontrol.targets.backup import BackupDamaged, BackupFailed, BackupMissing, ClientTooOld, NoSpace, NotEmpty
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.sandbox import sandbox
from changecontrol.targets.snapshot import catalog, data, differences, sequences
from tests.targets import stage
from tests.targets.stage import Heard, ran
from tests.targets.test_snapshot import BASE


@pytest.fixture
def filled(session: Session) -> Iterator[Session]:
    ran(session, BASE)
    session.execute(b"INSERT INTO clinic.site (id, name) SELECT n, 'site ' || n FROM generate_series(1, 500) n")
    yield session


def test_it_restores_what_was_dumped(filled: Session, where: Where, cluster: Cluster, tmp_path: Path) -> None:
    heard = Heard()
    made = backup.dump(where, tmp_path / "b.dump", on_event=heard)
    assert made.sha256 == backup.digest_of(made.path) and made.size == made.path.stat().st_size > 1000
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert heard.kinds == ["backup_started", "backup_done"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.dump"]
    with sandbox(Where(cluster.dsn(), name="x"), name="restore") as fresh:
        backup.restore(made, fresh)
        with connect(fresh, application_name="x") as opened:
            assert differences(catalog(filled), catalog(opened)).verdict == "exact"
            assert data(opened, by_column=True) == data(filled, by_column=True)
            assert sequences(opened) == sequences(filled)
            assert [row.script_digest for row in ledger.rows(opened)] == [r.script_digest for r in ledger.rows(filled)]
            assert ran(opened, "CREATE TABLE later ();", migration=3).effect == "complete"


def test_it_uses_the_client_of_the_servers_major(older: Where, older_cluster: Cluster, tmp_path: Path) -> None:
    with stage.registered(older) as opened:
        ran(opened, BASE)
        made = backup.dump(older, tmp_path / "b.dump")
        assert (made.server_major, made.client_version.split(".")[0]) == (17, "17")
        with sandbox(Where(older_cluster.dsn(), name="x"), name="restore") as fresh:
            backup.restore(made, fresh)
            with connect(fresh, application_name="x") as restored:
                assert differences(catalog(opened), catalog(restored)).verdict == "exact"


def test_it_refuses_a_client_older_than_the_server() -> None:
    with pytest.raises(ClientTooOld, match=r"staging runs PostgreSQL 99, but the newest pg_dump on this machine is 1"):
        clients.client("pg_dump", 99, target="staging")


def test_it_refuses_a_damaged_or_missing_file(filled: Session, where: Where, tmp_path: Path) -> None:
    made = backup.dump(where, tmp_path / "b.dump")
    content = bytearray(made.path.read_bytes())
    content[len(content) // 2] ^= 1
    made.path.write_bytes(content)
    with pytest.raises(BackupDamaged, match="must not be restored"):
        backup.restore(made, where)
    with pytest.raises(BackupMissing, match="No such file"):
        backup.restore(replace(made, path=tmp_path / "gone"), where)


def test_it_restores_into_empty_databases_only(filled: Session, where: Where, tmp_path: Path) -> None:
    made = backup.dump(where, tmp_path / "b.dump")
    with pytest.raises(NotEmpty, match="staging is not empty"):
        backup.restore(made, where)


def test_it_says_when_the_disk_is_full_and_leaves_nothing(filled: Session, where: Where, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(NoSpace, match="does not fit into"):
            backup.dump(where, tmp_path / "b.dump")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_it_tells_no_secret(filled: Session, where: Where, cluster: Cluster, tmp_path: Path) -> None:
    wrong = Where(where.dsn, set_role="nobody_at_all", name="staging")
    with pytest.raises(Exception, match="nobody_at_all") as refused:
        backup.dump(wrong, tmp_path / "b.dump")
    assert cluster.password not in str(refused.value)
    environment = clients.environment_of(where)
    assert environment["PGPASSWORD"] == cluster.password and "DSN" not in environment


def test_it_reports_what_pg_dump_says(filled: Session, where: Where, cluster: Cluster, tmp_path: Path) -> None:
    role = stage.unique("blind")
    filled.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'".encode())
    blind = Where(cluster.dsn(filled.info.dbname, user=role, password="x"), name="staging")
    with pytest.raises(BackupFailed, match=r"The backup of staging failed: .*permission denied"):
        backup.dump(blind, tmp_path / "b.dump")
    assert list(tmp_path.iterdir()) == []
    filled.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
