"""What `manage.py engine` prints: progress while it works, a result at the end, JSON where asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from changecontrol.services.engine.base import Report


class Stream(Protocol):
    """Standard output or error, as Django wraps them."""

    def write(self, msg: str) -> Any:
        """Write a line."""


class Teller:
    """Progress on standard error, one line a migration, and what holds it up meanwhile."""

    #: Events that a person who watches wants to read.
    _TOLD = ("waiting", "retry", "notice", "paused", "resumed", "throttled")

    def __init__(self, stream: Stream, *, quiet: bool) -> None:
        self._stream, self._quiet = stream, quiet

    def migration(self, told: Mapping[str, Any]) -> None:
        """One migration came to its end."""
        ms = f"{told['ms']:>9.1f} ms" if "ms" in told else " " * 12
        state = str(told.get("verdict") or told.get("state"))
        self.line(f"{state:<15} {ms}  {told['name']}  {told.get('said', '')}".rstrip())

    def event(self, event: Any) -> None:
        """Something happened inside a migration."""
        if event.kind in self._TOLD:
            self.line(f"                {event.kind}: {event.text}")

    def line(self, text: str) -> None:
        """One line, at once."""
        if not self._quiet:
            self._stream.write(text)


def write(report: Report, options: Mapping[str, Any], stdout: Stream) -> None:
    """Write the JSON where it was asked for; print the result unless the JSON went to standard output."""
    target = options.get("json")
    if target:
        text = json.dumps(report.value, indent=1, ensure_ascii=False)
        if target == "-":
            stdout.write(text)
            return
        Path(target).write_text(text + "\n", encoding="utf-8")
    for line in _RESULTS[options["verb"]](report):
        stdout.write(line)


def _counts(report: Report) -> list[str]:
    states = [str(one.get("verdict") or one.get("state")) for one in report.value["migrations"]]
    counted = {state: states.count(state) for state in dict.fromkeys(states)}
    return [", ".join(f"{count} {state}" for state, count in counted.items()) or "Nothing to do."]


def _status(report: Report) -> list[str]:
    heads = ("number", "name", "state", "steps", "applied", "by", "")
    rows = [
        (
            "" if one["number"] is None else f"{one['number']:03d}",
            one["name"],
            one["state"],
            f"{one['steps_done']}/{one['steps_total']}",
            one["applied_at"][:19].replace("T", " "),
            one["actor"],
            one["said"],
        )
        for one in report.value["migrations"]
    ]
    return [*_table(heads, rows), *_counts(report)]


def _fingerprint(report: Report) -> list[str]:
    value = report.value
    lines = [f"{value['digest']}  {len(value['objects'])} objects, PostgreSQL {value['major']}"]
    compared = value.get("compared")
    if compared:
        other = f"{compared['digest']}  the other database, PostgreSQL {compared['major']}: {compared['verdict']}"
        lines += [other, *(f"  {sentence}" for sentence in compared["differences"]["said"])]
    return lines


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows]
    ]


_RESULTS: dict[str, Callable[[Report], list[str]]] = {
    "lint": lambda report: [report.text],
    "rehearse": _counts,
    "apply": _counts,
    "rollback": _counts,
    "status": _status,
    "fingerprint": _fingerprint,
}
