"""The embedded PostgreSQL: real starts and stops, and a sentence for each thing that can be wrong."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from changecontrol.local import data_folder, processes
from changecontrol.local.data_folder import AlreadyRunning, CannotStart, DataFolderBroken, OtherMajorVersion
from changecontrol.local.postgres import Cluster, PortInUse

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "server", name="practice", fast=True)
    yield made
    made.remove()


def ask(cluster: Cluster, statement: str) -> object:
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def test_it_starts_and_keeps_its_data_through_a_stop(cluster: Cluster) -> None:
    cluster.start()
    with psycopg.connect(cluster.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    cluster.stop()
    assert not cluster.running
    assert ask(cluster.start(), "SELECT answer FROM kept") == 42


def test_it_recovers_after_a_kill(cluster: Cluster) -> None:
    cluster.start()
    with psycopg.connect(cluster.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    port = cluster.port
    cluster.kill()
    assert ask(cluster.start(), "SELECT answer FROM kept") == 42
    assert cluster.port == port


def test_it_stays_durable_unless_asked_to_be_fast(tmp_path: Path) -> None:
    durable = Cluster(tmp_path / "server", name="practice")
    try:
        assert ask(durable.start(), "SHOW fsync") == "on"
    finally:
        durable.remove()
    assert not durable.data.exists() and not durable.folder.exists()


def test_it_runs_as_an_ordinary_user_on_loopback_only(cluster: Cluster) -> None:
    cluster.start()
    assert cluster.process is not None
    owner = Path(f"/proc/{cluster.process.pid}").stat().st_uid
    assert owner != 0
    assert ask(cluster, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(cluster, "SHOW unix_socket_directories") == ""
    assert (cluster.folder / "password").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another place for the data")
def test_it_moves_the_data_of_root_out_of_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = Cluster(closed / "server", name="practice", fast=True)
    try:
        cluster.start()
        assert closed not in cluster.data.parents
        assert (cluster.folder / "data").resolve() == cluster.data
        # Deleted by hand, password and all: the next start begins anew instead of failing on the old password.
        cluster.stop()
        shutil.rmtree(cluster.folder)
        assert ask(cluster.start(), "SELECT 1") == 1
    finally:
        cluster.remove()


def test_it_refuses_a_wrong_password(cluster: Cluster) -> None:
    cluster.start()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.dsn("postgres", user="postgres", password="wrong"))


def test_it_speaks_utf8_with_a_stable_order(cluster: Cluster) -> None:
    cluster.start()
    assert ask(cluster, "SHOW server_encoding") == "UTF8"
    assert ask(cluster, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"


def test_it_offers_the_older_major_version_too(tmp_path: Path) -> None:
    older = Cluster(tmp_path / "server", name="older", major=17, fast=True)
    try:
        assert str(ask(older.start(), "SHOW server_version")).startswith("17.")
    finally:
        older.remove()


def test_it_names_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cluster = Cluster(tmp_path / "server", name="practice", port=port, fast=True)
        with pytest.raises(PortInUse, match=f"Port {port} is already used .* practice database cannot start"):
            cluster.start()
        cluster.remove()


def test_it_takes_another_port_when_the_remembered_one_is_taken(cluster: Cluster) -> None:
    cluster.start()
    before = cluster.port
    cluster.stop()
    with socket.create_server(("127.0.0.1", before)):
        cluster.start()
        assert cluster.port != before
        assert ask(cluster, "SELECT 1") == 1


@pytest.mark.parametrize("part", ["PG_VERSION", "global/pg_control"])
def test_it_names_a_broken_data_folder(cluster: Cluster, part: str) -> None:
    cluster.start()
    cluster.stop()
    (cluster.data / part).unlink()
    with pytest.raises(DataFolderBroken, match=f"is damaged .{part} is missing.*--reset"):
        cluster.start()


def test_it_names_a_damaged_control_file(cluster: Cluster) -> None:
    cluster.start()
    cluster.stop()
    control = cluster.data / "global" / "pg_control"
    control.write_bytes(b"\x00" * control.stat().st_size)
    with pytest.raises((DataFolderBroken, CannotStart), match="practice database"):
        cluster.start()


def test_it_names_the_data_folder_of_another_major_version(cluster: Cluster) -> None:
    cluster.start()
    cluster.stop()
    (cluster.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(OtherMajorVersion, match="made by PostgreSQL 16, not 18"):
        cluster.start()


def test_it_drops_a_stale_lock_file(cluster: Cluster) -> None:
    cluster.start()
    cluster.stop()
    # The number of a program that lives and has nothing to do with it: ours.
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    assert ask(cluster.start(), "SELECT 1") == 1


def test_it_refuses_a_second_server_on_one_folder(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changecontrol.local.data_folder.GONE_SECONDS", 0.2)
    cluster.start()
    second = Cluster(cluster.folder, name="practice", fast=True)
    with pytest.raises(AlreadyRunning, match="already running"):
        second.start()
    assert ask(cluster, "SELECT 1") == 1


def test_it_leaves_nothing_behind_when_the_program_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    script = f"""
        import threading, time
        from pathlib import Path
        from changecontrol.local.postgres import Cluster
        cluster = Cluster(Path({str(folder)!r}), name="practice", fast=True)
        starter = threading.Thread(target=cluster.start)  # a thread that ends before the program does
        starter.start()
        starter.join()
        print(cluster.process.pid, cluster.data, flush=True)
        time.sleep(600)
    """
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout is not None
        pid, data = program.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert processes.wait_until(lambda: not Path(f"/proc/{pid}").exists(), seconds=20)
    assert processes.wait_until(lambda: not processes.processes_in(Path(data)), seconds=20)
    Cluster(folder, name="practice").remove()


def test_it_names_a_full_disk(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "FRESH_BYTES", 2**62)  # more than any disk has free
    with pytest.raises(data_folder.DiskFull, match=r"No space is left on the disk .* practice database cannot start"):
        cluster.start()
    assert not cluster.data.exists()


def test_it_reads_a_full_disk_from_what_a_server_wrote(tmp_path: Path) -> None:
    text = "LOG: starting\nFATAL:  could not write lock file: No space left on device\n"
    with pytest.raises(data_folder.DiskFull):
        data_folder.diagnose(text, name="practice", data=tmp_path / "data", log=tmp_path / "log")
