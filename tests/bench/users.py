"""Users of a target, each a process of its own: `python -m tests.bench.users KIND SEED THINK_MS`, the DSN in $DSN.

Started by `crowd`. Each asks until its standard input is closed, then prints how long every answer took.
"""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from tests.bench.peers import ROOT

_STALL_MS = 200


@dataclass(slots=True)
class Felt:
    """Milliseconds of every answer that users got."""

    ms: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The value below which this share of the answers lies."""
        ordered = sorted(self.ms)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    def stalled_time(self, think_ms: float) -> float:
        """The share of the users' time that went into such answers, in percent: who is stalled asks nothing else."""
        whole = sum(self.ms) + len(self.ms) * think_ms
        return 100 * sum(one for one in self.ms if one > _STALL_MS) / max(whole, 1)

    @property
    def stalled(self) -> float:
        """The share of answers that took more than 200 ms, in percent."""
        return 100 * sum(1 for one in self.ms if one > _STALL_MS) / max(len(self.ms), 1)


@contextmanager
def crowd(dsn: str, kinds: Sequence[str], *, think_ms: float) -> Iterator[Felt]:
    """These users at work around the block; what those other than readers felt, afterwards."""
    felt = Felt()
    started = [_start(dsn, kind, seed, think_ms) for seed, kind in enumerate(kinds)]
    for one in started:
        assert one.stdout is not None
        one.stdout.readline()  # it is connected
    try:
        yield felt
    finally:
        for one in started:
            assert one.stdin is not None
            one.stdin.close()
        for kind, one in zip(kinds, started, strict=True):
            assert one.stdout is not None
            found = json.loads(one.stdout.read() or "[]")
            felt.ms += found if kind != "reader" else []
            one.stdout.close()
            one.wait(30)


def _start(dsn: str, kind: str, seed: int, think_ms: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.users", kind, str(seed), str(think_ms)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DSN": dsn},
    )


def _asked_to_end(seconds: float) -> bool:
    """Wait so long, unless our input is closed before."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def main(kind: str, seed: int, think_ms: float) -> None:
    """Ask until the input is closed."""
    dice, took = random.Random(seed), list[float]()
    with psycopg.connect(os.environ["DSN"], autocommit=True, application_name=f"user {kind} {seed}") as conn:
        rows = conn.execute("SELECT count(*) FROM hot").fetchone()
        most = rows[0] if rows else 1
        print("ready", flush=True)
        while not _asked_to_end(_think(dice, kind, think_ms)):
            since = time.perf_counter()
            key = dice.randint(1, most)
            if kind == "reader":
                with conn.transaction():
                    conn.execute("SELECT v FROM hot WHERE id = %s", (key,))
                    if _asked_to_end(_held_s(dice)):
                        break
            elif kind == "select":
                conn.execute("SELECT v FROM hot WHERE id = %s", (key,))
            else:
                conn.execute("UPDATE hot SET v = v + 1 WHERE id = %s", (key,))
            took.append((time.perf_counter() - since) * 1000)
    print(json.dumps([round(one, 3) for one in took]))


def _held_s(dice: random.Random) -> float:
    """How long a reader's transaction stays open: 0.05 to 6 s, as often below 0.55 s as above."""
    return 0.05 * 120 ** dice.random()


def _think(dice: random.Random, kind: str, think_ms: float) -> float:
    return dice.uniform(0.05, 2) if kind == "reader" else think_ms / 1000 * dice.uniform(0.5, 1.5)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
