"""Experiment a: 300 generated migrations applied to an empty database, by us and by others, in the same run.

Every tool starts from its own process, as a person would start it, on a new database of one server with fsync on.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from changecontrol.local.postgres import Cluster
from tests.bench import peers
from tests.bench.migrations import Migration, generate
from tests.bench.peers import ROOT, Job
from tests.bench.report import Row

_Plan = Callable[[str, Path], Job | None]
_NAMES = ("ours", "psql, a connection per file", "psql, one connection", "dbmate", "Sqitch", "Liquibase", "yoyo")


def measure(quick: bool) -> list[Row]:
    """Median seconds of each tool, and ours against two of them."""
    count, rounds = (60, 1) if quick else (300, 3)
    with tempfile.TemporaryDirectory(prefix="bench-") as kept:
        folder = Path(kept)
        folder.chmod(0o711)
        with Cluster(folder / "server", name="bench") as cluster:
            try:
                taken = _rounds(cluster, folder, count, rounds)
            finally:
                cluster.stop()
                cluster.remove()
    return _rows(taken, count)


def _rounds(cluster: Cluster, folder: Path, count: int, rounds: int) -> dict[str, list[float] | str]:
    """Tools take turns, so that a busy moment of the machine does not hit one of them alone."""
    taken: dict[str, list[float] | str] = {}
    for turn in range(rounds):
        place = folder / f"round{turn}"
        made = generate(place / "ours", count)
        for number, (name, plan) in enumerate(_plans(cluster, made).items()):
            url = _database(cluster, f"bench_{turn}_{number}")
            found = _timed(plan, url, place / "ours", count)
            earlier = taken.get(name, [])
            taken[name] = [*earlier, found] if isinstance(found, float) and isinstance(earlier, list) else str(found)
            print(f"   {name}: {found}", file=sys.stderr, flush=True)
    return taken


def _plans(cluster: Cluster, made: Sequence[Migration]) -> dict[str, _Plan]:
    psql = cluster.psql
    return dict(
        zip(
            _NAMES,
            (
                lambda url, folder: _ours(url, folder),
                lambda url, folder: peers.psql_each(psql, url, folder, made),
                lambda url, folder: peers.psql_once(psql, url, folder, made),
                lambda url, folder: peers.dbmate(url, folder, made),
                lambda url, folder: peers.sqitch(psql, url, folder, made),
                lambda url, folder: peers.liquibase(url, folder, made),
                lambda url, folder: peers.yoyo(url, folder, made),
            ),
            strict=True,
        )
    )


def _ours(url: str, folder: Path) -> Job:
    foreign = ("DATABASE_", "REDIS_", "SECRET_KEY")
    for name in [name for name in os.environ if name.startswith(foreign)]:
        del os.environ[name]
    return Job(((sys.executable, str(ROOT / "manage.py"), "engine", "apply", str(folder), url, "--quiet"),), ROOT, {})


def _timed(plan: _Plan, url: str, folder: Path, count: int) -> float | str:
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as kept:
        copy = Path(kept) / "folder"
        subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
        job = plan(url, copy)
        if job is None:
            return "not installed"
        started = time.perf_counter()
        try:
            job.run()
        except RuntimeError as error:
            return f"failed: {error}"
        seconds = time.perf_counter() - started
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'site\\_%'").fetchone()
    made = found[0] if found else 0
    return seconds if made == (count + 2) // 3 else f"failed: {made} tables"


def _database(cluster: Cluster, name: str) -> str:
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} STRATEGY wal_log".encode())
        admin.execute("CHECKPOINT")
    return cluster.dsn(name)


def _rows(taken: dict[str, list[float] | str], count: int) -> list[Row]:
    medians = {name: statistics.median(found) for name, found in taken.items() if isinstance(found, list)}
    ours = medians.get("ours")
    rows = []
    for name in _NAMES:
        found = taken.get(name, "not run")
        if isinstance(found, str):
            rows.append(
                Row("a", f"{name}: {count} migrations", None, met=False if name == "ours" else None, note=found)
            )
            continue
        note = f"{min(found):.2f} to {max(found):.2f} s in {len(found)} rounds"
        rows.append(Row("a", f"{name}: {count} migrations", medians[name], "s", note=note))
    for name, most in (("psql, a connection per file", 3.0), ("dbmate", 1.0)):
        if ours and name in medians:
            ratio = ours / medians[name]
            rows.append(Row("a", f"ours against {name}", ours, "s", ratio, f"<= {most:g} x", ratio <= most))
    return rows
