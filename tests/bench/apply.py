"""Experiment a: 300 generated migrations applied to an empty database, by us and by others, in the same run.

Every tool starts from its own process, as a person would start it, on a new database of one server with fsync on.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from changecontrol.local.postgres import Cluster
from tests.bench import peers
from tests.bench.migrations import Migration, generate
from tests.bench.peers import ROOT, Job
from tests.bench.report import Row
from tests.bench.servers import database, server

_Plan = Callable[[str, Path], Job | None]
_NAMES = ("ours", "psql, a connection per file", "psql, one connection", "dbmate", "Sqitch", "Liquibase", "yoyo")


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds by the clock, and of CPU on either side: what a busy machine cannot blur as much."""

    wall: float
    client: float
    server: float


def measure(quick: bool) -> list[Row]:
    """Median seconds of each tool, and ours against two of them."""
    count, rounds = (60, 1) if quick else (300, 3)
    with server() as (cluster, folder):
        taken = _rounds(cluster, folder, count, rounds)
    return _rows(taken, count)


def _rounds(cluster: Cluster, folder: Path, count: int, rounds: int) -> dict[str, list[Taken] | str]:
    """Tools take turns, so that a busy moment of the machine does not hit one of them alone."""
    taken: dict[str, list[Taken] | str] = {}
    for turn in range(rounds):
        place = folder / f"round{turn}"
        made = generate(place / "ours", count)
        for number, (name, plan) in enumerate(_plans(cluster, made).items()):
            url = database(cluster, f"bench_{turn}_{number}")
            found = _timed(cluster, plan, url, place / "ours", count)
            earlier = taken.get(name, [])
            taken[name] = [*earlier, found] if isinstance(found, Taken) and isinstance(earlier, list) else str(found)
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


def _timed(cluster: Cluster, plan: _Plan, url: str, folder: Path, count: int) -> Taken | str:
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as kept:
        copy = Path(kept) / "folder"
        subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
        job = plan(url, copy)
        if job is None:
            return "not installed"
        before, started = cpu(cluster), time.perf_counter()
        try:
            job.run()
        except RuntimeError as error:
            return f"failed: {error}"
        seconds = time.perf_counter() - started
        after = wait_until_idle(cluster)
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'site\\_%'").fetchone()
    made = found[0] if found else 0
    if made != (count + 2) // 3:
        return f"failed: {made} tables"
    return Taken(seconds, after[0] - before[0], after[1] - before[1])


def cpu(cluster: Cluster) -> tuple[float, float]:
    """CPU seconds so far of our finished children, and of the server with its finished backends."""
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    fields = Path(f"/proc/{cluster.process.pid}/stat").read_text().rpartition(")")[2].split() if cluster.process else []
    return ours.ru_utime + ours.ru_stime, sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def wait_until_idle(cluster: Cluster) -> tuple[float, float]:
    """The same, once the backends have ended and are counted."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        while (row := admin.execute(query).fetchone()) and row[0]:
            time.sleep(0.01)
        return cpu(cluster)


def _rows(taken: dict[str, list[Taken] | str], count: int) -> list[Row]:
    medians = {
        name: statistics.median(one.wall for one in found) for name, found in taken.items() if isinstance(found, list)
    }
    ours = medians.get("ours")
    rows = []
    for name in _NAMES:
        found = taken.get(name, "not run")
        if isinstance(found, str):
            rows.append(
                Row("a", f"{name}: {count} migrations", None, met=False if name == "ours" else None, note=found)
            )
            continue
        walls, client, server = (
            [one.wall for one in found],
            [one.client for one in found],
            [one.server for one in found],
        )
        note = f"{min(walls):.2f} to {max(walls):.2f} s in {len(found)} rounds;"
        note += f" CPU {statistics.median(client):.2f} s client, {statistics.median(server):.2f} s server"
        rows.append(Row("a", f"{name}: {count} migrations", medians[name], "s", note=note))
    for name, most in (("psql, a connection per file", 3.0), ("dbmate", 1.0)):
        if ours and name in medians:
            ratio = ours / medians[name]
            rows.append(Row("a", f"ours against {name}", ours, "s", ratio, f"<= {most:g} x", ratio <= most))
    return rows
