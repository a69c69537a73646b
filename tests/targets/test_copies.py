"""A copy is what it is of, and always goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from changecontrol.local.postgres import Cluster
from changecontrol.local.testing import Servers
from changecontrol.targets import backup, sandbox
from changecontrol.targets.archives import CopyFailed
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.copies import build_copy
from changecontrol.targets.sandbox import PREFIX, SandboxBuildFailed
from changecontrol.targets.snapshot import catalog, differences
from tests.targets.rehearsals import run
from tests.targets.stage import one, script, unique, wait_for

FILLED = """
CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
INSERT INTO people (name) VALUES ('Ada');
GRANT SELECT ON people TO {0}_reader; GRANT USAGE ON SCHEMA public TO {0}_reader;
ALTER TABLE people ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON people FOR SELECT TO {0}_reader USING (id = 1);
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {0}_reader;
COMMENT ON TABLE people IS 'People.';
CREATE SCHEMA changecontrol; CREATE TABLE changecontrol.ledger (id int);
"""


@pytest.fixture(scope="module")
def apart(servers: Servers) -> Iterator[Cluster]:
    """A server for sandboxes that knows nothing of the target's."""
    cluster = servers.new_cluster("sandboxes")
    yield cluster
    cluster.stop()


@pytest.fixture
def server(apart: Cluster) -> Where:
    """Reached as a role that may make databases and roles, and is no superuser."""
    with psycopg.connect(apart.dsn(), autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'maker'").fetchone():
            admin.execute("CREATE ROLE maker LOGIN PASSWORD 'maker' CREATEDB CREATEROLE BYPASSRLS")
    return Where(apart.dsn("postgres", user="maker", password="maker"), name="the sandbox server")


@pytest.fixture
def target(where: Where, cluster: Cluster) -> Iterator[tuple[Where, str]]:
    """A filled target that a role without superuser's rights migrates, and the beginning of its roles' names."""
    name, database = unique("clinic"), str(conninfo_to_dict(where.dsn)["dbname"])
    run(where, f"CREATE ROLE {name} LOGIN PASSWORD 'secret' CREATEROLE BYPASSRLS; CREATE ROLE {name}_reader")
    run(where, f"ALTER DATABASE {database} OWNER TO {name}")
    of = Where(cluster.dsn(database, user=name, password="secret"), name="staging")
    run(of, FILLED.format(name))
    yield of, name
    run(where, f"DROP OWNED BY {name}_reader CASCADE")
    run(where, f"DROP OWNED BY {name} CASCADE; ALTER DATABASE {database} OWNER TO postgres")
    run(where, f"DROP ROLE {name}, {name}_reader")


def found_on(cluster: Cluster, query: str) -> list[str]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        return [name for (name,) in admin.execute(query.encode()).fetchall()]


def left(cluster: Cluster) -> list[str]:
    """Sandboxes and roles of copies."""
    databases = found_on(cluster, f"SELECT datname FROM pg_database WHERE starts_with(datname, '{PREFIX}')")
    return databases + found_on(cluster, "SELECT rolname FROM pg_roles WHERE rolname ~ '^(clinic|made)_'")


def test_a_copy_of_a_schema_compares_as_the_same(target: tuple[Where, str], server: Where, apart: Cluster) -> None:
    of, name = target
    with build_copy(server, kind="schema", of=of) as copy:
        with connect(copy.where, application_name="x") as there, connect(of, application_name="x") as session:
            found = differences(catalog(session), catalog(there))
            assert found.verdict == "exact", found.said[0]
            assert one(there, "SELECT count(*) FROM people") == 0
            assert one(there, "SELECT current_user") == name
            assert one(there, "SELECT to_regclass('changecontrol.ledger')") is None
        where, basis = copy
        assert (basis.kind, basis.of, basis.major, basis.not_comparable) == ("schema", "staging", 18, "")
        assert basis.extensions == {"plpgsql": "1.0"} and where is copy.where
        run(where, "DROP TABLE people; CREATE TABLE more (id int)")
        copy.restore()
        with connect(where, application_name="x") as there:
            assert one(there, "SELECT count(*) FROM people") == 0 and one(there, "SELECT to_regclass('more')") is None
    assert left(apart) == []


def test_a_copy_of_a_dump_has_its_rows(
    target: tuple[Where, str], server: Where, apart: Cluster, tmp_path: Path
) -> None:
    made = backup.dump(target[0], tmp_path / "x.dump")
    with build_copy(server, kind="copy", of=target[0], dump=made.path) as (where, basis):
        with connect(where, application_name="x") as there:
            assert one(there, "SELECT name FROM people") == "Ada"
            assert one(there, "SELECT to_regclass('changecontrol.ledger')") is None
            assert one(there, "SELECT has_schema_privilege('public', 'public', 'USAGE')")
        assert (basis.kind, basis.not_comparable) == ("copy", "")
    assert left(apart) == []


def test_a_copy_of_migrations_runs_them_in_order(server: Where, apart: Cluster) -> None:
    first = script("CREATE ROLE made_here; CREATE TABLE a (id int);", file="001_first.sql")
    second = script("ALTER TABLE a ADD b int; GRANT SELECT ON a TO made_here;", file="002_second.sql")
    with build_copy(server, kind="migrations", before=[first, second]) as copy:
        with connect(copy.where, application_name="x") as there:
            assert one(there, "SELECT count(b) FROM a") == 0
        assert copy.basis.preceded_by == ("001_first.sql", "002_second.sql")
        assert "made_here" in left(apart)
        copy.restore()
    assert left(apart) == []


def test_another_version_proves_nothing(target: tuple[Where, str], older_cluster: Cluster) -> None:
    older = Where(older_cluster.dsn(), name="the sandbox server")
    with build_copy(older, kind="schema", of=target[0]) as copy:
        assert copy.basis.not_comparable == "the sandbox server runs PostgreSQL 17, the target 18."
        with connect(copy.where, application_name="x") as there:
            assert one(there, "SELECT count(*) FROM people") == 0
    assert left(older_cluster) == []


def test_missing_extensions_prove_nothing(target: tuple[Where, str], server: Where, where: Where) -> None:
    run(where, "UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql'")
    with build_copy(server, kind="schema", of=target[0]) as copy:
        assert copy.basis.not_comparable == "the sandbox server lacks plpgsql 0.9."


def test_a_copy_has_the_encoding_of_its_target(cluster: Cluster, server: Where) -> None:
    name = unique("latin")
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'".encode())
    try:
        with build_copy(server, kind="schema", of=Where(cluster.dsn(name), name="staging")) as copy:
            with connect(copy.where, application_name="x") as there:
                assert one(there, "SHOW server_encoding") == "LATIN1"
    finally:
        with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name}".encode())


