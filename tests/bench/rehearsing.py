"""Experiment d: a rehearsal of a folder as a ratio to applying it twice and rolling it back once, which it contains.

The time of fingerprints is told apart: it grows with the schema, not with the migration.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from changecontrol.services.engine.applying import apply
from changecontrol.services.engine.rehearsing import rehearse
from changecontrol.services.engine.taking_back import rollback
from tests.bench.migrations import generate
from tests.bench.report import Row
from tests.bench.servers import database, server


def measure(quick: bool) -> list[Row]:
    """Rehearse and apply the same folder on the same server."""
    count = 15 if quick else 60
    with server(fast=True) as (cluster, place):
        folder = place / "folder"
        generate(folder, count)
        passes = _passes(database(cluster, "passes"), folder)
        started = time.perf_counter()
        report = rehearse(folder=folder, server=cluster.dsn())
        whole = time.perf_counter() - started
    told = report.value["migrations"]
    wrong = [one["name"] for one in told if one["verdict"] != "exact"]
    parts = _parts(told)
    rows = [
        Row("d", f"{count} migrations forward, back and forward", passes, "s"),
        Row("d", "the same, rehearsed", whole, "s", whole / passes, note=f"{len(told) - len(wrong)} exact"),
    ]
    rows += [Row("d", f"of which {name}", ms / 1000, "s", ms / 1000 / passes) for name, ms in parts.items()]
    if wrong:
        rows.append(Row("d", "not exact", float(len(wrong)), met=False, note=", ".join(wrong)[:100]))
    return rows


def _passes(dsn: str, folder: Path) -> float:
    started = time.perf_counter()
    for step in (apply, rollback, apply):
        given: dict[str, Any] = {"to": 0} if step is rollback else {}
        report = step(folder=folder, dsn=dsn, actor="bench", **given)  # type: ignore[operator]
        assert report.fine, report.value
    return time.perf_counter() - started


def _parts(told: list[dict[str, Any]]) -> dict[str, float]:
    """Milliseconds of fingerprints, of scripts, and of the rest."""
    spent: Counter[str] = Counter()
    for one in told:
        for step in one["passes"]:
            spent["fingerprints" if step["name"].startswith("fingerprint") else "scripts, observed"] += step["ms"]
    spent["rows, findings, sessions"] = sum(one["ms"] for one in told) - sum(spent.values())
    return dict(spent)
