"""What the kills came to, written where a measurement finds it: JSON, one entry for each part of the tests."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Ignored by git; `python -m tests.bench f` reads it.
DEFAULT = Path(__file__).parents[1] / "bench" / "results" / "kills.json"


def path() -> Path:
    """Where the counts lie."""
    return Path(os.environ.get("CHANGECONTROL_TEST_KILL_COUNTS") or DEFAULT)


def write(part: str, *, windows: Mapping[str, int], kills: int, seconds: float, left: Mapping[str, int]) -> None:
    """Keep one part's counts: kills that met each window, all kills, and what was left that must not be."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "w") as guard:  # parts run side by side
        fcntl.flock(guard, fcntl.LOCK_EX)
        known = read(file)
        known[part] = {"kills": kills, "windows": dict(windows), "seconds": round(seconds, 1), "left": dict(left)}
        file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def read(file: Path | None = None) -> dict[str, Any]:
    """The counts by part; empty when nothing was counted yet."""
    file = file or path()
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found