def test_it_says_why_a_copy_cannot_be_made(server: Where, apart: Cluster, tmp_path: Path) -> None:
    (tmp_path / "x.dump").write_text("no dump")
    with pytest.raises(CopyFailed, match=r"No copy of the backup x\.dump .*does not appear to be a valid archive"):
        with build_copy(server, kind="copy", dump=tmp_path / "x.dump"):
            pass
    wrong = script("ALTER TABLE a ADD b int;", file="001_first.sql")
    with pytest.raises(SandboxBuildFailed, match=r"001_first\.sql fails"):
        with build_copy(server, kind="migrations", before=[wrong]):
            pass
    assert left(apart) == []


@pytest.mark.parametrize("doing", ["sys.stdin.read()", "connect(copy.where, application_name='x').execute(SLEEP)"])
def test_a_sweep_takes_the_dead_at_once_and_the_living_never(server: Where, apart: Cluster, doing: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from changecontrol.targets.connection import Where, connect\n"
        "from changecontrol.targets.copies import build_copy\n"
        "SLEEP = 'SELECT pg_sleep(600)'\n"
        "from changecontrol.rules.script import parse, Direction\n"
        "made = parse(b'CREATE ROLE made_there; CREATE TABLE a (id int);', file='1.sql', direction=Direction.FORWARD)\n"
        "with build_copy(Where(os.environ['DSN']), kind='migrations', before=[made]) as copy:\n"
        "    print('built', flush=True)\n"
        f"    {doing}\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "DSN": server.dsn},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as maker:
        assert maker.stdout is not None and maker.stdout.readline() == b"built\n"
        living = left(apart)
        assert len(living) == 2
        assert sandbox.sweep(server) == () and left(apart) == living
        maker.send_signal(signal.SIGKILL)
        maker.wait()
    with connect(server, application_name="x") as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        wait_for(lambda: session.execute(query, (living[0],)).fetchone() == (0,))
    assert sandbox.sweep(server) == (living[0],) and left(apart) == []
