"""The stage: migrations that can be held at any point, and the targets on which they run.

Every migration makes the same six steps on its own columns. A row in the table `gate` of a target holds whoever asks
for it, so a kill meets the moment it is meant for without any guess about time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from changecontrol.local import processes
from changecontrol.local.database import prepare_target
from changecontrol.local.postgres import Cluster
from changecontrol.targets import ledger
from tests.factories import header

Answer = TypeVar("Answer")

ROWS = 400
#: steps of the forward script; 4 and 5 build indexes CONCURRENTLY, 3 is batched
FIRST, SECOND, BATCHES, INDEX_A, INDEX_B, LAST = 1, 2, 3, 4, 5, 6
STEPS = 6
#: the transaction steps that can be held before their COMMIT, by the name of their gate
HOLDS = {FIRST: "first", SECOND: "second", LAST: "last"}
#: the tables of the two indexes; an open transaction on one holds up its build and no other step
INDEXED = {INDEX_A: "part", INDEX_B: "tally"}

SET_UP = f"""
CREATE TABLE gate (name text PRIMARY KEY);
CREATE FUNCTION hold(wanted text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WHILE EXISTS (SELECT FROM public.gate WHERE name = wanted) LOOP PERFORM pg_sleep(0.02); END LOOP;
END $$;
CREATE TABLE thing (id integer PRIMARY KEY);
INSERT INTO thing SELECT generate_series(1, {ROWS});
CREATE TABLE part AS SELECT id FROM thing;
CREATE TABLE tally (migration integer NOT NULL);
CREATE FUNCTION hold_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM public.hold('row ' || OLD.id); RETURN NEW; END $$;
CREATE TRIGGER hold_row BEFORE UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION hold_row();
"""

FORWARD = """BEGIN;
ALTER TABLE thing ADD COLUMN a_{n} integer;
SELECT hold('first');
COMMIT;

BEGIN;
ALTER TABLE thing ADD COLUMN b_{n} integer NOT NULL DEFAULT 0;
INSERT INTO tally (migration) VALUES ({mark});
SELECT hold('second');
COMMIT;

-- changecontrol: batch key=id size=40 expect>0
UPDATE thing SET a_{n} = id, b_{n} = b_{n} + 1 WHERE a_{n} IS NULL;

CREATE INDEX CONCURRENTLY part_{n} ON part (id);

CREATE INDEX CONCURRENTLY tally_{n} ON tally (migration);

BEGIN;
COMMENT ON COLUMN thing.a_{n} IS 'Filled in batches.';
SELECT hold('last');
COMMIT;
"""

ROLLBACK = """-- Rollback: {n} - small

DROP INDEX CONCURRENTLY IF EXISTS tally_{n};

DROP INDEX CONCURRENTLY IF EXISTS part_{n};

BEGIN;
DELETE FROM tally WHERE migration = {mark};
ALTER TABLE thing DROP COLUMN IF EXISTS b_{n};
ALTER TABLE thing DROP COLUMN IF EXISTS a_{n};
SELECT hold('back');
COMMIT;
"""


def mark(number: int) -> int:
    """What a migration adds to the table `tally`: nothing that a rehearsal would make up."""
    return 900_000_000 + number


def write_folder(folder: Path, *, migrations: int) -> Path:
    """Write that many migrations with their rollbacks; none depends on another."""
    (folder / "rollback").mkdir(parents=True)
    for number in range(1, migrations + 1):
        n = f"{number:03d}"
        (folder / f"{n}_small.sql").write_text(header(n, "none") + FORWARD.format(n=n, mark=mark(number)))
        (folder / "rollback" / f"{n}_rollback.sql").write_text(ROLLBACK.format(n=n, mark=mark(number)))
    return folder


class Stage:
    """One target database with its gates, seen by its administrator, who may look and hold but never helps."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.url = prepare_target(
            cluster.dsn(),
            database=name,
            role="diary_migration",
            password="migration-only-here",
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(SET_UP)

    @property
    def admin(self) -> str:
        return make_conninfo(self.cluster.dsn(), dbname=str(conninfo_to_dict(self.url)["dbname"]))

    def patiently(self, ask: Callable[[psycopg.Connection[Any]], Answer]) -> Answer:
        """Ask over a fresh connection; again while the server recovers from a killed backend."""
        found: list[Answer] = []

        def answered() -> bool:
            with suppress(psycopg.OperationalError):
                with psycopg.connect(self.admin, autocommit=True, application_name="kill test") as connection:
                    found.append(ask(connection))
            return bool(found)

        assert processes.wait_until(answered, seconds=60), f"{self.name} does not answer"
        return found[0]

    def ask(self, statement: str, *values: Any) -> list[Any]:
        """Send one statement and return its rows."""

        def send(connection: psycopg.Connection[Any]) -> list[Any]:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

        return self.patiently(send)

    def rows(self) -> list[ledger.LedgerRow]:
        """Return the ledger, oldest row first."""
        return self.patiently(ledger.rows)

    def on(self, number: int, direction: str) -> set[int]:
        """Return the steps of a migration's script that are done."""
        net = ledger.net(self.rows(), migration=number)
        return set(net.steps_done if direction == "forward" else net.rollback_done)

    def half_built(self, number: int, step: int) -> bool:
        """Whether an INVALID index of that step is left."""
        name = f"{INDEXED.get(step, '')}_{number:03d}"
        return bool(self.ask("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid", name))

    def shut(self, gate: str) -> None:
        self.ask("INSERT INTO gate VALUES (%s) ON CONFLICT DO NOTHING", gate)

    def open(self, *, but: str = "") -> None:
        """Let go whoever is held, except at the gate `but`."""
        self.ask("DELETE FROM gate WHERE name <> %s", but)

    def held(self, application: str) -> int | None:
        """Return the backend of a run that is held at a gate now."""
        return self._backend("application_name = %s AND wait_event = 'PgSleep'", application)

    def waits_in(self, application: str, statement: str) -> int | None:
        """Return the backend of a run whose statement, beginning so, waits for a lock now."""
        return self._backend(
            "application_name = %s AND wait_event_type = 'Lock' AND query ILIKE %s", application, f"{statement}%"
        )

    def backend(self, application: str) -> int | None:
        """Return the backend of a run, whatever it does."""
        return self._backend("application_name = %s", application)

    def _backend(self, condition: str, *values: Any) -> int | None:
        rows = self.ask(f"SELECT pid FROM pg_stat_activity WHERE {condition}", *values)
        return int(rows[0][0]) if rows else None

    @contextmanager
    def holding(self, statement: str) -> Iterator[Callable[[], None]]:
        """Hold a lock in an open transaction; gives what releases it early. A crash of the server releases it too."""
        with psycopg.connect(self.admin, application_name="kill test") as connection:
            connection.execute(statement.encode())

            def release() -> None:
                with suppress(psycopg.OperationalError):
                    connection.rollback()

            try:
                yield release
            finally:
                release()
                connection.close()


def wait_until(condition: Callable[[], Any], what: str, *, seconds: float = 240) -> None:
    """Return once the condition holds; fail otherwise."""
    assert processes.wait_until(lambda: bool(condition()), seconds=seconds), f"{what}: not within {seconds:.0f} s"
