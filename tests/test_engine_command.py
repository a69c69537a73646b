"""`manage.py engine`, as a person or a CI job calls it: a process of its own, without a database of ours."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.local.testing import Servers
from tests import engine_folders
from tests.targets.stage import unique, wait_for

ROOT = Path(__file__).resolve().parent.parent
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}

FINDING = {
    "type": "object",
    "required": ["rule", "severity", "line", "column", "message", "rewrite", "basis"],
    "properties": {
        "severity": {"enum": ["note", "warning", "error", "critical"]},
        "line": {"type": "integer", "minimum": 1},
        "column": {"type": "integer", "minimum": 1},
        "basis": {"enum": ["predicted", "observed"]},
    },
}
STATEMENT = {
    "type": "object",
    "required": ["line", "column", "sql", "ms", "locks", "rewrites", "indexes", "scans", "rows", "error"],
    "properties": {
        "ms": {"type": "number"},
        "locks": {"type": "object", "additionalProperties": {"type": "string"}},
        "rewrites": {"type": "array", "items": {"type": "string"}},
        "indexes": {"type": "array", "items": {"type": "string"}},
        "scans": {"type": "object", "additionalProperties": {"type": "integer"}},
        "rows": {"type": "object", "additionalProperties": {"type": "integer"}},
        "error": {"type": "string"},
    },
}
VERDICTS = ["exact", "order_only", "differs", "rollback_failed", "reapply_failed", "reapply_differs"]
VERDICTS += ["empty_rollback", "no_rollback", "forward_failed", "refused"]
REHEARSAL = {
    "type": "object",
    "required": ["migrations"],
    "properties": {
        "migrations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["number", "name", "verdict", "differences", "lossless", "lost", "statements", "findings"],
                "properties": {
                    "number": {"type": ["integer", "null"]},
                    "name": {"type": "string"},
                    "verdict": {"enum": VERDICTS},
                    "differences": {"type": "object", "additionalProperties": {"type": "array"}},
                    "lossless": {"type": ["boolean", "null"]},
                    "lost": {"type": "array", "items": {"type": "string"}},
                    "statements": {"type": "array", "items": STATEMENT},
                    "findings": {"type": "array", "items": FINDING},
                },
            },
        }
    },
}


@pytest.fixture(scope="module")
def server(servers: Servers) -> Cluster:
    return servers.target("targets")


@pytest.fixture
def dsn(server: Cluster) -> Iterator[str]:
    name = unique("c")
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} STRATEGY wal_log")
    yield server.dsn(name)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def environment(**more: str) -> dict[str, str]:
    """Neither a secret nor a database: both point nowhere."""
    left_out = ("SECRET_KEY", "CHANGECONTROL_", "DATABASE_", "PYTEST", "DJANGO_")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(left_out)}, **NOWHERE, **more}


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "engine", *map(str, arguments)]


def engine(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment(**more), capture_output=True, text=True, timeout=240)


def sandboxes(server: Cluster) -> list[str]:
    with psycopg.connect(server.dsn()) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'cc\\_sandbox%'").fetchall()
    return [name for (name,) in found]


def test_it_rehearses_on_a_server_of_its_own_and_writes_json(tmp_path: Path) -> None:
    folder = engine_folders.awful(tmp_path / "folder")
    done = engine("rehearse", folder, "--json", tmp_path / "out.json")
    assert done.returncode == 1, done.stderr
    value = json.loads((tmp_path / "out.json").read_text())
    jsonschema.validate(value, REHEARSAL)
    assert {one["name"]: one["verdict"] for one in value["migrations"]} == engine_folders.EXPECTED
    lines = done.stderr.splitlines()
    assert [line.split()[0] for line in lines] == list(engine_folders.EXPECTED.values())


@pytest.mark.parametrize("major", [17, 18])
def test_it_passes_a_good_folder_on_both_majors(tmp_path: Path, major: int) -> None:
    folder = engine_folders.good(tmp_path)
    done = engine("rehearse", folder, "--major", major, "--json", "-")
    value = json.loads(done.stdout)
    assert [one["verdict"] for one in value["migrations"]] == ["exact"] * 3
    assert done.returncode == 0, done.stdout


def test_two_rehearse_beside_each_other_on_one_server(tmp_path: Path, server: Cluster) -> None:
    folder = engine_folders.good(tmp_path)
    arguments = command("rehearse", folder, "--server", server.dsn(), "--json", "-")
    started = [
        subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=240)[0]) for process in started]
    assert [[one["verdict"] for one in value["migrations"]] for value in answers] == [["exact"] * 3] * 2
    assert sandboxes(server) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_no_sandbox_when_interrupted(tmp_path: Path, server: Cluster, number: signal.Signals) -> None:
    folder = engine_folders.put(tmp_path, {"001_long.sql": "SELECT pg_sleep(600);"})
    arguments = command("rehearse", folder, "--server", server.dsn())
    # tests that run in the background of a shell ignore SIGINT, and so would their children
    heard = functools.partial(signal.signal, number, signal.SIG_DFL)
    with subprocess.Popen(arguments, env=environment(), stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        try:
            wait_for(lambda: _sleeping(server), seconds=60)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130 and said.strip() == "Interrupted."
    assert sandboxes(server) == []


def _sleeping(server: Cluster) -> bool:
    with psycopg.connect(server.dsn()) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        row = connection.execute(query).fetchone()
    return bool(row and row[0])


def test_it_applies_lists_and_rolls_back(tmp_path: Path, dsn: str) -> None:
    folder = engine_folders.good(tmp_path)
    done = engine("apply", folder, "env:MY_DATABASE", "--to", 2, MY_DATABASE=dsn)
    assert (done.returncode, done.stdout) == (0, "2 applied\n"), done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["applied", "applied"]
    done = engine("status", folder, "--dsn", dsn, "--json", tmp_path / "status.json")
    assert done.returncode == 0 and "002_country" in done.stdout
    value = json.loads((tmp_path / "status.json").read_text())
    assert [one["state"] for one in value["migrations"]] == ["applied", "applied", "pending"]
    assert (value["environment"], value["signed"]) == ("unregistered", False)
    done = engine("rollback", folder, dsn, "--to", 0)
    assert (done.returncode, done.stdout) == (0, "2 rolled_back\n"), done.stderr


def test_it_fingerprints_and_compares(tmp_path: Path, dsn: str, server: Cluster) -> None:
    engine("apply", engine_folders.good(tmp_path), dsn)
    done = engine("fingerprint", dsn, "--json", tmp_path / "print.json")
    assert done.returncode == 0
    value = json.loads((tmp_path / "print.json").read_text())
    assert value["digest"] in done.stdout and "table public.sites" in value["objects"]
    done = engine("fingerprint", dsn, "--compare", server.dsn())
    assert done.returncode == 1 and "Table public.sites is missing." in done.stdout


def test_it_lints_in_the_formats_of_others(tmp_path: Path) -> None:
    folder = engine_folders.good(tmp_path)
    (folder / "003_named.sql").write_text(engine_folders.forward("TRUNCATE sites;", number="003"))
    assert engine("lint", folder).returncode == 1
    sarif = json.loads(engine("lint", folder, "--format", "sarif").stdout)
    places = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in sarif["runs"][0]["results"]]
    assert (folder / "003_named.sql").as_posix().lstrip("/") in " ".join(places)
    assert "::error file=" in engine("lint", folder, "--format", "github").stdout
    done = engine("lint", folder, "--json", "-")
    for one in json.loads(done.stdout)["migrations"]:
        jsonschema.validate(one["findings"], {"type": "array", "items": FINDING})
    assert engine("lint", folder, "--only", 2).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "VERB"),
        (("rehearse",), 2, "DIR"),
        (("rehearse", "FOLDER", "--server", ""), 2, "must not be empty"),
        (("rehearse", "FOLDER", "--seconds", "0"), 2, "must be more than 0"),
        (("lint", "FOLDER", "--only", "two"), 2, "is not a list of numbers"),
        (("rehearse", "/no/such/folder"), 2, "There is no folder /no/such/folder"),
        (("apply", "FOLDER"), 2, "needs a database"),
        (("apply", "FOLDER", "SERVER", "--to", "77"), 2, "no migration 077"),
        (("rollback", "FOLDER", "SERVER", "--to", "1", "--steps", "1"), 2, "not allowed with"),
        (("rehearse", "EMPTY"), 3, "holds no migration"),
        (("rehearse", "FOLDER", "--server", "postgresql://ada:s3cret@127.0.0.1:1/x"), 3, "nothing listens"),
        (("status", "FOLDER", "WRONG"), 3, "password"),
        (("status", "FOLDER", "s3cret is no dsn"), 3, "is not a connection string"),
        (("status", "FOLDER", "env:NOT_SET_ANYWHERE"), 3, "env:NOT_SET_ANYWHERE"),
    ],
)
def test_it_says_what_is_wrong_with_the_call(
    tmp_path: Path, server: Cluster, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS engine_wrong")
        admin.execute("CREATE ROLE engine_wrong LOGIN PASSWORD 'another'")
    wrong = server.dsn(user="engine_wrong", password="s3cret")
    folder = engine_folders.good(tmp_path / "folder")
    words = {"FOLDER": str(folder), "EMPTY": str(tmp_path / "empty"), "SERVER": server.dsn(), "WRONG": wrong}
    done = engine(*(words.get(word, word) for word in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "s3cret" not in done.stderr and "Traceback" not in done.stderr


def test_it_explains_every_verb() -> None:
    for verb in ("lint", "rehearse", "apply", "rollback", "status", "fingerprint"):
        done = engine(verb, "--help")
        assert done.returncode == 0 and "exit codes" in done.stdout
