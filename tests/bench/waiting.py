"""Experiment b: instant changes of a table that long readers hold, and what eight users of it feel meanwhile.

Every policy meets the same readers and users, each a process of its own, on one server.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from changecontrol.local.postgres import Cluster
from changecontrol.targets.connection import Where
from changecontrol.targets.outcome import Limits
from changecontrol.targets.runner import run
from tests.bench.report import Row
from tests.bench.users import Felt, crowd
from tests.targets.stage import Heard, order, registered, script

_CROWD = ("select",) * 4 + ("update",) * 4 + ("reader",) * 2
_THINK_MS = 5.0
_BETWEEN_S = 0.5
_SETUP = "CREATE TABLE hot (id int PRIMARY KEY, v int); INSERT INTO hot SELECT n, 0 FROM generate_series(1, 10000) n"
_Policy = Callable[[Cluster, str], int]


def measure(quick: bool) -> list[Row]:
    """What users feel under each policy, beside what they feel with nobody changing anything."""
    changes = 3 if quick else 15
    with tempfile.TemporaryDirectory(prefix="bench-") as kept:
        folder = Path(kept)
        folder.chmod(0o711)
        with Cluster(folder / "server", name="bench") as cluster:
            try:
                with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
                    admin.execute(_SETUP)
                return _measured(cluster, changes, idle_s=8 if quick else 30)
            finally:
                cluster.stop()
                cluster.remove()


def _measured(cluster: Cluster, changes: int, *, idle_s: float) -> list[Row]:
    with crowd(cluster.dsn(), _CROWD, think_ms=_THINK_MS) as idle:
        threading.Event().wait(idle_s)
    p99 = idle.percentile(0.99)
    found = [Row("b", "nobody changes anything: users' p99", p99, "ms", note=f"{len(idle.ms)} answers")]
    for name, policy in (("ours", _ours), ("psql, no timeout", _psql), ("500 ms, retried", _half_a_second)):
        felt, attempts, worst = _under(cluster, policy, name.split(",")[0].replace(" ", "_"), changes)
        mine = name == "ours"
        ratio, note = felt.percentile(0.99) / p99, f"worst answer {max(felt.ms):.0f} ms"
        found.append(
            Row("b", f"{name}: users' p99", felt.percentile(0.99), "ms", ratio, "<= 4 x nobody" if mine else "",
                ratio <= 4 if mine else None, note)
        )  # fmt: skip
        stalled = felt.stalled
        print(f"   {name}: {felt.percentile(0.99):.1f} ms, {stalled:.2f} % over 200 ms", file=sys.stderr, flush=True)
        note = f"{felt.stalled_time(_THINK_MS):.1f} % of their time; {attempts} tries for {changes} changes, "
        note += f"the slowest {worst:.1f} s"
        found.append(
            Row("b", f"{name}: users over 200 ms", stalled, "%", None, "0 %" if mine else "",
                stalled == 0 if mine else None, note)
        )  # fmt: skip
    return found


def _under(cluster: Cluster, policy: _Policy, name: str, changes: int) -> tuple[Felt, int, float]:
    """What users felt, how many tries it took, and the longest a change took."""
    attempts, worst = 0, 0.0
    with crowd(cluster.dsn(), _CROWD, think_ms=_THINK_MS) as felt:
        for number in range(changes):
            since = time.perf_counter()
            attempts += policy(cluster, f"ALTER TABLE hot ADD COLUMN by_{name}_{number} int;")
            worst = max(worst, time.perf_counter() - since)
            threading.Event().wait(_BETWEEN_S)
    return felt, attempts, worst


def _ours(cluster: Cluster, sql: str) -> int:
    parsed, heard = script(sql), Heard()
    with registered(Where(cluster.dsn(), name="bench")) as session:
        number = int(sql.split("_")[-1].split()[0]) + 2
        outcome = run(
            session, script=parsed, order=order(parsed, migration=number), on_event=heard, limits=Limits(deadline_s=120)
        )
    assert outcome.state == "succeeded", outcome
    return 1 + len(heard.of("retry"))


def _psql(cluster: Cluster, sql: str) -> int:
    environment = {**os.environ, "PGPASSWORD": cluster.password}
    subprocess.run(
        [cluster.psql, "-qX", "-v", "ON_ERROR_STOP=1", "-d", cluster.dsn(), "-c", sql], check=True, env=environment
    )
    return 1


def _half_a_second(cluster: Cluster, sql: str) -> int:
    """lock_timeout 500 ms, tried again after a second, jittered."""
    tries, dice = 0, random.Random(1)
    with psycopg.connect(cluster.dsn(), autocommit=True) as conn:
        conn.execute("SET lock_timeout = '500ms'")
        while True:
            tries += 1
            try:
                conn.execute(sql.encode())
                return tries
            except psycopg.errors.LockNotAvailable:
                threading.Event().wait(dice.uniform(0.5, 1.5))
