"""The passes of a rehearsal and what they prove: F0 → forward → F1 → rollback → F2 → forward → F3, and every prefix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from changecontrol.rules.certificate import RESTORES, Prefix, Verdict
from changecontrol.rules.finding import Finding
from changecontrol.rules.observed import Observed
from changecontrol.rules.script import Script
from changecontrol.targets import generating, oddities, snapshot, touching
from changecontrol.targets.bench import RAISED, Bench
from changecontrol.targets.limiting import CopyLost
from changecontrol.targets.shots import Shot, lost_between, marked, moved


class RowsInTheWay(Exception):
    """The migration does not bear the rows that were generated, or `needed` them; the message says why."""

    def __init__(self, sentence: str, sqlstate: str, *, needed: bool = False) -> None:
        super().__init__(f"generated rows are {'needed' if needed else 'refused'}: {sentence}")
        self.sqlstate, self.needed = sqlstate, needed


@dataclass(frozen=True, slots=True)
class Scripts:
    """The three files of a migration."""

    forward: Script
    rollback: Script | None
    verify: Script | None


class Proof:
    """One proof in the making: `run` fills it, the attributes are what came out."""

    def __init__(self, bench: Bench, scripts: Scripts, restore: Callable[[], None]) -> None:
        self.bench, self.scripts, self._restore = bench, scripts, restore
        self.verdict, self.sentence = Verdict.EXACT, ""
        self.before: Shot | None = None
        self.after: Shot | None = None
        self.undone: Shot | None = None
        self.again: Shot | None = None
        self.generated: dict[str, int] = {}
        self.not_generated: dict[str, str] = {}
        self.differences: Mapping[str, list[str]] = {}
        self.again_differences: Mapping[str, list[str]] = {}
        self.lost: list[str] = []
        self.sequences: tuple[str, ...] = ()
        self.prefixes: list[Prefix] = []
        self.verified: dict[str, dict[str, Any]] = {}
        self.findings: list[Finding] = []
        self.statements: tuple[Observed, ...] = ()
        self.rollback_statements: tuple[Observed, ...] = ()
        self._touched: set[str] = set()
        self._standing: Mapping[str, int | None] = {}
        self._applied = False  # forward is on
        self._dirty = False  # something else than forward and generated rows sets the copy apart from what it was
        self._rows_there = False  # generated ones

    def run(self, *, rows: int, nulls: bool = True, odd: int = oddities.NONE) -> None:
        """Carry out the passes. Raises RowsInTheWay where generated rows are what makes one of them fail."""
        texts = (self.scripts.forward, self.scripts.rollback)
        named = touching.tables(self.bench.eye, texts)
        if rows:
            self._generate(named, rows, nulls, odd)
        self.before = self.bench.shoot("before")
        self._touched = named & self.before.marks.keys()
        if not self._forward(self.before):
            return
        if self.scripts.rollback is None or not self.scripts.rollback.steps:
            missing = self.scripts.rollback is None
            self.verdict = Verdict.NO_ROLLBACK if missing else Verdict.EMPTY_ROLLBACK
            self.sentence = "There is no rollback script." if missing else "The rollback script holds no statement."
            return
        if self._rollback(self.before, self.scripts.rollback):
            if self.verdict in RESTORES:
                self._prefixes(self.scripts.rollback)
            self._again()

    def _generate(self, named: set[str], rows: int, nulls: bool, odd: int) -> None:
        filled = marked(self.bench.eye)
        self._standing = snapshot.sequences(self.bench.eye)
        made = generating.fill(self.bench.session, tables=named, rows=rows, nulls=nulls, odd=odd)
        self.not_generated = dict(made.reasons)
        now = marked(self.bench.eye)
        grown = {name for name, mark in now.items() if mark[2] and not filled[name][2]}
        by_triggers = sorted(grown - made.rows.keys())
        self.generated = {name: made.rows.get(name, 0) for name in (*made.rows, *by_triggers) if name in grown}
        self._rows_there = bool(grown)

    def _forward(self, before: Shot) -> bool:
        ran = self.bench.run(self.scripts.forward, "forward", observe=True)
        self.statements = ran.observed
        if ran.sentence:
            self._dirty = not ran.untouched
            self._rows_in_the_way(ran.sentence, ran.sqlstate)
            self.verdict, self.sentence = Verdict.FORWARD_FAILED, ran.sentence
            return False
        self._applied = True
        self.after = self.bench.shoot("forward", since=before, rows=False)
        said = self._verify("forward")
        if said:
            self._rows_in_the_way(said)
            self.verdict, self.sentence = Verdict.FORWARD_FAILED, f"The verify script fails after forward: {said}"
            return False
        return True

    def _rollback(self, before: Shot, rollback: Script) -> bool:
        """Run the rollback and compare; False when it failed."""
        ran = self.bench.run(rollback, "rollback", observe=True)
        self.rollback_statements = ran.observed
        self._applied = ran.untouched
        if ran.sentence:
            self._dirty = not ran.untouched
            if ran.sqlstate == RAISED:
                self._rows_in_the_way(ran.sentence, ran.sqlstate)
            self.verdict, self.sentence = Verdict.ROLLBACK_FAILED, f"The rollback fails: {ran.sentence}"
            return False
        self._verify("rollback", after_rollback=True)
        self.undone = self.bench.shoot("rollback", since=before)
        assert self.after is not None  # forward came first
        self._touched |= before.written(self.after) | before.written(self.undone)
        found = before.differences(self.undone)
        self.differences = found.to_json()
        self.lost = list(lost_between(before, self.undone))
        self.sequences = moved(before, self.undone)
        self._dirty = bool(found or self.sequences or not self._rows_alone_differ(before, self.undone))
        self.verdict = _verdict(found)
        self.sentence = _said(found, self.lost)
        return True

    def _prefixes(self, rollback: Script) -> None:
        """The rollback after each beginning of forward: what a run that stopped between two steps needs."""
        base = self.undone
        assert base is not None  # the whole rollback came first
        for count in range(1, len(self.scripts.forward.steps)):
            if self._spoiled:
                self.make_anew()
                base = self.bench.shoot(f"before prefix {count}")
            self.prefixes.append(self._prefix(count, rollback, base))

    @property
    def _spoiled(self) -> bool:
        """Whether the last beginning of forward could not be taken back."""
        return bool(self.prefixes) and (self.prefixes[-1].verdict not in RESTORES or bool(self.prefixes[-1].lost))

    def _prefix(self, count: int, rollback: Script, base: Shot) -> Prefix:
        ran = self.bench.run(self.bench.steps(self.scripts.forward, count), f"forward to step {count}")
        self._dirty = True
        if ran.sentence:
            return Prefix(count, Verdict.FORWARD_FAILED, error=ran.sentence)
        ran = self.bench.run(rollback, f"rollback after step {count}")
        if ran.sentence:
            return Prefix(count, Verdict.ROLLBACK_FAILED, error=ran.sentence)
        now = self.bench.shoot(f"prefix {count}", since=base)
        found, gone = base.differences(now), lost_between(base, now)
        self.lost += [f"After step {count} alone: {one}" for one in gone]
        verdict = _verdict(found)
        error = " ".join(found.said[:5]) if verdict not in RESTORES else ""
        return Prefix(count, verdict, found.to_json(), gone, error)

    def _again(self) -> None:
        """Forward a second time: it must be possible, and give the same."""
        assert self.after is not None and self.undone is not None  # the first time came first
        if self._spoiled:
            self.make_anew()
        elif self._rows_there and not self._dirty:
            self._cleared()
        ran = self.bench.run(self.scripts.forward, "forward again")
        if ran.sentence and self.generated and not self._rows_there and self.verdict in RESTORES:
            self._dirty = self._dirty or not ran.untouched
            raise RowsInTheWay(ran.sentence, ran.sqlstate, needed=True)  # does the first time fail as well without?
        said = ran.sentence or self._verify("again")
        self._applied = not ran.sentence
        self._dirty = self._dirty or (bool(ran.sentence) and not ran.untouched)
        if not ran.sentence:
            self.again = self.bench.shoot("again", since=self.undone, rows=False)
            found = self.after.differences(self.again)
            self.again_differences = found.to_json()
            if found and self.verdict in RESTORES:
                self.verdict = Verdict.REAPPLY_DIFFERS
                self.sentence = f"Forward again gives another schema than the first time: {' '.join(found.said[:5])}"
        if said and self.verdict in RESTORES:
            self.verdict = Verdict.REAPPLY_FAILED
            self.sentence = f"After the rollback forward cannot be applied again: {said}"
        elif said:
            self.sentence += f" Then forward cannot be applied again: {said}"

    def leave_applied(self) -> None:
        """Leave the copy with forward applied, and nothing else done to it."""
        if not self._dirty and not self._rows_there and (self._applied or self.after is None):
            return
        self.make_anew()
        if self.after is None:
            return
        self.bench.guard.allow(self.bench.guard.limits.seconds)  # it may be the rollback that took too long
        ran = self.bench.run(self.scripts.forward, "forward, to leave it applied")
        if ran.sentence:  # something was left that no comparison sees, such as a role
            self._dirty = True
            self.make_anew()
            ran = self.bench.run(self.scripts.forward, "forward, to leave it applied")
        if ran.sentence:
            raise CopyLost(sentence=ran.sentence)

    def changed(self) -> dict[str, Any]:
        """What forward did to the catalog: the lists of Differences.to_json, and both definitions of each name."""
        if self.before is None or self.after is None:
            return {}
        was, now = self.before.objects, self.after.objects
        found = self.before.differences(self.after).to_json()
        names = [*found["missing"], *found["extra"], *found["changed"], *found["order_only"]]
        return {**found, "definitions": {name: [was.get(name, ""), now.get(name, "")] for name in names}}

    def not_exercised(self) -> list[str]:
        """Sentences for the tables whose rows the rollback had no chance to lose, because there were none."""
        if self.before is None or self.undone is None:
            return []
        empty = sorted(self._touched & self.before.marks.keys() - self.before.data.keys())
        return [f"{name}: {self.not_generated.get(name, 'it holds no rows')}" for name in empty]

    @property
    def fingerprints(self) -> dict[str, str]:
        """The catalog digests by the names the certificate gives them."""
        shots = {"before": self.before, "forward": self.after, "rollback": self.undone, "again": self.again}
        return {name: shot.catalog.digest for name, shot in shots.items() if shot is not None}

    def make_anew(self) -> None:
        """Bring the copy back to what it was before; for the rows that were generated that may be easy."""
        if self._dirty or self._applied or not self._cleared():
            self.bench.made_anew(self._restore)
        self._dirty = self._applied = self._rows_there = False

    def _cleared(self) -> bool:
        """Take the generated rows away again, if there are any; False when they stay."""
        if self._rows_there:
            self._rows_there = not generating.clear(self.bench.session, list(self.generated), self._standing)
        return not self._rows_there

    def _rows_alone_differ(self, before: Shot, after: Shot) -> bool:
        """Whether no other rows than generated ones are different, and none of these went or came."""
        other = {
            name for name in before.data.keys() | after.data.keys() if before.data.get(name) != after.data.get(name)
        }
        counts = [(before.data.get(name), after.data.get(name)) for name in other]
        same = all(was is not None and now is not None and was.rows == now.rows for was, now in counts)
        return same and other <= self.generated.keys()

    def _rows_in_the_way(self, sentence: str, sqlstate: str = "") -> None:
        if self.generated and not self.bench.guard.reached:
            raise RowsInTheWay(sentence, sqlstate)

    def _verify(self, name: str, *, after_rollback: bool = False) -> str:
        """Run the verify script; the sentence when it did not come out as it must."""
        script = self.scripts.verify
        if script is None or not script.steps:
            return ""
        fails = after_rollback and script.header.after_rollback != "passes"
        result = self.bench.verify(script, name, expect_failure=fails)
        self.verified[name] = {"ok": result.ok, "sentence": result.sentence}
        if result.ok:
            return ""
        if after_rollback:
            self.findings.append(
                Finding("verify-after-rollback", "error", script.file, 1, 1, result.sentence, basis="observed")
            )
        return result.sentence


def _verdict(found: snapshot.Differences) -> Verdict:
    return Verdict.DIFFERS if found else Verdict.ORDER_ONLY if found.order_only else Verdict.EXACT


def _said(found: snapshot.Differences, lost: list[str]) -> str:
    if found:
        names = (*found.missing, *found.extra, *found.changed)
        what = "comments" if all(name.startswith("comment on ") for name in names) else "schema"
        return f"The rollback does not give back the {what}: {' '.join(found.said[:5])}"
    schema = "The rollback gives back the schema"
    schema += ", in another order or spelling." if found.order_only else " exactly."
    return f"{schema} {' '.join(lost[:5])}".strip()
