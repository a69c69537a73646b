"""How long a statement takes on the original of a copy: by the bytes of the tables it works through, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from changecontrol.rules.figures import duration, size
from changecontrol.rules.observed import Observed

#: Below this a copy's time is the price of the statement itself, not of its rows.
TELLING_BYTES = 1024 * 1024

#: [rows, bytes with indexes and TOAST] of each table on the original.
Sizes = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a statement's work on its tables takes on the original. `ms` is None where nothing honest can be said;
    `basis` says by what, or why not.
    """

    ms: float | None
    basis: str


def estimated(observed: Observed, sizes: Sizes) -> Estimate | None:
    """Extrapolate a statement's time by the bytes of the tables it works through; None when size does not matter."""
    if not observed.rewrites and not observed.indexes and not observed.sizes:
        return None
    if observed.kind == "TruncateStmt":
        return None  # throws files away, whatever is in them
    if not observed.sizes:
        return Estimate(None, "how large its tables are here was not recorded")
    unknown = [called(name) for name in observed.sizes if name not in sizes]
    if unknown:
        return Estimate(None, f"the size of {' and '.join(unknown)} there is not known")
    here, there = sum(observed.sizes.values()), sum(sizes[name][1] for name in observed.sizes)
    if there < TELLING_BYTES:
        return Estimate(observed.ms, f"no more than {size(there)} there, {size(here)} here")
    if here < TELLING_BYTES:
        return Estimate(None, f"{size(here)} here say nothing about {size(there)} there")
    basis = f"extrapolated by bytes: {size(here)} here in {duration(observed.ms)}, {size(there)} there"
    return Estimate(observed.ms * there / here, basis)


def called(name: str) -> str:
    """A relation as people call it: without the schema that everybody uses."""
    return name.removeprefix("public.")
