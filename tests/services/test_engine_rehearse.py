"""`engine.rehearse`: a verdict for every migration of a folder, whatever is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.local.testing import Servers
from changecontrol.services.engine import rehearsing
from changecontrol.services.engine.base import Excluded, NothingThere
from changecontrol.services.engine.rehearsing import rehearse
from tests import engine_folders


@pytest.fixture(scope="module")
def server(servers: Servers) -> Cluster:
    """A server of its own: roles belong to the whole of it."""
    return servers.new_cluster("engine")


@pytest.fixture(scope="module")
def awful(server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The entries of the awful folder by name."""
    folder = engine_folders.awful(tmp_path_factory.mktemp("awful"))
    report = rehearse(folder=folder, server=server.dsn())
    assert not report.fine
    return {one["name"]: one for one in report.value["migrations"]}


def databases(server: Cluster) -> list[str]:
    with psycopg.connect(server.dsn()) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'cc\\_sandbox%'").fetchall()
    return [name for (name,) in rows]


def roles(server: Cluster) -> list[str]:
    with psycopg.connect(server.dsn()) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'engine\\_test%'").fetchall()
    return [name for (name,) in rows]


def test_it_gives_every_file_its_verdict_and_never_stops(awful: dict[str, dict[str, Any]], server: Cluster) -> None:
    found = {name: one["verdict"] for name, one in awful.items()}
    other = {name: one["sentence"] for name, one in awful.items() if found[name] != engine_folders.EXPECTED[name]}
    assert found == engine_folders.EXPECTED, other
    assert databases(server) == [] and roles(server) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("004_meta_command", "is a command of psql"),
        ("005_copy_from_stdin", "COPY"),
        ("006_latin1", "is not UTF-8"),
        ("011_role_missing", 'role "nobody_made_this_role" does not exist'),
        ("012_extension_missing", "no_such_extension"),
        ("013_twice", "the same number as 013_twice_again.sql"),
        ("no_number", "has no number in front"),
        ("023_rollback_is_psql", "rollback/023_rollback.sql"),
    ],
)
def test_it_says_why(awful: dict[str, dict[str, Any]], name: str, said: str) -> None:
    assert said in awful[name]["sentence"]


def test_it_accepts_a_way_back_that_is_declared_to_be_none(awful: dict[str, dict[str, Any]]) -> None:
    assert awful["019_forward_fix_only"]["passed"] is True
    assert awful["003_after_a_gap_without_rollback"]["passed"] is False


def test_it_lists_what_a_rollback_left(awful: dict[str, dict[str, Any]]) -> None:
    assert awful["016_rollback_differs"]["differences"]["extra"] == ["column public.t1.b"]


