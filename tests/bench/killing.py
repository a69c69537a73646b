"""Experiment f: what the kill tests counted, for each window; the tests write it, nothing is killed here."""

from __future__ import annotations

from tests.bench.report import Row
from tests.kill import counts

#: kills in all, and in each window of a run or rehearsal
IN_ALL, EACH = 200, 20


def measure(quick: bool) -> list[Row]:
    """Read the counts of the last run of `python -m pytest tests/kill`."""
    found = counts.read()
    if not found:
        return [Row("f", "kills", None, note="run python -m pytest tests/kill first")]
    kills = sum(part["kills"] for part in found.values())
    left = sum(sum(part["left"].values()) for part in found.values())
    rows = [
        Row("f", "kill -9 in all", kills, bar=f">= {IN_ALL}", met=kills >= IN_ALL),
        Row("f", "sandboxes, invalid indexes, half steps left", left, bar="0", met=left == 0),
    ]
    for name, part in sorted(found.items()):
        bar = f">= {EACH}" if name in ("runs", "rehearsals") else ""
        for window, met in sorted(part["windows"].items()):
            rows.append(Row("f", f"{name}: {window}", met, bar=bar, met=met >= EACH if bar else None))
    return rows
