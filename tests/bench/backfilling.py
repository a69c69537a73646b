"""Experiment c: a million rows changed in batches while users update the same table.

In the same run, on the same server: users alone, one UPDATE of everything, our batched step.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import psycopg

from changecontrol.local.postgres import Cluster
from changecontrol.targets.connection import Where
from changecontrol.targets.outcome import Limits
from changecontrol.targets.runner import run
from tests.bench.report import Row
from tests.bench.users import Felt, crowd
from tests.targets.stage import Heard, order, registered, script

_USERS = ("update",) * 6
_THINK_MS = 5.0
_SETUP = """
DROP TABLE IF EXISTS hot;
CREATE TABLE hot (id bigint PRIMARY KEY, v int NOT NULL DEFAULT 0, filled bigint, filler text);
INSERT INTO hot SELECT n, 0, NULL, repeat(md5(n::text), 3) FROM generate_series(1, {rows}) n;
VACUUM ANALYZE hot;
CHECKPOINT;
"""
_SIZE = "SELECT pg_relation_size('hot')"
_TEXTS = {
    "keyset": "-- changecontrol: batch key=id size=5000\nUPDATE hot SET filled = id WHERE filled IS NULL;\n",
    "ctid": "-- changecontrol: batch key=ctid size=5000\nUPDATE hot SET filled = id WHERE filled IS NULL;\n",
}


def measure(quick: bool) -> list[Row]:
    """Speed, what users feel, and how the table grows."""
    rows = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="bench-") as kept:
        folder = Path(kept)
        folder.chmod(0o711)
        with Cluster(folder / "server", name="bench") as cluster:
            try:
                return _measured(cluster, rows, idle_s=5 if quick else 15)
            finally:
                cluster.stop()
                cluster.remove()


def _measured(cluster: Cluster, rows: int, *, idle_s: float) -> list[Row]:
    dsn = cluster.dsn()
    _fresh(dsn, rows)
    with crowd(dsn, _USERS, think_ms=_THINK_MS) as idle:
        threading.Event().wait(idle_s)
    p99 = idle.percentile(0.99)
    found = [Row("c", "users alone: UPDATE p99", p99, "ms", note=f"{len(idle.ms)} answers")]
    _fresh(dsn, rows)
    single, felt, heap = _single(dsn)
    found += [
        Row("c", "one UPDATE", rows / single, "rows/s", note=f"heap {heap:.2f} x"),
        Row("c", "one UPDATE: users' p99", felt.percentile(0.99), "ms", ratio=felt.percentile(0.99) / p99,
            note=f"{felt.stalled:.1f} % over 200 ms, worst {max(felt.ms):.0f} ms"),
    ]  # fmt: skip
    for number, (kind, text) in enumerate(_TEXTS.items(), 2):
        _fresh(dsn, rows)
        seconds, felt, heap, note = _ours(dsn, text, number)
        found += _rows(kind, rows / seconds, single * (1 / seconds), felt, p99, heap, note)
    return found


def _rows(kind: str, speed: float, ratio: float, felt: Felt, idle_p99: float, heap: float, note: str) -> list[Row]:
    p99 = felt.percentile(0.99)
    times = p99 / idle_p99
    worst = f"{felt.stalled:.2f} % over 200 ms, worst {max(felt.ms):.0f} ms"
    return [
        Row("c", f"batches, {kind}", speed, "rows/s", ratio, ">= 0.6 x one UPDATE", ratio >= 0.6, note),
        Row("c", f"batches, {kind}: users' p99", p99, "ms", times, "<= 4 x alone", times <= 4, worst),
        Row("c", f"batches, {kind}: heap", heap, "x", heap, "<= 1.6 x before", heap <= 1.6),
    ]


def _fresh(dsn: str, rows: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        for text in _SETUP.format(rows=rows).split(";\n"):
            if text.strip():
                admin.execute(text.encode())


def _size(dsn: str) -> int:
    with psycopg.connect(dsn) as admin:
        row = admin.execute(_SIZE).fetchone()
        return int(row[0]) if row else 0


def _single(dsn: str) -> tuple[float, Felt, float]:
    before = _size(dsn)
    with crowd(dsn, _USERS, think_ms=_THINK_MS) as felt, psycopg.connect(dsn, autocommit=True) as conn:
        since = time.perf_counter()
        conn.execute("UPDATE hot SET filled = id WHERE filled IS NULL")
        seconds = time.perf_counter() - since
    return seconds, felt, _size(dsn) / before


def _ours(dsn: str, text: str, number: int) -> tuple[float, Felt, float, str]:
    """Seconds, what users felt, growth of the heap, and how it went."""
    before, heard = _size(dsn), Heard()
    parsed = script(text)
    with registered(Where(dsn, name="bench")) as session, crowd(dsn, _USERS, think_ms=_THINK_MS) as felt:
        since = time.perf_counter()
        outcome = run(
            session, script=parsed, order=order(parsed, migration=number), on_event=heard, limits=Limits(deadline_s=900)
        )
        seconds = time.perf_counter() - since
    assert outcome.state == "succeeded", outcome
    batches = [event for event in heard.of("progress") if "batch" in event.data]
    throttled = sum(event.data["waited_s"] for event in heard.of("throttled"))
    vacuums = heard.of("vacuumed")
    cleaning = sum(event.data["ms"] for event in vacuums) / 1000
    note = f"{len(batches)} batches, {len(vacuums)} VACUUMs of {cleaning:.1f} s, throttled {throttled:.1f} s"
    return seconds, felt, _size(dsn) / before, note