def test_it_passes_a_good_folder(server: Cluster, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    report = rehearse(folder=engine_folders.good(tmp_path), server=server.dsn(), on_migration=told.append)
    assert [(one["number"], one["verdict"], one["lossless"]) for one in told] == [
        (1, "exact", True),
        (2, "exact", True),
        (3, "exact", True),
    ]
    added = told[1]["statements"][0]
    assert (added["line"], added["column"]) == (9, 1)
    assert added["locks"] == {"public.sites": "ACCESS EXCLUSIVE"}
    assert report.fine, [one["findings"] for one in told]


def test_it_proves_only_what_is_asked_for_on_what_comes_before(server: Cluster, tmp_path: Path) -> None:
    report = rehearse(folder=engine_folders.good(tmp_path), server=server.dsn(), only=[2])
    assert [(one["number"], one["verdict"]) for one in report.value["migrations"]] == [(2, "exact")]


def test_it_stops_at_the_first_when_asked(server: Cluster, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    (folder / "rollback" / "001_rollback.sql").unlink()
    report = rehearse(folder=folder, server=server.dsn(), stop_at_first=True)
    assert [one["verdict"] for one in report.value["migrations"]] == ["no_rollback"]


def test_it_leaves_no_sandbox_when_interrupted(server: Cluster, tmp_path: Path) -> None:
    def interrupt(told: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse(folder=engine_folders.awful(tmp_path), server=server.dsn(), on_migration=interrupt)
    assert databases(server) == []


def test_it_refuses_an_empty_folder_and_numbers_that_are_not_there(server: Cluster, tmp_path: Path) -> None:
    with pytest.raises(NothingThere):
        rehearse(folder=tmp_path, server=server.dsn())
    with pytest.raises(Excluded, match="007"):
        rehearse(folder=engine_folders.good(tmp_path), server=server.dsn(), only=[7])


def test_it_goes_on_where_the_rehearsal_of_one_breaks(
    server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove = rehearsing.prove

    def breaking(where: Any, **given: Any) -> Any:
        if given["forward"].file == "002_country.sql":
            raise RuntimeError("a mistake of ours")
        return prove(where, **given)

    monkeypatch.setattr(rehearsing, "prove", breaking)
    folder = engine_folders.good(tmp_path)
    needs = engine_folders.forward("COMMENT ON COLUMN sites.country IS 'x';", number="003")
    back = "COMMENT ON COLUMN sites.country IS NULL;"
    engine_folders.put(folder, {"003_named.sql": needs, "rollback/003_rollback.sql": back})
    report = rehearse(folder=folder, server=server.dsn())
    found = report.value["migrations"]
    assert [one["verdict"] for one in found] == ["exact", "refused", "exact"] and not report.fine
    assert "could not be rehearsed. RuntimeError: a mistake of ours" in found[1]["sentence"]


def test_it_refuses_a_file_that_is_too_large_and_goes_on(server: Cluster, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    (folder / "002_country.sql").write_bytes(b"-- " + b"x" * (1 << 20) + b"\n")
    report = rehearse(folder=folder, server=server.dsn())
    assert [one["verdict"] for one in report.value["migrations"]] == ["exact", "refused", "exact"]
    assert "1048576" in report.value["migrations"][1]["sentence"]


def test_a_verify_script_that_cannot_be_read_is_a_finding(server: Cluster, tmp_path: Path) -> None:
    folder = engine_folders.put(engine_folders.good(tmp_path), {"verify/001_verify.sql": "DELETE FROM sites;"})
    report = rehearse(folder=folder, server=server.dsn(), only=[1])
    (found,) = report.value["migrations"]
    assert found["verdict"] == "exact" and not report.fine
    assert [one["file"] for one in found["findings"] if one["rule"] == "refused"] == ["verify/001_verify.sql"]


def test_it_copies_a_database_that_somebody_is_connected_to(server: Cluster, tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    made = "ALTER TABLE sites ADD COLUMN country text; CREATE ROLE engine_test_visited;"
    back = "DROP ROLE engine_test_visited; ALTER TABLE sites DROP COLUMN country;"
    engine_folders.put(folder, {"002_country.sql": made, "rollback/002_rollback.sql": back})
    visitors: list[psycopg.Connection[Any]] = []

    def visit(told: dict[str, Any]) -> None:
        """Somebody looks at every database of the rehearsal, and stays."""
        for name in databases(server):
            visitors.append(psycopg.connect(server.dsn(name)))

    report = rehearse(folder=folder, server=server.dsn(), on_migration=visit)
    for visitor in visitors:
        visitor.close()
    assert [one["verdict"] for one in report.value["migrations"]] == ["exact", "exact", "exact"]
    assert databases(server) == [] and roles(server) == []


def test_a_script_that_ends_sessions_fails_alone(tmp_path: Path, server: Cluster) -> None:
    files = {
        "001_good.sql": engine_folders.forward("CREATE TABLE t (id int PRIMARY KEY);"),
        "002_ends_itself.sql": "SELECT pg_terminate_backend(pg_backend_pid());",
        "003_ends_all.sql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IS NOT NULL;",
        "004_makes_a_role.sql": "DO $$ BEGIN EXECUTE format('CREATE ROLE %I', 'engine_' || 'test_made'); END $$;",
        "005_good.sql": engine_folders.forward("ALTER TABLE t ADD name text;", number="005"),
    }
    backs = {f"rollback/{name[:3]}_rollback.sql": "SELECT 1;" for name in files}
    backs |= {"rollback/001_rollback.sql": "DROP TABLE t;", "rollback/005_rollback.sql": "ALTER TABLE t DROP name;"}
    report = rehearse(folder=engine_folders.put(tmp_path, {**files, **backs}), server=server.dsn())
    found = [one["verdict"] for one in report.value["migrations"]]
    assert found == ["exact", "forward_failed", "forward_failed", "reapply_failed", "exact"], report.value
    assert "terminating connection" in report.value["migrations"][1]["sentence"]
    assert databases(server) == [] and roles(server) == []


def test_a_name_that_is_no_text_is_one_refusal(tmp_path: Path, server: Cluster) -> None:
    engine_folders.put(tmp_path, {"001_good.sql": engine_folders.forward("SELECT 1;")})
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/002_Troms\xf8.sql"))).write_text("SELECT 1;")
    (tmp_path / "003_a_folder.sql").mkdir()
    value = rehearse(folder=tmp_path, server=server.dsn()).value
    told = value["migrations"]
    assert [one["verdict"] for one in told] == ["no_rollback", "refused"]
    assert [one["file"] for one in value["findings"]] == ["003_a_folder.sql"]
    assert "The name of 002_Troms\\xf8.sql is not UTF-8" in told[1]["sentence"]


def test_what_goes_on_too_long_or_locks_out_is_one_verdict(tmp_path: Path, server: Cluster) -> None:
    login = (
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no login'; END $$;"
        " CREATE EVENT TRIGGER no ON login EXECUTE FUNCTION no();"
    )
    engine_folders.write(
        tmp_path,
        **{
            "001_loops_back": "CREATE TABLE t (id int PRIMARY KEY);",
            "rollback__001_rollback": "DO $$ BEGIN LOOP NULL; END LOOP; END $$;",
            "002_needs_it": "ALTER TABLE t ADD name text;",
            "rollback__002_rollback": "ALTER TABLE t DROP name;",
            "003_needs_rows": "DO $$ BEGIN IF NOT EXISTS (SELECT FROM t) THEN RAISE 'no rows'; END IF; END $$;",
            "rollback__003_rollback": "SELECT 1;",
            "004_locks_out": login,
            "rollback__004_rollback": "DROP EVENT TRIGGER no; DROP FUNCTION no();",
            "005_finds_it_locked": "SELECT 1;",
            "rollback__005_rollback": "SELECT 1;",
        },
    )
    told = rehearse(folder=tmp_path, server=server.dsn(), seconds=6).value["migrations"]
    found = [one["verdict"] for one in told]
    assert found == ["rollback_failed", "exact", "forward_failed", "exact", "forward_failed"], told
    assert "took longer" in told[0]["sentence"] and "no rows" in told[2]["sentence"]
    assert databases(server) == []
