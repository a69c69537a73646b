"""What to aim at: kinds and windows, drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.kill.machinery import CUTTING, Kind
from tests.kill.stage import BATCHES, FIRST, INDEX_A, INDEX_B, LAST, SECOND


class Window(StrEnum):
    """When the blow falls."""

    BEFORE = "before COMMIT"
    AFTER = "after COMMIT, before our write"
    BATCH = "inside a batch"
    BUILD = "inside CREATE INDEX CONCURRENTLY"
    REMOVAL = "inside the removal of an INVALID index"
    UNRECORDED = "index built, not recorded"
    ANYWHERE = "anywhere"


#: the windows the product names
NAMED = (Window.BEFORE, Window.AFTER, Window.BATCH, Window.BUILD)
#: windows in which only a cut run is worth anything
CUT = (Window.REMOVAL, Window.UNRECORDED)


@dataclass(frozen=True, slots=True)
class Aim:
    """What to kill, when, and at which step (0: wherever the run is)."""

    kind: Kind
    window: Window
    step: int = 0


def deck(dice: random.Random) -> Iterator[Kind]:
    """Kinds in a shuffled order for ever, in fixed shares."""
    shares = {Kind.CHILD: 8, Kind.WORKER: 2, Kind.BACKEND: 7, Kind.OWN: 4, Kind.BROKER: 3}
    while True:
        cards = [kind for kind, share in shares.items() for _ in range(share)]
        dice.shuffle(cards)
        yield from cards


def aims(dice: random.Random, kinds: Iterator[Kind]) -> list[Aim]:
    """The strikes at one forward migration, in the order of its steps."""
    windows = [(Window.ANYWHERE, 0), (Window.BEFORE, FIRST), (Window.AFTER, FIRST), (Window.BEFORE, SECOND)]
    windows += [(Window.AFTER, SECOND), (Window.BATCH, BATCHES), (Window.BATCH, BATCHES), (Window.BUILD, INDEX_A)]
    windows += [(Window.REMOVAL, INDEX_A), (dice.choice([Window.BUILD, Window.UNRECORDED]), INDEX_B)]
    windows += [(dice.choice([Window.BEFORE, Window.AFTER]), LAST)]
    found = []
    for window, step in windows:
        kind = next(kinds)
        while window in CUT and kind not in CUTTING:
            kind = next(kinds)
        found.append(Aim(kind, window, step))
    return found
