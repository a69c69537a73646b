"""What one execution does on its target, pass by pass, by purpose and rollback class (design 3, Staging run)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from changecontrol.models import Execution, Signature
from changecontrol.rules.lifecycle import Effect, Purpose, State
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import RollbackClass, Script
from changecontrol.services import expecting, freezing, proofs
from changecontrol.services.journal import Journal
from changecontrol.targets import connection, ledger, runner
from changecontrol.targets.outcome import Event, Limits, Order, Outcome

FORWARD, ROLLBACK = "forward", "rollback"


@dataclass(slots=True)
class Result:
    """How an execution ended, for settling: state, what is on the target, why, and what it showed."""

    state: State
    effect: Effect
    sentence: str = ""
    outcome: dict[str, Any] = field(default_factory=dict)


class PassFailed(Exception):
    """A pass did not come out as it must; the message is the sentence for the page."""


class Passes:
    """The passes of one claimed execution over one locked session."""

    def __init__(
        self, execution: Execution, session: connection.Session, journal: Journal, where: connection.Where
    ) -> None:
        self.execution, self.session, self.journal, self.where = execution, session, journal, where
        self.change, self.revision = execution.change, execution.revision
        forward, self.rollback, self.verify = freezing.scripts(self.revision)
        assert forward is not None  # a revision is never frozen without a forward script
        self.forward: Script = forward
        self.outcome: dict[str, Any] = {"passes": []}
        self.effect = Effect.UNKNOWN
        self.pass_no = 0
        self.copied = 0

    def run(self) -> Result:
        """Carry out the passes of this purpose and return how it ended; the effect is read from the ledger."""
        self.effect = self._net()
        try:
            match self.execution.purpose:
                case Purpose.STAGE:
                    self._stage()
                case Purpose.DEPLOY:
                    self._deploy()
                case Purpose.ROLL_BACK | Purpose.UNDO_STAGING:
                    self._undo()
                case _:
                    self._develop()
        except PassFailed as failed:
            # what is on is never guessed: an unknown effect is resolved from the ledger, or by a person
            state = State.LOST if self.effect is Effect.UNKNOWN else State.FAILED
            return Result(state, self.effect, str(failed), self.outcome)
        except Refused as no:
            if not self.pass_no:
                raise  # nothing was run
            return Result(State.LOST, Effect.UNKNOWN, no.sentence, self.outcome)
        return Result(State.SUCCEEDED, self.effect, "", self.outcome)

    def _stage(self) -> None:
        """Prove the way back on staging: forward, rollback, forward, compared; or what the declared class allows."""
        if self.effect != Effect.NONE and freezing.has_way_back(self.revision):
            self._pass("clearing", ROLLBACK)
        way = RollbackClass(self.revision.rollback_class)
        if way is not RollbackClass.LOSSLESS and way is not RollbackClass.CONDITIONAL and self.effect == Effect.NONE:
            self.outcome["backup"] = proofs.back_up(self.where, self.journal)
        if freezing.has_way_back(self.revision):
            before = proofs.shoot(self.session)
            self._pass("forward", FORWARD)
            self._verify("forward")
            # what a lossy rollback destroys is exercised with the rows that are there
            self._pass("rollback", ROLLBACK)
            self._verify("rollback", after_rollback=True)
            comparison = proofs.compare(before, proofs.shoot(self.session), lossy=way is RollbackClass.LOSSY)
            self.outcome["comparison"] = comparison
            self.journal.write("compared", comparison["sentence"], data={"differences": comparison["differences"][:20]})
            if not comparison["ok"]:
                raise PassFailed(comparison["sentence"])
        self._pass("forward again" if freezing.has_way_back(self.revision) else "forward", FORWARD)
        self._verify("forward again")
        self._checks("after")

    def _deploy(self) -> None:
        """Forward, verify, standing checks before and after."""
        self._checks("before")
        self._pass("forward", FORWARD)
        self._verify("forward")
        self._checks("after")

    def _undo(self) -> None:
        """Roll back what is on; the verify script has to fail afterwards."""
        if self.effect != Effect.NONE:
            self._pass("rollback", ROLLBACK)
        if self.effect != Effect.NONE:
            raise PassFailed("The rollback ran, and the ledger still holds steps of this migration.")
        self._verify("rollback", after_rollback=True)
        self._checks("after")

    def _develop(self) -> None:
        if self.execution.direction == ROLLBACK:
            self._pass("rollback", ROLLBACK)
            self._verify("rollback", after_rollback=True)
        else:
            self._pass("forward", FORWARD)
            self._verify("forward")

    def _pass(self, phase: str, direction: str) -> None:
        """Run one script once; raise PassFailed with the runner's sentence if it does not succeed."""
        script = self.forward if direction == FORWARD else self.rollback
        if script is None:
            raise PassFailed("This revision has no rollback script.")
        self.pass_no += 1
        self.journal.phase = phase
        self.journal.write("pass_started", f"Pass {self.pass_no}: {phase}.", data={"direction": direction})
        outcome: Outcome = runner.run(
            self.session,
            script=script,
            order=self._order(direction),
            on_event=self._on_event,
            stop=self.journal.stop,
            limits=Limits(
                deadline_s=settings.RUN_DEADLINE_SECONDS,
                expected_ms=expecting.milliseconds(self.execution, direction),
            ),
            may_continue=self.journal.may_continue,
            hold=self.journal.hold,
        )
        self.effect = Effect(outcome.effect)
        entry: dict[str, Any] = {"phase": phase, "direction": direction, "state": outcome.state}
        entry |= {
            "effect": outcome.effect,
            "steps_done": outcome.steps_done,
            "steps_total": outcome.steps_total,
            "left": list(outcome.left),
        }
        entry["error"] = dataclasses.asdict(outcome.error) if outcome.error else None
        self.outcome["passes"].append(entry)
        self._reopen()
        self._copy()
        if outcome.state != "succeeded":
            raise PassFailed(outcome.error.sentence if outcome.error else f"The pass {phase} ended as {outcome.state}.")

    def _on_event(self, event: Event) -> None:
        self.journal.write(event.kind, event.text, step=event.step, statement=event.statement, data=event.data)
        if event.kind == "committed" and not self.session.closed:
            self._copy()

    def _copy(self) -> None:
        """Copy new ledger rows after each step, so that the next run can compare them."""
        rows = ledger.rows(self.session, since=self.copied)
        if rows:
            self.copied = rows[-1].id
            self.journal.copy(self.execution.target, rows)

    def _reopen(self) -> None:
        """A killed backend leaves a closed session; the ledger is read over a new one."""
        if self.session.closed:
            self.session = connection.connect(self.where, application_name=f"{self.change.code} {self.execution.code}")

    def _net(self) -> Effect:
        rows = ledger.rows(self.session)
        self.copied = rows[-1].id if rows else 0
        return Effect(ledger.net(rows, migration=self.change.migration_number).effect)

    def _order(self, direction: str) -> Order:
        signatures = Signature.objects.filter(change=self.change, content_digest=self.execution.content_digest)
        person = self.execution.requested_by
        return Order(
            change_code=self.change.code,
            migration=self.change.migration_number,
            direction=direction,
            script_digest=self.revision.script_digest,
            content_digest=self.execution.content_digest,
            execution_id=str(self.execution.uuid),
            attempt=self.execution.attempt,
            fence=self.execution.fence,
            actor=person.printed_name if person else "automatic",
            signature_ids=tuple(str(pk) for pk in signatures.values_list("pk", flat=True)),
            pass_no=self.pass_no,
            name=self.change.migration_name,
        )

    def _verify(self, phase: str, *, after_rollback: bool = False) -> None:
        """Run the verify script; after a rollback it has to fail unless its header declares otherwise."""
        if self.verify is None or not self.verify.steps:
            return
        self.journal.phase = phase
        fails = after_rollback and self.verify.header.after_rollback != "passes"
        result = runner.verify(self.session, script=self.verify, expect_failure=fails)
        self.outcome.setdefault("verify", {})[phase] = {"ok": result.ok, "sentence": result.sentence}
        self.journal.write("verified" if result.ok else "verify_failed", result.sentence)
        if not result.ok:
            raise PassFailed(result.sentence)

    def _checks(self, when: str) -> None:
        """Run the standing checks of the revision; afterwards none may fail that did not fail before, no value fall."""
        self.journal.phase = "checks"
        rows = [
            row
            for name, text in sorted(self.revision.checks.items())
            for row in runner.check(self.session, name=name, sql=text)
        ]
        kept = [
            {
                "name": row.name,
                "ok": row.ok,
                "detail": row.detail,
                "value": None if row.value is None else str(row.value),
            }
            for row in rows
        ]
        self.outcome.setdefault("checks", {})[when] = kept
        wrong = [row for row in rows if not row.ok]
        told = f"Standing checks {when}: {len(rows) - len(wrong)} of {len(rows)} green."
        self.journal.write("checks", told, data={"failed": [f"{row.name}: {row.detail}" for row in wrong]})
        if when == "before":
            self._checked = rows
            # between its steps a change may break what its last step mends: resuming is the way out
            if wrong and self.effect is Effect.NONE:
                raise PassFailed(
                    f"A standing check fails before the run: {wrong[0].name}: {wrong[0].detail} Nothing was run."
                )
            return
        fallen = runner.fallen(getattr(self, "_checked", []), rows)
        if wrong or fallen:
            first = fallen[0] if fallen else f"{wrong[0].name}: {wrong[0].detail}"
            raise PassFailed(f"The run is committed, and a standing check fails afterwards: {first}")
