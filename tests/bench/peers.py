"""Other tools that apply migrations: where each is looked for, and how it is told to apply a folder.

README.md says how to get them. None is a dependency: one that is missing is a row that says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.migrations import Migration

ROOT = Path(__file__).resolve().parent.parent.parent
#: Where README.md puts what comes from npm and PyPI.
PEERS = Path(os.environ.get("BENCH_PEERS", ROOT / "var" / "peers"))


@dataclass(frozen=True, slots=True)
class Job:
    """Commands to run in a folder, one after the other."""

    commands: tuple[tuple[str, ...], ...]
    folder: Path
    env: dict[str, str]

    def run(self) -> None:
        """Run them all; raises with the last words of the one that fails."""
        for command in self.commands:
            done = subprocess.run(command, cwd=self.folder, env={**os.environ, **self.env}, capture_output=True)
            if done.returncode:
                said = (done.stderr or done.stdout).decode(errors="replace").strip()
                raise RuntimeError(f"{Path(command[0]).name} {command[1:3]}: {said[-600:]}")


def psql_each(psql: Path, url: str, folder: Path, migrations: Sequence[Migration]) -> Job:
    """What a shell loop does: one psql, and so one connection, per file."""
    commands = [
        (str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(folder / one.file)) for one in migrations
    ]
    return Job(tuple(commands), folder, {})


def psql_once(psql: Path, url: str, folder: Path, migrations: Sequence[Migration]) -> Job:
    """One psql, one connection, all files: nothing is recorded anywhere."""
    files = [part for one in migrations for part in ("-f", str(folder / one.file))]
    return Job(((str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, *files),), folder, {})


def dbmate(url: str, folder: Path, migrations: Sequence[Migration]) -> Job | None:
    program = _found("dbmate", PEERS / "node_modules" / ".bin")
    if program is None:
        return None
    place = folder / "dbmate"
    place.mkdir()
    for one in migrations:
        text = f"-- migrate:up\n{one.body}\n-- migrate:down\n{one.back}\n"
        (place / f"{20240101000000 + one.number}_{one.title}.sql").write_text(text)
    given = ("--url", f"{url}?sslmode=disable", "--migrations-dir", str(place), "--no-dump-schema")
    return Job(((program, *given, "migrate"),), folder, {})


def sqitch(psql: Path, url: str, folder: Path, migrations: Sequence[Migration]) -> Job | None:
    program = _found("sqitch")
    if program is None:
        return None
    place = folder / "sqitch"
    (place / "deploy").mkdir(parents=True)
    (place / "revert").mkdir()
    (place / "sqitch.conf").write_text(f'[core]\n\tengine = pg\n[engine "pg"]\n\tclient = {psql}\n')
    plan = ["%syntax-version=1.0.0", "%project=bench", ""]
    for one in migrations:
        (place / "deploy" / f"{one.title}.sql").write_text(f"BEGIN;\n{one.body}COMMIT;\n")
        (place / "revert" / f"{one.title}.sql").write_text(f"BEGIN;\n{one.back}COMMIT;\n")
        plan.append(f"{one.title} 2024-01-01T00:00:00Z Bench <bench@example.org> # {one.title}")
    (place / "sqitch.plan").write_text("\n".join(plan) + "\n")
    env = {"SQITCH_FULLNAME": "Bench", "SQITCH_EMAIL": "bench@example.org", "SQITCH_CONFIG": str(place / "sqitch.conf")}
    return Job(((program, "deploy", "--no-verify", f"db:pg:{url.partition(':')[2]}"),), place, env)


def liquibase(url: str, folder: Path, migrations: Sequence[Migration]) -> Job | None:
    home = PEERS / "liquibase" / "node_modules" / "liquibase" / "dist"
    jar, java = home / "liquibase" / "liquibase.jar", shutil.which("java")
    if java is None or not jar.is_file():
        return None
    place = folder / "liquibase"
    place.mkdir()
    text = "".join(f"--changeset bench:{one.title}\n{one.body}--rollback {one.back}\n" for one in migrations)
    (place / "changelog.sql").write_text(f"--liquibase formatted sql\n{text}")
    parts = urlsplit(url)
    jars = [
        jar,
        *sorted((home / "liquibase" / "lib").glob("*.jar")),
        *sorted((home / "drivers").glob("postgresql*.jar")),
    ]
    command = (
        java, "-cp", os.pathsep.join(map(str, jars)), "liquibase.integration.commandline.Main",
        "--changeLogFile=changelog.sql", f"--url=jdbc:postgresql://{parts.hostname}:{parts.port}{parts.path}",
        f"--username={parts.username}", f"--password={parts.password}", "update",
    )  # fmt: skip
    return Job((command,), place, {})


def yoyo(url: str, folder: Path, migrations: Sequence[Migration]) -> Job | None:
    program = _found("yoyo", PEERS / "py" / "bin")
    if program is None:
        return None
    place = folder / "yoyo"
    place.mkdir()
    for one in migrations:
        (place / f"{one.number:04d}_{one.title}.sql").write_text(one.body)
        (place / f"{one.number:04d}_{one.title}.rollback.sql").write_text(one.back)
    database = url.replace("postgresql://", "postgresql+psycopg://", 1)
    command = (program, "apply", "--batch", "--no-config-file", "--database", database, str(place))
    return Job((command,), place, {})


def _found(program: str, *places: Path) -> str | None:
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    return shutil.which(program, path=path)
