"""Run a script under the probe, and look at the same deeds with other eyes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from changecontrol.local.postgres import Cluster
from changecontrol.rules.observed import BLOCKS_WRITERS, MODES, STRENGTH, Observed, strongest
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.outcome import Limits, Outcome
from changecontrol.targets.probe import Probe
from changecontrol.targets.runner import run
from tests.targets import stage

_WEAK = STRENGTH["ROW EXCLUSIVE"]
assert _WEAK < BLOCKS_WRITERS
_LIMITS = Limits(deadline_s=60, pause_ms=20, look_s=0.2)


@dataclass(frozen=True)
class Sum:
    """What a whole script did; locks no stronger than ROW EXCLUSIVE are left out."""

    locks: dict[str, str] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    scans: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def only(self, names: set[str]) -> Sum:
        """Locks on these relations alone."""
        return replace(self, locks={name: mode for name, mode in self.locks.items() if name in names})


class Templates:
    """Databases with a setup and a ledger, made once per server and cloned for each test."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], str] = {}

    @contextmanager
    def clone(self, cluster: Cluster, setup: Sequence[str]) -> Iterator[Where]:
        """A database of its own, with the setup and a ledger."""
        template = self._template(cluster, setup)
        name = stage.unique("clone")
        with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield Where(cluster.dsn(name), name="the copy")
        with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _template(self, cluster: Cluster, setup: Sequence[str]) -> str:
        key = (cluster.major, "\n".join(setup))
        if key not in self._made:
            self._made[key] = name = stage.unique("template")
            with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
            with psycopg.connect(cluster.dsn(name), autocommit=True) as owner:
                for statement in setup:
                    owner.execute(statement)
            with stage.registered(Where(cluster.dsn(name))):
                pass
        return self._made[key]


def rehearsed(where: Where, text: str, *, heard: stage.Heard | None = None) -> tuple[Outcome, list[Observed]]:
    """Run a script with a probe on a database that has a ledger."""
    of = stage.script(text)
    with connect(where, application_name="rehearsal") as session:
        probe = Probe(session)
        outcome = run(
            session, script=of, order=stage.order(of), probe=probe, on_event=heard or stage.Heard(), limits=_LIMITS
        )
    return outcome, probe.observed


def summed(observed: Sequence[Observed]) -> Sum:
    """Add the statements up."""
    locks: dict[str, str] = {}
    scans: dict[str, int] = {}
    rows: dict[str, int] = {}
    for one in observed:
        for name, mode in one.locks.items():
            locks[name] = strongest(mode, locks.get(name, ""))
        for counts, total in ((one.scans, scans), (one.rows, rows)):
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
    return Sum(
        locks={name: mode for name, mode in sorted(locks.items()) if STRENGTH[mode] > _WEAK},
        rewrites=tuple(sorted({name for one in observed for name in one.rewrites})),
        indexes=tuple(sorted({name for one in observed for name in one.indexes})),
        scans=scans,
        rows=rows,
    )


_NAMES = r"""SELECT c.oid, format('%I.%I', regexp_replace(nspname, '_temp_\d+$', '_temp'), relname),
relkind, pg_relation_filenode(c.oid) FROM pg_class c
JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname !~ '^(pg_catalog|pg_toast|information_schema|changecontrol)'"""


def independently(where: Where, statements: Sequence[str]) -> Sum:
    """Send the statements in one transaction and look around before it ends, over the views of the manual."""
    with psycopg.connect(where.dsn) as conn:
        conn.execute(
            "SET max_parallel_workers_per_gather = 0; SET max_parallel_maintenance_workers = 0; SET TimeZone = 'UTC'"
        )
        before = {row[0]: row[1:] for row in conn.execute(_NAMES)}
        conn.commit()
        for statement in statements:
            conn.execute(statement)
        after = {row[0]: row[1:] for row in conn.execute(_NAMES)}
        held: dict[int, str] = {}
        for oid, mode in conn.execute("SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND granted"):
            if oid in before and before[oid][1] in "rpvmSf":
                held[oid] = strongest(MODES[mode], held.get(oid, ""))
        counts: list[tuple[Any, ...]] = conn.execute(
            "SELECT relid, seq_tup_read, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables"
            " WHERE schemaname <> 'changecontrol'"
        ).fetchall()
        tables: dict[int, int] = dict(conn.execute("SELECT indexrelid, indrelid FROM pg_index").fetchall())
        conn.rollback()
    files = {row[2] for row in before.values()}
    names = {**{oid: row[0] for oid, row in after.items()}, **{oid: row[0] for oid, row in before.items()}}
    changed = [oid for oid, row in after.items() if row[2] and row[2] not in files]
    return Sum(
        locks={before[oid][0]: mode for oid, mode in held.items() if STRENGTH[mode] > _WEAK},
        rewrites=tuple(sorted(names[oid] for oid in changed if oid in before and after[oid][1] in "rm")),
        indexes=tuple(sorted(names[oid] for oid in changed if after[oid][1] == "i" and tables[oid] in before)),
        scans={names[oid]: scanned for oid, scanned, _rows in counts if scanned},
        rows={names[oid]: rows for oid, _scanned, rows in counts if rows},
    )
