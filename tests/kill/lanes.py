"""Lanes: each carries migrations through kills on targets of its own, side by side with the others.

A lane is a generator that yields while it waits, so one thread plays all of them and the order of kills is its own.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from time import monotonic

from django.utils import timezone

from changecontrol.management.journey import ENVIRONMENTS, Journey
from changecontrol.models import ChangeRequest, Errand, Execution, Person, Target
from changecontrol.rules.lifecycle import Effect, State, Status
from changecontrol.services import executing, rehearsing, resolving
from tests import factories
from tests.kill.aims import NAMED, Aim, Window, aims, deck
from tests.kill.machinery import CUTTING, Kind, Machinery
from tests.kill.stage import Stage
from tests.kill.strikes import Blow, Strike

PATIENCE_S = 120.0
#: what is killed under a rehearsal, in this order
REHEARSAL = (Kind.WORKER, Kind.BACKEND, Kind.OWN, Kind.BROKER, Kind.WORKER)

Steps = Generator[None, None, None]


@dataclass(slots=True)
class Goal:
    """How many kills are wanted, and what was reached."""

    kills: int
    blows: list[Blow] = field(default_factory=list)
    rehearsals: list[Kind] = field(default_factory=list)
    rehearsing: bool = False  # begins anew with every worker that is killed: other lanes start no run meanwhile

    @property
    def met(self) -> bool:
        """All kills dealt, and every named window met often enough."""
        return sum(one.met for one in self.blows) >= self.kills and not self.missing

    @property
    def missing(self) -> list[Window]:
        found = Counter(one.aim.window for one in self.blows if one.met)
        return [window for window in NAMED if found[window] < self.kills // 10]


class Lane:
    """One lane. `say` gets a line for every kill and every run that ended."""

    def __init__(self, name: str, machinery: Machinery, goal: Goal, seed: str, say: Callable[[str], None]) -> None:
        self.name, self.machinery, self.goal, self.say = name, machinery, goal, say
        self.dice = random.Random(f"{seed} {name}")
        self.kinds = deck(self.dice)
        self.journey = Journey(password=factories.PASSWORD, certify=lambda change: None)  # rehearsed below, with kills

    def develop(self, numbers: Iterable[int], stage: Stage, target: Target) -> Steps:
        """Run migrations on a development target, one of them back and forth, until the goal is met."""
        for position, number in enumerate(numbers):
            if self.goal.met:
                return
            change = opened(self.journey, number)
            yield from self.forth_and_back(change, stage, target, turns=3 if position == 1 else 1, strike=True)

    def forth_and_back(self, change: ChangeRequest, stage: Stage, target: Target, *, turns: int, strike: bool) -> Steps:
        for turn in range(turns):
            direction = ("forward", "rollback")[turn % 2]

            def start(direction: str = direction) -> Execution:
                return executing.start_development(
                    change_id=change.pk,
                    actor=self.journey.who("ada"),
                    target_id=target.pk,
                    direction=direction,
                    now=timezone.now(),
                )

            planned = aims(self.dice, self.kinds) if direction == "forward" else self._back()
            yield from self.carry(change, stage, start, planned if strike else [], direction)

    def production(self, number: int, stages: dict[str, Stage], targets: dict[str, Target]) -> Steps:
        """Walk a change to production and back, with kills on the way, also at what undoes staging and production."""
        walk, change = self.journey, opened(self.journey, number)
        yield from self.forth_and_back(change, stages["development"], targets["development"], turns=3, strike=False)
        yield from self.rehearse(change, targets["production"], *REHEARSAL)
        change = walk.review(walk.submit(walk.fresh(change)))
        assert change.status == Status.APPROVED

        planned = aims(self.dice, self.kinds)
        yield from self.carry(
            change, stages["staging"], lambda: self._stage(change), planned[1:3] + planned[5:6] + planned[7:8]
        )
        change = walk.authorize(walk.accept(walk.fresh(change)))

        def deploy() -> Execution:
            now, seen = timezone.now(), walk.fresh(change)
            return executing.start_production(
                change_id=change.pk,
                signer=walk.who("theo"),
                password=factories.PASSWORD,
                version=seen.version,
                content_digest=seen.content_digest,
                now=now,
                reason="Again after the kill.",
            )[0]

        planned = aims(self.dice, self.kinds)
        yield from self.carry(change, stages["production"], deploy, planned[1:6] + planned[7:8], "forward")
        change = walk.fresh(change)
        assert change.status == Status.DEPLOYED, change.status

        def roll_back() -> Execution:
            now, seen = timezone.now(), walk.fresh(change)
            run = executing.start_rollback(
                change_id=change.pk,
                signer=walk.who("theo"),
                password=factories.PASSWORD,
                version=seen.version,
                content_digest=seen.content_digest,
                reason="The report broke.",
                now=now,
            )[0]
            second, digest = walk.who("tess"), run.content_digest
            executing.second_sign(
                execution_id=run.pk, signer=second, password=factories.PASSWORD, content_digest=digest, now=now
            )
            return run

        yield from self.carry(change, stages["production"], roll_back, self._all_back(), "rollback", proven=True)
        change = walk.fresh(change)
        assert change.status == Status.ROLLED_BACK, change.status

    def undone(self, number: int, stages: dict[str, Stage], targets: dict[str, Target]) -> Steps:
        """Walk a change to staging, and take it back there under kills."""
        walk, change = self.journey, opened(self.journey, number)
        yield from self.forth_and_back(change, stages["development"], targets["development"], turns=3, strike=False)
        yield from self.rehearse(change, targets["production"])
        change = walk.review(walk.submit(walk.fresh(change)))
        yield from self.carry(change, stages["staging"], lambda: self._stage(change), [])

        def undo() -> Execution:
            version, now = walk.fresh(change).version, timezone.now()
            actor, reason = walk.who("quin"), "Staging is needed for something else."
            return executing.undo_staging(change_id=change.pk, actor=actor, version=version, reason=reason, now=now)[0]

        yield from self.carry(change, stages["staging"], undo, self._all_back(), "rollback", proven=True)
        assert walk.fresh(change).status == Status.STAGED, change.status

    def _stage(self, change: ChangeRequest) -> Execution:
        actor, version, now = self.journey.who("quin"), self.journey.fresh(change).version, timezone.now()
        return executing.start_staging(change_id=change.pk, actor=actor, version=version, now=now)[0]

    def rehearse(self, change: ChangeRequest, target: Target, *kinds: Kind) -> Steps:
        """Have a worker rehearse it, killed every time it begins something else, until all kinds had their turn."""
        self.goal.rehearsing = True
        yield from self._rehearsed(change, target, *kinds)
        self.goal.rehearsing = False

    def _rehearsed(self, change: ChangeRequest, target: Target, *kinds: Kind) -> Steps:
        actor, now = self.journey.who("ada"), timezone.now()
        errand = rehearsing.request(change_id=change.pk, actor=actor, target_id=target.pk, now=now)
        left, said = deque(kinds), ""
        until = monotonic() + 4 * PATIENCE_S
        while errand.state != Errand.State.DONE:
            if errand.state == Errand.State.REFUSED:  # without its copy it has nothing to say; somebody asks again
                assert said and self.goal.rehearsals[-1] is Kind.BACKEND, errand.sentence
                self.say(f"{self.name}: the rehearsal was refused: {errand.sentence}")
                errand = rehearsing.request(change_id=change.pk, actor=actor, target_id=target.pk, now=now)
            assert monotonic() < until, f"the rehearsal is still {errand.state}: {errand.said}"
            if left and errand.state == Errand.State.RUNNING and errand.said != said and self.machinery.sandboxed():
                kind, said = left.popleft(), errand.said
                self.machinery.kill_rehearsal(kind)
                self.goal.rehearsals.append(kind)
                self.say(f"{self.name}: the rehearsal, {said}: {kind}")
            yield
            errand.refresh_from_db()
        made = change.rehearsals.values_list("verdict", "sentence")
        assert {verdict for verdict, _said in made} == {"exact"}, list(made)
        until = monotonic() + PATIENCE_S
        while self.machinery.sandboxed():  # the workers sweep
            assert monotonic() < until, "copies of killed rehearsals are still there"
            yield

    def carry(
        self,
        change: ChangeRequest,
        stage: Stage,
        start: Callable[[], Execution],
        planned: list[Aim],
        direction: str = "",
        *,
        proven: bool = False,
    ) -> Steps:
        """Start run after run until one succeeds, striking at them meanwhile.

        A run that survives a strike goes on to the next. With `direction`, strikes at steps that are on are left out.
        With `proven`, a rollback is run again until one succeeds, also when nothing is on any more. On staging and
        production every strike is dealt, however many there were before.
        """
        left, number = deque(planned), change.migration_number
        run: Execution | None = None
        strike: Strike | None = None
        while True:
            while run is None and self.goal.rehearsing:
                yield
            wanted = proven or stage.name in ENVIRONMENTS[1:] or not self.goal.met
            aim = self._next(left, stage, number, direction, building=run is not None) if wanted else None
            before, strike = strike, Strike(aim, stage, number, self.machinery, self.dice) if aim else None
            if before:
                before.close(but=strike.gate if strike else "")
            run = run or start()
            if strike:
                landed = yield from self._strike(strike, run)
                if landed and strike.aim.kind not in CUTTING and self._open(run):
                    continue
                strike.close()
                strike = None
            yield from self.ended(run)
            back = direction == "rollback" and run.effect == Effect.NONE and not proven
            if run.state == State.SUCCEEDED or back:
                return  # a rollback on development that was killed behind its last step cannot be run again
            run = None

    def ended(self, run: Execution) -> Steps:
        """Wait for the end of a run; a tech lead says what became of a step in flight where the product asks."""
        until = monotonic() + PATIENCE_S
        while self._open(run):
            assert monotonic() < until, f"{run.code} is still {run.state}: {run.sentence}"
            if run.state == State.LOST:
                self._resolve(run)
            yield
        self.say(f"{self.name}: {run.code} {run.state}, {run.effect}: {run.sentence}")

    def _strike(self, strike: Strike, run: Execution) -> Generator[None, None, bool]:
        """Wait for the window and strike; False when the run ended before it came there."""
        until = monotonic() + PATIENCE_S
        while not strike.reached(run):
            if not self._open(run) or run.state == State.LOST:
                self.say(f"{self.name}: {run.code} {run.state} before the window {strike.aim.window}")
                return False
            assert monotonic() < until, f"{run.code} never came to {strike.aim}: {run.state}, {run.sentence}"
            yield
        run.refresh_from_db()
        blow = strike.fall(run)
        self.goal.blows.append(blow)
        self.say(f"{self.name}: {run.code} kill {len(self.goal.blows)}: {blow.aim.kind}, {blow.aim.window}, {blow.met}")
        return True

    def _next(self, left: deque[Aim], stage: Stage, number: int, direction: str, *, building: bool) -> Aim | None:
        """The next strike that is still possible: its step is not on yet, its index is as it must be."""
        while left:
            aim = left.popleft()
            if direction and aim.step in stage.on(number, direction):
                continue
            # an index that a run is still building looks half built, and nobody is going to remove it
            half_built = not building and stage.half_built(number, aim.step)
            if half_built == (aim.window is Window.REMOVAL):
                return aim
        return None

    def _back(self) -> list[Aim]:
        return [Aim(next(self.kinds), Window.ANYWHERE), Aim(next(self.kinds), Window.BEFORE, 3)]

    def _all_back(self) -> list[Aim]:
        """Strikes at a rollback that nobody may leave out; all of them end the run."""
        kinds = (kind for kind in self.kinds if kind in CUTTING)
        windows = (Window.BEFORE, Window.BEFORE, Window.AFTER)
        return [Aim(kind, window, 3) for kind, window in zip(kinds, windows, strict=False)]

    def _resolve(self, run: Execution) -> None:
        found = run.errands.filter(kind=Errand.Kind.RESOLVE).order_by("-pk").first()
        if found is None or found.state != Errand.State.DONE or not (found.result or {}).get("waits_for_person"):
            return
        assert found.result is not None
        resolving.resolve(
            execution_id=run.pk,
            signer=Person.objects.get(username="theo"),
            password=factories.PASSWORD,
            done=found.result["seen"] == "the finished step, not yet recorded",
            reason=f"Looked at the target: {found.result['seen'] or 'nothing'}.",
            now=timezone.now(),
        )
        self.say(f"{self.name}: {run.code} resolved: {found.result['seen']}")

    @staticmethod
    def _open(run: Execution) -> bool:
        run.refresh_from_db()
        return run.is_open


def opened(journey: Journey, number: int) -> ChangeRequest:
    """Open the change of a migration, or return it: lanes share it."""
    known = ChangeRequest.objects.select_related("revision").filter(migration_number=number).first()
    return known or journey.open(number)
