"""Before anything runs: does this script belong on what the ledger says is on the target?"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from changecontrol.rules.script import Direction, Script, StepKind
from changecontrol.targets import concurrent, ledger
from changecontrol.targets.connection import Session
from changecontrol.targets.folding import LedgerRow, Net
from changecontrol.targets.outcome import Effect, Failure, Order
from changecontrol.targets.running import step_digest


class CannotRun(Exception):
    """The run must not begin; nothing was done."""

    def __init__(self, sentence: str, effect: Effect, done: Iterable[int] = (), failure: Failure | None = None) -> None:
        super().__init__(sentence)
        self.failure = failure or Failure(sentence=sentence)
        self.effect, self.done = effect, tuple(done)


def examine(conn: Session, script: Script, order: Order) -> tuple[Net, set[int]]:
    """Give what is on, and which steps of this script are finished already. Raises CannotRun."""
    try:
        rows = ledger.known_rows(conn, migration=order.migration)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise CannotRun("The target has no ledger. Register it first.", "unknown") from None
    net = ledger.net(rows, migration=order.migration)
    newest = max((row.fence for row in rows), default=order.fence)
    if newest > order.fence:
        raise CannotRun("A newer execution owns this target; this one must not write any more.", net.effect)
    for step in script.steps:
        failure = concurrent.refuse_unnamed(step) if step.kind is StepKind.SINGLE else None
        if failure is not None:
            raise CannotRun(failure.sentence, net.effect, net.steps_done, failure)
    done = _done_in_this_pass(rows, order)
    if len(done) >= len(script.steps):
        return net, done  # a redelivered order: it has been carried out
    if script.direction is Direction.FORWARD:
        return net, _forward(net, script, order)
    return net, _rollback(net, script, order, rows)


def _done_in_this_pass(rows: list[LedgerRow], order: Order) -> set[int]:
    """Steps this very order has finished: a new attempt may begin its passes anew, and then they must really run."""
    ours = (order.execution_id, order.attempt, order.pass_no, order.direction)
    return {
        row.step
        for row in rows
        if row.kind == "done"
        and row.step is not None
        and (row.execution_id, row.attempt, row.pass_no, row.direction) == ours
    }


def _forward(net: Net, script: Script, order: Order) -> set[int]:
    number = f"{order.migration:03d}"
    if net.rollback_done or (net.in_flight and net.in_flight.direction == "rollback"):
        raise CannotRun(
            f"The rollback of {number} is partly done on this target ({len(net.rollback_done)} of "
            f"{net.rollback_total} steps). Finish it before running forward.",
            net.effect,
            net.steps_done,
        )
    if net.baseline:
        raise CannotRun(f"{number} is on this target since its adoption: nothing to run.", net.effect)
    _same_steps(script, net, net.step_digests, number)
    return set(net.steps_done)


def _rollback(net: Net, script: Script, order: Order, rows: list[LedgerRow]) -> set[int]:
    newest = next((row for row in reversed(rows) if row.kind == "done"), None)
    ours = (order.execution_id, order.pass_no, order.direction)
    if net.effect == "none" and newest and (newest.execution_id, newest.pass_no, newest.direction) == ours:
        return {step.number for step in script.steps}  # an earlier attempt finished it and died before it could tell
    if net.effect == "none":
        raise CannotRun("Nothing of this migration is on the target: there is nothing to roll back.", net.effect)
    _same_steps(script, net, net.rollback_digests, "the rollback")
    return set(net.rollback_done)


def _same_steps(script: Script, net: Net, digests: dict[int, str], called: str) -> None:
    """What is on must be the beginning of this script, step by step; else resuming would mix two scripts."""
    ours = {step.number: step_digest(step) for step in script.steps}
    on = dict(digests)
    flight = net.in_flight
    if flight is not None and flight.direction == script.direction.value and "step_digest" in flight.detail:
        on[flight.step] = str(flight.detail["step_digest"])
    other = sorted(number for number, digest in on.items() if digest and ours.get(number) != digest)
    if other:
        raise CannotRun(
            f"Step {other[0]} of {called} on this target came from another script (of {net.change_code or 'unknown'}). "
            "Roll back what is on, or resume with the script it came from.",
            net.effect,
            net.steps_done,
        )
