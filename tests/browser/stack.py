"""One whole installation for browser tests: web, beat and a worker per environment, on a database of their own."""

from __future__ import annotations

import http.client
import os
import re
import shutil
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from changecontrol.local import processes
from changecontrol.local.installation import ENVIRONMENTS, Installation
from changecontrol.local.places import make_folder
from changecontrol.local.supervisor import Supervisor
from changecontrol.local.testing import Servers
from changecontrol.management.journey import Journey
from changecontrol.models import ChangeRequest, Target
from changecontrol.rules.lifecycle import Status
from tests import factories

ROOT = Path(__file__).resolve().parents[2]
READY_S = 180.0
PATIENCE_S = 180.0
WATCH_SECONDS = 4
COLUMNS = """SELECT attname FROM pg_attribute
 WHERE starts_with(attname, %s) AND NOT attisdropped AND attrelid::regclass::text IN ('sites', 'participants')
"""
VERIFY = """SELECT 'the column is there' AS name, count(*) = 1 AS ok
  FROM pg_catalog.pg_attribute
 WHERE attrelid = to_regclass('public.sites') AND attname = '{name}' AND NOT attisdropped;
"""


class Stack:
    """The programs of `manage.py demo` around the test's own servers; `start` before use, `stop` in any case.

    `repository` is a copy of migrations_repo that tests add files to; `url` has no slash at its end.
    """

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.servers, self.folder = servers, folder
        self.repository = folder / "migrations_repo"
        shutil.copytree(ROOT / "migrations_repo", self.repository)
        self.port = processes.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dsns = {name: factories.empty_database(servers, name) for name in ENVIRONMENTS}
        self.references = {name: f"env:CHANGECONTROL_TARGET_{name.upper()}" for name in ENVIRONMENTS}
        self.places: list[Target] = []
        self.told: list[str] = []
        self.journey = Journey(password=factories.PASSWORD, say=self.told.append, patience=PATIENCE_S)
        self._supervisor = Supervisor(on_event=self.told.append)

    def start(self) -> None:
        """Start every program and wait until each answers."""
        here = Installation(ROOT, self.folder / "installation", port=self.port)
        make_folder(here.folder)
        env = here.environment(
            {
                "DATABASE_URL": os.environ["DATABASE_URL"],
                "REDIS_URL": self.servers.broker.url,
                "CHANGECONTROL_APP_ROLE": self.servers.database.app_role,
                "CHANGECONTROL_REPOSITORY": str(self.repository),
                "CHANGECONTROL_BACKUPS": str(self.folder / "backups"),
                "CHANGECONTROL_WATCH_SECONDS": str(WATCH_SECONDS),
                "CHANGECONTROL_SWEEP_SECONDS": "1",
                "SECRET_KEY": os.environ["SECRET_KEY"],
            }
        )
        sandbox = {
            "CHANGECONTROL_SANDBOX": "env:CHANGECONTROL_SANDBOX_DSN",
            "CHANGECONTROL_SANDBOX_DSN": self.servers.target("development").dsn(),
        }
        own = {name: {f"CHANGECONTROL_TARGET_{name.upper()}": self.dsns[name], **sandbox} for name in ENVIRONMENTS}
        programs = here.programs(env, own)
        self._supervisor.start_programs([one for one in programs if one.name != "beat"])
        self._supervisor.wait_for("web", lambda _: self._healthy(), seconds=READY_S)
        for name in ENVIRONMENTS:
            self._supervisor.wait_for(f"worker-{name}", _is_ready, seconds=READY_S)
        self._supervisor.start_programs([one for one in programs if one.name == "beat"])

    def stop(self) -> None:
        """End every program; nothing is left when it returns."""
        self._supervisor.stop()

    def logs(self) -> str:
        """Return the ends of all logs, for a failure."""
        files = sorted((self.folder / "installation" / "log").glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # Set-up and looking ---------------------------------------------------------------------------------------------

    def found(self) -> ChangeRequest:
        """Register the targets and walk migration 001 to production: what everything else rests on."""
        self.places = self.journey.set_up_places(self.references)
        return self.journey.walk(1, until=Status.DEPLOYED)

    def add(self, name: str, forward: str, rollback: str, *, verify: str = "") -> int:
        """Put a migration with the next number into the folder; returns the number."""
        number = self._next()
        head = f"{number:03d} - {name.replace('_', ' ').capitalize()}"
        text = factories.header(f"{number:03d}", "001").replace(f"{number:03d} - small", head, 1)
        self.write(f"{number:03d}_{name}.sql", text + forward)
        self.write(f"rollback/{number:03d}_rollback.sql", f"-- Rollback: {head}\n\n{rollback}")
        if verify:
            self.write(f"verify/{number:03d}_verify.sql", f"-- Verify: {head}\n\n{verify}")
        return number

    def add_note(self, name: str) -> int:
        """Add a harmless migration NNN: a column `name_NNN` at `sites`."""
        number = self._next()
        column = f"{name}_{number}"
        does = f"ALTER TABLE sites ADD COLUMN {column} text;\nCOMMENT ON COLUMN sites.{column} IS 'A note';"
        undoes = f"BEGIN;\nALTER TABLE sites DROP COLUMN {column};\nCOMMIT;\n"
        return self.add(f"add_{name}", f"BEGIN;\n{does}\nCOMMIT;\n", undoes, verify=VERIFY.format(name=column))

    def _next(self) -> int:
        return 1 + max(int(path.name[:3]) for path in self.repository.glob("[0-9]*.sql"))

    def write(self, name: str, text: str) -> None:
        """Write one file of the migrations folder."""
        (self.repository / name).write_text(text, encoding="utf-8")

    def submitted(self, number: int) -> ChangeRequest:
        """Open, document and submit a migration through the verbs; it was not run on development, so it stays."""
        return self.journey.submit(self.journey.open(number))

    def change(self, code: str) -> ChangeRequest:
        """Return a change as the database has it now."""
        return ChangeRequest.objects.get(code=code)

    def rows(self, environment: str, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Ask a target something as its migration role."""
        with psycopg.connect(self.dsns[environment], row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def columns(self, environment: str, name: str) -> list[str]:
        """Return the columns on a target whose names begin with `name`."""
        return [row["attname"] for row in self.rows(environment, COLUMNS, name)]

    def send(self, environment: str, statement: str) -> None:
        """Change something on a target as its migration role, past the product."""
        with psycopg.connect(self.dsns[environment], autocommit=True) as connection:
            connection.execute(statement.encode())

    def approved(self, number: int) -> ChangeRequest:
        """Walk a migration through the verbs until its reviews are signed."""
        return self.journey.walk(number, until=Status.APPROVED)

    def ledger(self, environment: str, number: int, direction: str = "forward") -> list[dict[str, Any]]:
        """Return the rows that call a step of this migration done on a target, oldest first."""
        found = self.rows(environment, "SELECT * FROM changecontrol.ledger WHERE kind = 'done' ORDER BY id")
        return [row for row in found if (row["direction"], row["migration"]) == (direction, number)]


def _is_ready(said: str) -> bool:
    return re.search(r"@\S+ ready", said) is not None
