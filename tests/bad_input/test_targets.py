"""Bad targets: refused or failed with a sentence that names the target; nothing is half recorded; a next run works."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.local.processes import wait_until
from changecontrol.rules.script import Direction, Script, parse
from changecontrol.targets import connection, ledger, runner
from changecontrol.targets.outcome import Event, Limits, Order, Outcome

SHORT = Limits(deadline_s=1.5, pause_ms=50, look_s=0.2)
PATIENT = Limits(deadline_s=60)


@pytest.fixture(scope="module")
def cluster(servers) -> Iterator[Cluster]:
    """A server of this file alone: tests stop it and kill its processes."""
    started = servers.new_cluster("bad-input")
    yield started
    started.remove()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    """DSN of a fresh database with a table `site` and a ledger."""
    name = f"diary_{uuid.uuid4().hex[:8]}"
    with admin(cluster) as session:
        session.execute(f'CREATE DATABASE "{name}"')
    with connection.connect(where(cluster.dsn(name)), application_name="set-up") as session:
        session.execute("CREATE TABLE site (id int PRIMARY KEY)")
        ledger.bootstrap(session, target_uuid=uuid.uuid4(), environment="production", actor="Olga Petrov")
    yield cluster.dsn(name)
    with admin(cluster) as session:
        session.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def admin(cluster: Cluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as session:
        yield session


def where(dsn: str) -> connection.Where:
    return connection.Where(dsn, name="production")


def script(text: str) -> Script:
    return parse(text.encode(), file="001_add_note.sql", direction=Direction.FORWARD)


NOTE = "BEGIN;\nALTER TABLE site ADD COLUMN note text;\nCOMMIT;\n"


def order(attempt: int = 1) -> Order:
    return Order(
        change_code="CR-0001", migration=1, direction="forward", script_digest="5" * 64, content_digest="c" * 64,
        execution_id=f"e{attempt}", attempt=attempt, fence=attempt, actor="Theo Brandt",
    )  # fmt: skip


def run(
    dsn: str,
    text: str,
    *,
    attempt: int = 1,
    limits: Limits = PATIENT,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Outcome:
    with connection.connect(where(dsn), application_name=f"CR-0001 execution {attempt}") as session:
        return runner.run(
            session, script=script(text), order=order(attempt), on_event=on_event, stop=lambda: None, limits=limits
        )


def finished_steps(dsn: str) -> list[int]:
    """The numbers of the steps that the ledger says are done, from a fresh session."""
    with connection.connect(where(dsn), application_name="look") as session:
        return sorted(ledger.net(ledger.rows(session), migration=1).steps_done)


def columns(dsn: str, table: str = "site") -> list[str]:
    with psycopg.connect(dsn) as session:
        found = session.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [table],
        )
        return [row[0] for row in found]


def refusal(dsn: str) -> connection.TargetUnreachable:
    """Connect, which must be refused by a sentence that names the target and tells nothing of the connection string."""
    with pytest.raises(connection.Refused) as caught:
        connection.connect(where(dsn), application_name="CR-0001 execution 1")
    sentence = caught.value.sentence
    assert sentence.startswith("production ")
    assert "://" not in sentence and "127.0.0.1" not in sentence
    password = dsn.split("@")[0].rsplit(":", 1)[-1]
    seen = f"{sentence} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert password not in seen
    return caught.value


def test_it_names_a_target_that_is_down(cluster: Cluster) -> None:
    dsn = cluster.dsn()
    cluster.stop()
    try:
        refused = refusal(dsn)
    finally:
        cluster.start()
    assert isinstance(refused, connection.TargetUnreachable)
    assert "try again" in refused.sentence


def test_it_names_a_target_with_a_wrong_password(cluster: Cluster) -> None:
    refused = refusal(cluster.dsn(user="postgres", password="not-the-password"))
    assert isinstance(refused, connection.WrongPassword)


def test_it_names_a_database_that_does_not_exist(cluster: Cluster) -> None:
    refused = refusal(cluster.dsn("nowhere"))
    assert isinstance(refused, connection.DatabaseMissing)
    assert '"nowhere"' in refused.sentence


def test_it_refuses_another_database_behind_the_same_reference(cluster: Cluster, database: str) -> None:
    with connection.connect(where(database), application_name="register") as session:
        registered = connection.fingerprint(session)
    with connection.connect(where(cluster.dsn()), application_name="CR-0001 execution 1") as session:
        with pytest.raises(connection.WrongDatabase) as caught:
            connection.require(registered, connection.fingerprint(session), target="production")
        assert '"postgres" instead of' in caught.value.sentence
        assert not ledger.exists(session)


def test_it_refuses_another_server_behind_the_same_reference(servers, database: str) -> None:
    with connection.connect(where(database), application_name="register") as session:
        registered = connection.fingerprint(session)
    with connection.connect(where(servers.control.dsn()), application_name="CR-0001 execution 1") as session:
        with pytest.raises(connection.WrongDatabase, match="another server cluster answers"):
            connection.require(registered, connection.fingerprint(session), target="production")


def test_it_refuses_a_copy_that_calls_itself_another_target(database: str) -> None:
    with connection.connect(where(database), application_name="register") as session:
        with pytest.raises(ledger.IdentityTaken, match="production"):
            ledger.bootstrap(session, target_uuid=uuid.uuid4(), environment="staging", actor="Olga Petrov")


# --- a full disk


def mount(*arguments: str | Path) -> str:
    """Run mount; returns why it was refused, or nothing."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


