"""What a rehearsal observed, said for those who sign: who waits, for what, and how long on the larger original.

Rewrites, scans and builds are the same at any size; their time is not. It is extrapolated by the bytes of the tables,
with its basis in the sentence, and never from milliseconds alone: where a size is unknown, or the copy holds too little
to go by, the sentence says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from changecontrol.rules.compared import Compared, compare
from changecontrol.rules.estimating import Estimate, Sizes, called, estimated
from changecontrol.rules.figures import count, duration
from changecontrol.rules.observed import BLOCKS_WRITERS, STRENGTH, Observed

__all__ = ["Compared", "Estimate", "Sizes", "called", "compare", "estimated", "sentences"]

#: What others do not notice: the runner's own patience for a lock that everyone waits behind.
UNNOTICED_MS = 50.0
#: Statements behind which other statements hide.
_CODE = ("DoStmt", "SelectStmt", "CallStmt")
_WORTH_SAYING = STRENGTH["SHARE UPDATE EXCLUSIVE"]


def sentences(
    observed: Observed,
    sizes: Sizes,
    *,
    place: str = "the target",
    registered: str = "",
    after: Sequence[Observed] = (),
) -> list[str]:
    """Say what one statement did. `place` is the original; `registered` is when `sizes` were read, such as "12:03".

    `after` are the statements behind it in the same transaction step: its locks are held while they work, and what
    was a moment on the copy may be long on the original.
    """
    there = _There(sizes, place, f"; registered {registered}" if registered else "")
    estimate = estimated(observed, sizes)
    said = [f"It fails: {observed.error}."] if observed.error else []
    work, then = _work(observed, there), _then(after, there)
    locks = {name: mode for name, mode in observed.locks.items() if STRENGTH[mode] >= _WORTH_SAYING}
    for name, mode in sorted(locks.items(), key=lambda item: (-STRENGTH[item[1]], item[0])):
        doing = work.get(name) or " and ".join(work.values())
        said.append(_lock(observed, name, mode, doing, estimate, then, there))
    if work and not locks:
        said.append(f"{_sentence(work.values())}, nobody waits{_how_long(estimate, there)}.")
    parts = [f"{count(rows, 'row')} of {called(name)}" for name, rows in _in_part(observed).items()]
    if parts:
        said.append(f"{_sentence(parts)} are read here.")
    said += _changed(observed, there)
    if observed.settings:
        switched = ", ".join(f"{name} = {value}" for name, value in observed.settings.items())
        said.append(f"It leaves protection switched off: {switched}.")
    return said + _basis(observed)


@dataclass(frozen=True, slots=True)
class _There:
    """The original: its tables' sizes, what it is called, and when the sizes were read."""

    sizes: Sizes
    place: str
    as_of: str

    def rows(self, name: str) -> str:
        """How many rows a table has there."""
        return count(self.sizes[name][0], "row") if name in self.sizes else "an unknown number of rows"


def _work(observed: Observed, there: _There) -> dict[str, str]:
    """By table what happens to it as a whole, with its rows on the original where they are known."""
    said: dict[str, str] = {}
    built = count(len(observed.indexes), "index").replace("indexs", "indexes")
    built += " is built" if len(observed.indexes) == 1 else " are built"
    for name in dict.fromkeys((*observed.rewrites, *observed.sizes)):
        rows = f"{there.rows(name)} of {called(name)}"
        if observed.kind == "TruncateStmt":
            said[name] = f"{rows} are thrown away"
        elif name in observed.rewrites:
            hidden = observed.kind in _CODE and name not in observed.scans  # a TRUNCATE leaves no other trace
            said[name] = f"{rows} are rewritten{' or thrown away' if hidden else ''}"
        elif observed.indexes:
            said[name] = f"{built} over {rows}"
        else:
            said[name] = f"{rows} are read"
    return said


def _in_part(observed: Observed) -> dict[str, int]:
    """What was read of tables without reading all of them."""
    whole = {*observed.sizes, *observed.rewrites, *observed.new}
    return {name: rows for name, rows in observed.scans.items() if name not in whole}


def _lock(
    observed: Observed, name: str, mode: str, doing: str, estimate: Estimate | None, then: str, there: _There
) -> str:
    held = observed.held_ms.get(name, observed.ms)
    polite = STRENGTH[mode] < BLOCKS_WRITERS
    said = f"{mode} on {called(name)}, {duration(held)}"
    waits = "nobody waits" if polite else f"{'readers and writers' if mode == 'ACCESS EXCLUSIVE' else 'writers'} wait"
    then = "" if polite else then
    if doing and estimate is not None:
        behind = f"; held until the step commits, {then}" if then else ""
        return f"{said} here, while {doing}; {waits}{_how_long(estimate, there)}{behind}."
    if then:
        return f"{said} here, held until the step commits, {then}; {waits} that long."
    doing = f" while {doing}" if doing else ""
    if polite or held < UNNOTICED_MS:
        return f"{said}{doing}, {'nobody waits' if polite else 'too short to notice'}."
    until = ", held until the step commits" if held - observed.ms > UNNOTICED_MS else ""
    return f"{said}{doing}{until}; {waits} that long."


def _then(after: Sequence[Observed], there: _There) -> str:
    """How long the statements take that work while a lock is held; empty when that is a moment."""
    estimates = [(one.ms, estimated(one, there.sizes)) for one in after]
    if any(estimate is not None and estimate.ms is None for _ms, estimate in estimates):
        return f"and how long the statements after it take on {there.place} is not known"
    if all(estimate is None for _ms, estimate in estimates):
        return ""
    ms = sum(here if estimate is None or estimate.ms is None else estimate.ms for here, estimate in estimates)
    return f"and the statements after it take about {duration(ms)} on {there.place}" if ms >= UNNOTICED_MS else ""


def _how_long(estimate: Estimate | None, there: _There) -> str:
    if estimate is None:
        return ""
    if estimate.ms is None:
        return f", how long on {there.place} is not known ({estimate.basis})"
    return f", about {duration(estimate.ms)} on {there.place} ({estimate.basis}{there.as_of})"


def _changed(observed: Observed, there: _There) -> list[str]:
    """Rows changed in one transaction: nobody else can change them until it commits."""
    how = "batch by batch" if observed.batched else "in one transaction: whoever changes the same rows waits"
    return [
        f"{count(rows, 'row')} of {called(name)} changed here {how}"
        + (f"; {there.place} has {there.rows(name)} there." if name in there.sizes else ".")
        for name, rows in observed.rows.items()
    ]


def _basis(observed: Observed) -> list[str]:
    """What the other sentences rest on where the statement could not be read inside its own transaction."""
    if observed.batched:
        nothing = not (observed.rows or observed.reported or observed.error)
        said = ["On the copy it found no row to change, so the time of a batch is not known."] if nothing else []
        return [*said, "Each batch commits by itself and locks only its own rows: known from the text, not timed."]
    if observed.exact or not observed.locks:
        return []
    return ["Its locks were watched from outside, every 2 ms: one that was held for less may be missing here."]


def _sentence(parts: Iterable[str]) -> str:
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]
