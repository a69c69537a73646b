"""Which range comes next: the next rows along a key, or the next blocks where rows have no key."""

from __future__ import annotations

from dataclasses import dataclass

from changecontrol.rules.directives import CTID
from changecontrol.rules.script import Batch
from changecontrol.targets.running import Run

_ROWS_IN_A_BLOCK = 40  # only a first guess: the size follows the time that a range takes
_LAST_LINE = 65535  # of a block; ends its range
SWEEP_ROWS = 20_000  # along ctid: so many rows are taken in one last range over everything
#: Behind every row there is. A last range from the start to here takes whatever moved about meanwhile in one snapshot.
EVERYWHERE = f"(4294967295,{_LAST_LINE})"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a range may be, in rows, or in blocks along ctid."""

    first: int
    smallest: int
    largest: int

    def adapted(self, size: int, seconds: float, target_s: float) -> int:
        """The size after a range of `size` took so long: at most half as large again, at least half."""
        factor = min(max(target_s / max(seconds, 0.001), 0.5), 1.5)
        return min(max(round(size * factor), self.smallest, 1), self.largest)


def sizes(batch: Batch) -> Sizes:
    """The bounds of a batched step's ranges."""
    if batch.key == CTID:
        return Sizes(max(batch.size // _ROWS_IN_A_BLOCK, 2), 2, 4096)
    return Sizes(batch.size, min(100, batch.size), 20_000)


def last_block(run: Run, batch: Batch) -> int | None:
    """The last block there is now; None along a key. What comes behind it is for a further pass."""
    return int(run.send(batch.bound_sql).values[0][0] or 0) - 1 if batch.key == CTID else None


def upper(run: Run, batch: Batch, lower: str | None, size: int, last: int | None) -> str | None:
    """The inclusive upper end of the next range behind `lower`; None at the end. `last` as `last_block` gave it."""
    if last is None:
        return run.send(batch.bound_sql, params=(lower, str(size))).values[0][0]
    block = int(lower.strip("()").split(",")[0]) + 1 if lower else 0
    return f"({min(block + size - 1, last)},{_LAST_LINE})" if block <= last else None