@pytest.fixture
def tiny_disk(servers, cluster: Cluster) -> Iterator[Path]:
    """A real file system of 8 MB, as tablespace `tiny`."""
    folder = servers.folder / "tiny"
    folder.mkdir()
    if refused := mount("-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", folder):
        folder.rmdir()
        reason = f"a small file system cannot be mounted here: {refused}"
        # an ordinary user may not mount; root always may, so there a skip would hide something
        pytest.fail(reason) if os.environ.get("CI") == "true" and os.geteuid() == 0 else pytest.skip(reason)
    try:
        owner = cluster.data.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        with admin(cluster) as session:
            session.execute(f"CREATE TABLESPACE tiny LOCATION '{folder}'")
        yield folder
        with admin(cluster) as session:
            session.execute("DROP TABLESPACE tiny")
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_it_survives_a_full_disk_on_the_target(database: str, tiny_disk: Path) -> None:
    with psycopg.connect(database) as session:
        session.execute("CREATE TABLE page (id int, text text) TABLESPACE tiny")
    filling = NOTE + (
        "BEGIN;\nALTER TABLE page ADD COLUMN source text;\n"
        "INSERT INTO page (id, text) SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n;\nCOMMIT;\n"
    )
    outcome = run(database, filling)
    assert (outcome.state, outcome.effect, outcome.steps_done) == ("failed", "partial", 1)
    assert outcome.error is not None
    assert outcome.error.sqlstate == "53100"
    assert "001_add_note.sql line 6" in outcome.error.sentence
    assert "disk is full" in outcome.error.sentence
    assert finished_steps(database) == [1]
    assert columns(database) == ["id", "note"]
    assert columns(database, "page") == ["id", "text"]
    # with room again, the same script resumes behind the step that is done
    assert mount("-o", "remount,size=64m", tiny_disk) == ""
    outcome = run(database, filling, attempt=2)
    assert (outcome.state, outcome.effect) == ("succeeded", "complete")
    assert finished_steps(database) == [1, 2]
    with psycopg.connect(database) as session:
        assert session.execute("SELECT count(*) FROM page").fetchone() == (20000,)
        session.execute("DROP TABLE page")


# --- a killed backend


def terminate(cluster: Cluster, pid: int) -> None:
    with admin(cluster) as session:
        session.execute("SELECT pg_terminate_backend(%s)", [pid])


def kill_nine(_: Cluster, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def reachable(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("kill", [terminate, kill_nine])
def test_it_says_what_a_killed_backend_leaves(cluster: Cluster, database: str, kill) -> None:
    text = NOTE + "BEGIN;\nALTER TABLE site ADD COLUMN remark text;\nSELECT pg_sleep(60);\nCOMMIT;\n"
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]

    def sleeping() -> int | None:
        with admin(cluster) as session:
            row = session.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND wait_event = 'PgSleep'",
                [name],
            ).fetchone()
        return row[0] if row else None

    def executioner() -> None:
        assert wait_until(lambda: sleeping() is not None, seconds=30)
        kill(cluster, sleeping())

    thread = threading.Thread(target=executioner)
    thread.start()
    outcome = run(database, text)
    thread.join()
    assert wait_until(lambda: reachable(database), seconds=60)
    assert (outcome.state, outcome.effect, outcome.steps_done) == ("failed", "partial", 1)
    assert outcome.error is not None
    assert "001_add_note.sql line 6" in outcome.error.sentence
    assert "Resume" in outcome.error.sentence
    assert finished_steps(database) == [1]
    assert columns(database) == ["id", "note"]
    outcome = run(database, text.replace("pg_sleep(60)", "pg_sleep(0)"), attempt=2)
    assert (outcome.state, outcome.effect) == ("succeeded", "complete")
    assert columns(database) == ["id", "note", "remark"]


# --- a locked table


def test_it_gives_up_a_locked_table_at_the_deadline(database: str) -> None:
    events: list[Event] = []
    with psycopg.connect(database, application_name="nightly report") as reader:
        reader.execute("LOCK TABLE site IN ACCESS SHARE MODE")
        outcome = run(database, NOTE, limits=SHORT, on_event=events.append)
        assert (outcome.state, outcome.effect, outcome.steps_done) == ("failed", "none", 0)
        assert outcome.error is not None
        assert "site" in outcome.error.sentence
        waiting = [event for event in events if event.kind == "waiting"]
        assert any(event.data.get("pid") == reader.info.backend_pid for event in waiting)
        # whoever was in the way is told about, and never killed
        assert reader.execute("SELECT 1").fetchone() == (1,)
        assert finished_steps(database) == []
    assert columns(database) == ["id"]
    outcome = run(database, NOTE, attempt=2)
    assert (outcome.state, outcome.effect) == ("succeeded", "complete")
