"""Events of a run in the words of the pages. What is stored, and what the log gives, stays as the worker wrote it."""

from __future__ import annotations

import re

from changecontrol.models import ExecutionEvent
from changecontrol.rules import figures

#: what the server's answer to a statement that has a count says was done to these rows
ROWS = {
    "INSERT": "written",
    "UPDATE": "changed",
    "DELETE": "deleted",
    "MERGE": "merged",
    "SELECT": "read",
    "COPY": "copied",
}
_DONE = re.compile(r"(?P<what>.+) in (?P<ms>\d+(?:\.\d+)?) ms", re.S)
#: "UPDATE 12", and "INSERT 0 12" with the row's number that tables had until PostgreSQL 12
_COUNTED = re.compile(r"(?P<verb>[A-Z]+)(?: \d+)? (?P<rows>\d+)")
#: how the runner sums up a batched step
_BATCHES = re.compile(r"(?P<rows>\d+) rows in (?P<batches>\d+) batches")


def told(event: ExecutionEvent) -> str:
    """Return the sentence of an event for a page."""
    found = _DONE.fullmatch(event.text) if event.kind == "statement_done" else None
    return f"{_done(found['what'])} in {figures.duration(float(found['ms']))}" if found else event.text


def _done(what: str) -> str:
    """Return what a statement did, from the server's own short answer."""
    counted, batches = _COUNTED.fullmatch(what), _BATCHES.fullmatch(what)
    if batches:
        number = int(batches["batches"])
        return f"{_rows(int(batches['rows']))} changed in {number:,} batch{'es'[: 2 * (number != 1)]}"
    if counted and counted["verb"] in ROWS:
        return f"{_rows(int(counted['rows']))} {ROWS[counted['verb']]}"
    return f"`{what}` done" if what.isupper() else "Statement done"


def _rows(number: int) -> str:
    return f"{number:,} row{'s'[: number != 1]}" if number else "No row"
