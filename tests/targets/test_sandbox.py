"""A sandbox is always dropped, and tells how a target differs from what its migrations build."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.sandbox import PREFIX, SandboxBuildFailed, SandboxForbidden, build, compare, sandbox, sweep
from tests.targets.stage import one, script, unique, wait_for

FIRST = script("CREATE TABLE a (id int PRIMARY KEY);", file="001_first.sql")
SECOND = script("BEGIN;\nALTER TABLE a ADD note text;\nCOMMIT;\nCREATE INDEX CONCURRENTLY a_note ON a (note);\n")


@pytest.fixture
def server(cluster: Cluster) -> Where:
    return Where(cluster.dsn(), name="the sandbox server")


def left(cluster: Cluster) -> list[str]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        rows = admin.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (PREFIX,)).fetchall()
    return [name for (name,) in rows]


def test_it_gives_a_fresh_database_and_drops_it(server: Where, cluster: Cluster) -> None:
    with sandbox(server, name="CR-0001 rehearsal!") as where:
        assert len(left(cluster)) == 1 and "_cr_0001_rehearsal_" in left(cluster)[0]
        with connect(where, application_name="x") as session:
            assert one(session, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    assert left(cluster) == []


def test_it_drops_it_after_an_exception_and_under_open_sessions(server: Where, cluster: Cluster) -> None:
    with pytest.raises(ZeroDivisionError), sandbox(server, name="x") as where:
        session = connect(where, application_name="left open")
        raise ZeroDivisionError
    assert left(cluster) == []
    session.close()


def test_it_sweeps_what_a_killed_process_left(server: Where, cluster: Cluster) -> None:
    code = (
        "import os, signal, sys\n"
        "from changecontrol.targets.connection import Where\n"
        "from changecontrol.targets.sandbox import sandbox\n"
        "with sandbox(Where(os.environ['DSN']), name='killed'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "DSN": server.dsn}, check=False, timeout=60)
    (name,) = left(cluster)
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        wait_for(lambda: admin.execute(query, (name,)).fetchone() == (0,))
    assert sweep(server, older_than_s=3600) == ()  # asked for old ones only
    assert sweep(server) == (name,) and left(cluster) == []


def test_it_builds_migrations_in_order_and_compares(server: Where, session: Session) -> None:
    session.execute("CREATE TABLE a (id int PRIMARY KEY, note varchar(9), more int)")
    with sandbox(server, name="adoption") as where:
        build(where, [FIRST, SECOND])
        found = compare(session, where)
    assert found.missing == ("index public.a_note",)
    assert found.extra == ("column public.a.more",)
    assert found.changed == ("column public.a.note",)
    assert 'Column public.a.note differs: "text" became "character varying(9)".' in found.said


def test_it_says_which_migration_fails_on_an_empty_database(server: Where) -> None:
    with pytest.raises(SandboxBuildFailed, match=r"002_example\.sql fails on an empty database.*relation \"a\""):
        with sandbox(server, name="x") as where:
            build(where, [SECOND])


def test_it_says_when_the_login_may_not_create_databases(server: Where, cluster: Cluster) -> None:
    role = unique("poor")
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'poor'".encode())
    poor = Where(cluster.dsn("postgres", user=role, password="poor"), name="the sandbox server")
    with pytest.raises(SandboxForbidden, match=r"permission denied to create database\. Its login needs CREATEDB"):
        with sandbox(poor, name="x"):
            pass
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP ROLE {role}".encode())
