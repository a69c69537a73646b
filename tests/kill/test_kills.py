"""kill -9 of everything that can be killed, at every moment that matters: each migration ends on its targets once.

CHANGECONTROL_TEST_KILLS=12 CHANGECONTROL_TEST_KILL_SEED=... python -m pytest tests/kill -s
"""

from __future__ import annotations

import gc
import os
import secrets
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from time import monotonic

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from changecontrol.local import processes
from changecontrol.local.testing import Servers
from changecontrol.management.journey import ENVIRONMENTS
from changecontrol.models import Environment, Execution, Person, Target
from changecontrol.services import errands, sites
from changecontrol.services.recording import ANONYMOUS, acting
from tests import factories
from tests.kill import compare, counts
from tests.kill.aims import Window
from tests.kill.lanes import Goal, Lane
from tests.kill.machinery import Machinery
from tests.kill.stage import Stage, write_folder

KILLS = int(os.environ.get("CHANGECONTROL_TEST_KILLS", "60"))
SEED = os.environ.get("CHANGECONTROL_TEST_KILL_SEED") or secrets.token_hex(4)
#: migrations on development; one more is walked to production and back, and one to staging and back
MIGRATIONS = 24
DEADLINE_S = 1500.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = write_folder(tmp_path / "migrations", migrations=MIGRATIONS + 1)
    monkeypatch.setattr(settings, "REPOSITORY", made)
    return made


@pytest.fixture
def machinery(own_database: str, servers: Servers, tmp_path: Path, folder: Path) -> Iterator[Machinery]:
    started = Machinery(servers, tmp_path, folder)
    yield started
    started.stop()
    with warnings.catch_warnings():
        # what a killed server cut is collected here, not in whichever test comes next
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _add_target(name: str, kind: str, stage: Stage, folder: Path) -> int:
    """Olga adds a target, Theo signs for its ledger; a worker will register it."""
    olga, now = Person.objects.get(username="olga"), timezone.now()
    (folder / name).write_text(stage.url)
    environment = Environment.objects.filter(kind=kind).first() or sites.add_environment(
        name=kind, kind=kind, queue=kind, position=ENVIRONMENTS.index(kind) + 1, actor=olga, reason="set-up", now=now
    )
    target = sites.add_target(
        name=name,
        environment_id=environment.pk,
        reference=f"file:{folder / name}",
        set_role="",
        actor=olga,
        reason="set-up",
        now=now,
    )
    theo = Person.objects.get(username="theo")
    errands.register(target_id=target.pk, signer=theo, password=factories.PASSWORD, now=now)
    return target.pk


def _play(lanes: dict[str, Iterator[None]], machinery: Machinery) -> None:
    """Let the lanes go on in turn until all have ended."""
    until = monotonic() + DEADLINE_S

    def all_ended() -> bool:
        assert monotonic() < until, f"{sorted(lanes)} did not end within {DEADLINE_S:.0f} s"
        machinery.tend()
        for name, lane in list(lanes.items()):
            try:
                next(lane)
            except StopIteration:
                del lanes[name]
        return not lanes

    assert processes.wait_until(all_ended, seconds=DEADLINE_S)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_runs_everything_once_whatever_is_killed(
    machinery: Machinery, servers: Servers, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    began, told = monotonic(), tmp_path / "told.log"

    def say(line: str) -> None:
        with told.open("a") as log:
            print(f"{monotonic() - began:6.1f} {line}", file=log)

    print(f"\nseed {SEED} (CHANGECONTROL_TEST_KILL_SEED), {KILLS} kills wanted (CHANGECONTROL_TEST_KILLS); {told}")
    goal, stages, pks = Goal(KILLS), {}, {}
    for cluster, kinds in (("left", ["left"]), ("right", ["right"]), ("way", list(ENVIRONMENTS))):
        server = servers.new_cluster(f"kill-{cluster}")
        for name in kinds:
            stages[name] = Stage(server, name)
            kind = name if name in ENVIRONMENTS else "development"
            pks[name] = _add_target(name, kind, stages[name], tmp_path)
    registered = Target.objects.exclude(registered_at=None)
    assert processes.wait_until(lambda: registered.count() == len(pks), seconds=120), machinery.logs
    targets = {name: Target.objects.get(pk=pk) for name, pk in pks.items()}

    left, right, way = (Lane(name, machinery, goal, SEED, say) for name in ("left", "right", "way"))
    lanes: dict[str, Iterator[None]] = {
        "left": left.develop(range(1, MIGRATIONS), stages["left"], targets["left"]),
        "right": right.develop(range(1, MIGRATIONS), stages["right"], targets["right"]),
        "way": chain(way.production(MIGRATIONS, stages, targets), way.undone(MIGRATIONS + 1, stages, targets)),
    }
    try:
        _play(lanes, machinery)
    except BaseException:
        print(told.read_text(), machinery.logs, sep="\n")
        raise

    report = _report(goal, monotonic() - began)
    print(report)
    record_property("printed", report)
    client = Client()
    with acting(ANONYMOUS):  # as signing in does
        client.force_login(Person.objects.get(username="ada"))
    met = Counter(str(one.aim.window) for one in goal.blows if one.met)
    kills = len(goal.blows) + len(goal.rehearsals)
    found = list(compare.disagreements({pks[name]: stage for name, stage in stages.items()}, client))
    counts.write("workers", windows=met, kills=kills, seconds=monotonic() - began, left={"disagreements": len(found)})
    assert not found, "\n".join([*found, told.read_text()])
    struck = {Execution.objects.get(code=one.execution).purpose for one in goal.blows if one.met}
    assert struck >= {"develop", "stage", "undo_staging", "deploy", "roll_back"}, struck
    assert goal.met, f"{[str(one) for one in goal.missing]} fell short"


def _report(goal: Goal, seconds: float) -> str:
    """Return the counts: by kind, and by window those that met it."""
    met = sum(one.met for one in goal.blows)
    lines = [f"seed {SEED}: {len(goal.blows)} times kill -9, {met} of them where they were meant; {seconds:.0f} s"]
    lines.append(f"  {len(goal.rehearsals):4} more of rehearsals: {', '.join(goal.rehearsals)}")
    for kind, count in Counter(one.aim.kind for one in goal.blows).most_common():
        lines.append(f"  {count:4} {kind}")
    for window in Window:
        there = Counter(one.aim.kind for one in goal.blows if one.met and one.aim.window is window)
        kinds = ", ".join(f"{count} {kind}" for kind, count in there.most_common())
        lines.append(f"  {there.total():4} {window}: {kinds}")
    ended = Counter(f"{one.purpose} {one.state}" for one in Execution.objects.all())
    lines.append(f"  {ended.total()} executions: {', '.join(f'{n} {what}' for what, n in sorted(ended.items()))}")
    return "\n".join(lines)
