"""Experiment e: the fingerprint of 1,000 tables against `pg_dump -s`, the usual way to see a schema."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable

import psycopg

from changecontrol.local.postgres import Cluster
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.snapshot import catalog
from tests.bench.report import Row
from tests.bench.servers import database, server

_TABLE = """
CREATE TABLE t{0} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, kind text DEFAULT 'a',
  made_at timestamptz NOT NULL DEFAULT now(), amount numeric(12, 2) CHECK (amount >= 0), {1}
  UNIQUE (name, kind));
CREATE INDEX t{0}_made ON t{0} (made_at);
COMMENT ON TABLE t{0} IS 'Table {0}';
"""


def measure(quick: bool) -> list[Row]:
    """Median seconds of both, and what the fingerprint found."""
    count, rounds = (100, 3) if quick else (1000, 5)
    with server(fast=True) as (cluster, _):
        url = database(cluster, "tables")
        _fill(url, count)
        with connect(Where(url), application_name="bench") as session:
            objects = len(catalog(session).objects)
            ours = _median(lambda: catalog(session), rounds)
        dump = _median(lambda: _dump(cluster, url), rounds)
        taken = subprocess.run([cluster.pg_dump, "--version"], capture_output=True, text=True).stdout.strip()
    bar = "<= 1 x pg_dump -s"
    return [
        Row("e", f"pg_dump -s of {count} tables", dump, "s", note=taken),
        Row("e", f"fingerprint of {count} tables", ours, "s", ours / dump, bar, ours <= dump, f"{objects:,} objects"),
    ]


def _fill(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for start in range(0, count, 100):
            part = range(start, min(start + 100, count))
            text = "".join(_TABLE.format(n, f"t{n - 1}_id bigint REFERENCES t{n - 1}," if n else "") for n in part)
            connection.execute(text.encode())
        connection.execute("ANALYZE")


def _dump(cluster: Cluster, url: str) -> None:
    command = [str(cluster.pg_dump), "-s", "--no-sync", "-f", os.devnull, url]
    subprocess.run(command, check=True, capture_output=True)


def _median(task: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        task()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
