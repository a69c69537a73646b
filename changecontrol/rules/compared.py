"""Predicted against observed: what a rehearsal showed of each statement, and what it then took on the original."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from changecontrol.rules.estimating import Estimate, Sizes, estimated
from changecontrol.rules.figures import count, duration
from changecontrol.rules.observed import Observed

#: Up to so many times the time, or so many milliseconds more, counts as the same: machines differ that much.
_TIMES, _NOISE_MS = 2.0, 50.0
#: Statements whose answer counts the rows that they changed.
_CHANGING = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")


class Done(Protocol):
    """An event of a run, stored or live; only `statement_done` with its figures counts here."""

    @property
    def kind(self) -> str: ...
    @property
    def step(self) -> int | None: ...
    @property
    def statement(self) -> int | None: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Compared:
    """One statement. `observed_ms` is None when it was not run; rows are None where none are changed. `expected_ms` is
    what the rehearsal lets expect there, None where it cannot say. `word` is one of: as predicted, faster, slower
    because larger, slower, more rows, fewer rows, not run, not rehearsed. `sentence` explains it.
    """

    step: int
    statement: int
    line: int
    sql: str
    word: str
    sentence: str
    predicted_ms: float | None = None
    expected_ms: float | None = None
    observed_ms: float | None = None
    predicted_rows: int | None = None
    observed_rows: int | None = None
    locks: Mapping[str, str] = field(default_factory=dict)


def compare(predicted: Sequence[Observed], events: Iterable[Done], sizes: Sizes | None = None) -> list[Compared]:
    """Hold a run's events against its rehearsal, statement by statement, in the order of the script.

    `sizes` are those of the target before the run. Of a statement that was tried again, the last try counts.
    """
    done = {
        (event.step, event.statement): event.data
        for event in events
        if event.kind == "statement_done" and event.step and event.statement
    }
    rows = [_one(one, done.pop((one.step, one.statement), None), sizes or {}) for one in predicted]
    return rows + [_unseen(step or 0, statement or 0, data) for (step, statement), data in sorted(done.items())]


def _one(one: Observed, data: Mapping[str, Any] | None, sizes: Sizes) -> Compared:
    estimate = estimated(one, sizes)
    expected = one.ms if estimate is None else estimate.ms
    rows = one.reported if one.kind in _CHANGING else None
    ms = float(data["ms"]) if data and data.get("ms") is not None else None
    there = int(data["rows"]) if data and rows is not None and data.get("rows") is not None else None
    word, sentence = _word(one, estimate, ms, there)
    return Compared(
        step=one.step,
        statement=one.statement,
        line=one.line,
        sql=one.sql,
        word=word,
        sentence=sentence,
        predicted_ms=one.ms,
        expected_ms=expected,
        observed_ms=ms,
        predicted_rows=rows,
        observed_rows=there,
        locks=one.locks,
    )


def _word(one: Observed, estimate: Estimate | None, ms: float | None, there: int | None) -> tuple[str, str]:
    if ms is None:
        return "not run", "It was not run here."
    took = f"{duration(ms)} here, {duration(one.ms)} in the rehearsal"
    if there is not None and there != one.reported:
        word = "more rows" if there > one.reported else "fewer rows"
        return word, f"{count(there, 'row')} here, {count(one.reported, 'row')} in the rehearsal; {took}."
    if _alike(ms, one.ms):
        return "as predicted", f"{took}."
    if ms < one.ms:
        return "faster", f"{took}."
    if estimate is None:
        return "slower", f"{took}; its time does not depend on how much the tables hold."
    if estimate.ms is None:
        return "slower", f"{took}; what was to be expected is not known: {estimate.basis}."
    expected = f"about {duration(estimate.ms)} was to be expected ({estimate.basis})"
    if ms < estimate.ms or _alike(ms, estimate.ms):
        return "slower because larger", f"{took}; {expected}."
    return "slower", f"{took}; no more than {expected}."


def _alike(ms: float, other: float) -> bool:
    return abs(ms - other) <= _NOISE_MS or max(ms, other) <= _TIMES * min(ms, other)


def _unseen(step: int, statement: int, data: Mapping[str, Any]) -> Compared:
    ms = data.get("ms")
    took = "" if ms is None else f" It took {duration(float(ms))} here."
    sentence = f"The rehearsal did not come this far.{took}"
    return Compared(step, statement, 0, "", "not rehearsed", sentence, observed_ms=None if ms is None else float(ms))
