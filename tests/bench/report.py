"""What a measurement gives: rows, printed as a table and written as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_HEADS = ("", "what", "value", "ratio", "bar", "met", "note")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. `value` is None where nothing could be measured; `note` then says why.

    `ratio` is against what the bar names. `bar` is a sentence such as "<= 3 x psql", empty where there is none, and
    `met` is None then.
    """

    experiment: str
    what: str
    value: float | None
    unit: str = ""
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None
    note: str = ""


def table(rows: Sequence[Row]) -> str:
    """Align the rows under their heads."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write the rows with what they were measured on."""
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    path.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


def _cells(row: Row) -> tuple[str, ...]:
    value = "-" if row.value is None else f"{_number(row.value)} {row.unit}".rstrip()
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} x"
    met = {None: "", True: "yes", False: "NO"}[row.met]
    return (row.experiment, row.what, value, ratio, row.bar, met, row.note)


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
