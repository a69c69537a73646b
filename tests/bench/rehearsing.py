"""Experiment d: a rehearsal of a folder as a ratio to applying it once; forward, rollback and forward are in it.

The time of fingerprints is told apart: it grows with the schema, not with the migration.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

from changecontrol.services.engine.applying import apply
from changecontrol.services.engine.rehearsing import rehearse
from tests.bench.migrations import generate
from tests.bench.report import Row
from tests.bench.servers import database, server

_MOST = 6.0
_FINGERPRINTS = "fingerprints"


def measure(quick: bool) -> list[Row]:
    """Apply and rehearse the same folder in turn on the same server; medians."""
    count, rounds = (15, 2) if quick else (60, 3)
    applied: list[float] = []
    whole: list[float] = []
    parts: list[dict[str, float]] = []
    wrong: list[str] = []
    with server(fast=True) as (cluster, place):
        folder = place / "folder"
        generate(folder, count)
        for turn in range(rounds):
            applied.append(_applied(database(cluster, f"applied_{turn}"), folder))
            started = time.perf_counter()
            report = rehearse(folder=folder, server=cluster.dsn())
            whole.append(time.perf_counter() - started)
            told = report.value["migrations"]
            parts.append(_parts(told))
            wrong = [one["name"] for one in told if one["verdict"] != "exact"]
    once = statistics.median(applied)
    seconds = {name: statistics.median(one[name] for one in parts) / 1000 for name in parts[0]}
    rest = statistics.median(all_ - one[_FINGERPRINTS] / 1000 for all_, one in zip(whole, parts, strict=True))
    rows = [
        Row("d", f"{count} migrations applied once", once, "s", note=f"{rounds} rounds"),
        Row("d", "the same, rehearsed", statistics.median(whole), "s", note=f"{count - len(wrong)} exact"),
    ]
    rows += [Row("d", f"of which {name}", spent, "s", spent / once) for name, spent in seconds.items()]
    rows.append(Row("d", "without fingerprints", rest, "s", rest / once, f"<= {_MOST:g} x apply", rest / once <= _MOST))
    if wrong:
        rows.append(Row("d", "not exact", float(len(wrong)), met=False, note=", ".join(wrong)[:100]))
    return rows


def _applied(dsn: str, folder: Path) -> float:
    started = time.perf_counter()
    report = apply(folder=folder, dsn=dsn, actor="bench")
    assert report.fine, report.value
    return time.perf_counter() - started


def _parts(told: list[dict[str, Any]]) -> dict[str, float]:
    """Milliseconds of fingerprints, of scripts, and of the rest."""
    spent: Counter[str] = Counter()
    for one in told:
        for step in one["passes"]:
            spent[_FINGERPRINTS if step["name"].startswith("fingerprint") else "scripts, observed"] += step["ms"]
    spent["rows, findings, sessions"] = sum(one["ms"] for one in told) - sum(spent.values())
    return dict(spent)
