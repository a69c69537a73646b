"""kill -9 of the process that runs or rehearses, in every window that matters, as often as the product promises.

CHANGECONTROL_TEST_KILL_ROUNDS=7 CHANGECONTROL_TEST_KILL_SEED=... python -m pytest tests/kill/test_direct_kills.py -s
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from changecontrol.local.testing import Servers
from changecontrol.rules.lifecycle import Effect
from changecontrol.targets import ledger
from tests.kill import compare, counts
from tests.kill.copies import Part, Rehearsals
from tests.kill.hunts import Hunt, Moment
from tests.kill.stage import Stage

SEED = os.environ.get("CHANGECONTROL_TEST_KILL_SEED") or secrets.token_hex(4)
ROUNDS = int(os.environ.get("CHANGECONTROL_TEST_KILL_ROUNDS", "7"))
#: kills that must have met each window
WANTED = 20 if ROUNDS >= 7 else 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_killed_in_any_window_is_resumed_and_leaves_nothing_half_done(
    servers: Servers, record_property: Callable[[str, object], None]
) -> None:
    began = monotonic()
    hunt = Hunt(Stage(servers.new_cluster("kill-direct"), "hunted"), random.Random(f"{SEED} runs"))
    hunt.register()
    wrong = []
    number = 0
    # how often a window is met is left to chance: some more migrations where one was missed too often
    while number < ROUNDS or (number < 3 * ROUNDS and any(hunt.met[moment] < WANTED for moment in Moment)):
        number += 1
        hunt.carry(number, "forward")
        wrong += [f"{number:03d} forward: {said}" for said in _disagreements(hunt, number)]
        hunt.carry(number, "rollback")
        wrong += [f"{number:03d} back: {said}" for said in _disagreements(hunt, number)]
        assert ledger.net(_rows(hunt), migration=number).effect == Effect.NONE
    invalid = hunt.stage.ask("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    seconds = monotonic() - began
    counts.write("runs", windows=hunt.met, kills=hunt.kills, seconds=seconds, left={"wrong": len(wrong) + len(invalid)})
    lines = [f"seed {SEED}: {hunt.kills} kills of runs in {seconds:.0f} s"]
    lines += [f"  {hunt.met[moment]:4} {moment}" for moment in Moment]
    print("\n" + "\n".join(lines))
    record_property("printed", "\n".join(lines))
    assert not wrong and not invalid, "\n".join([*wrong, *map(str, invalid), *hunt.said])
    assert [moment for moment in Moment if hunt.met[moment] < WANTED] == [], "\n".join(hunt.said)


def _disagreements(hunt: Hunt, number: int) -> list[str]:
    return list(compare.of_migration(hunt.stage, number, [row for row in _rows(hunt) if row.migration == number]))


def _rows(hunt: Hunt) -> list[ledger.LedgerRow]:
    return hunt.stage.rows()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_rehearsal_killed_in_any_pass_leaves_no_sandbox_and_is_made_again(
    servers: Servers, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    began = monotonic()
    rehearsals = Rehearsals(servers.new_cluster("kill-copies"), random.Random(f"{SEED} rehearsals"), tmp_path)
    before, left = rehearsals.catalog(), []
    parts = list(Part) * (20 if ROUNDS >= 7 else 2)
    random.Random(f"{SEED} parts").shuffle(parts)
    for part in parts:
        rehearsals.kill_one(part)
        left += [f"{part}: {said}" for said in rehearsals.left()]
    seconds = monotonic() - began
    counts.write(
        "rehearsals", windows=rehearsals.met, kills=rehearsals.kills, seconds=seconds, left={"left": len(left)}
    )
    lines = [f"seed {SEED}: {rehearsals.kills} kills of rehearsals in {seconds:.0f} s"]
    lines += [f"  {rehearsals.met[part]:4} {part}" for part in Part]
    print("\n" + "\n".join(lines))
    record_property("printed", "\n".join(lines))
    assert left == []
    assert rehearsals.catalog() == before
    assert rehearsals.complete().startswith("ended exact")
    assert list(rehearsals.left()) == []
