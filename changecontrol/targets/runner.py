"""Run a script on a target: one step after the other, each recorded in the target's ledger.

Events, by kind: run_started, step_skipped, step_started, statement_done (ms, rows), notice (severity), waiting (pid,
user, application, mode, query_age_s ...), retry (attempt, sqlstate), progress (rows, total, rate, eta_s, batch, key),
paused, resumed (paused_s), throttled (reason, waited_s), vacuumed (table, ms), committed, step_failed, aborted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from changecontrol.rules.script import Direction, Script, Step, StepKind
from changecontrol.targets import concurrent, errors, preconditions, recovery
from changecontrol.targets.backfill import run_batched
from changecontrol.targets.checking import CheckRow, VerifyResult, check, fallen, verify
from changecontrol.targets.connection import Session, lock_is_held
from changecontrol.targets.outcome import Effect, Event, Failure, Limits, Order, Outcome, State
from changecontrol.targets.probe import Probe
from changecontrol.targets.running import CommitUnclear, Halt, Run, roll_back
from changecontrol.targets.transaction import run_transaction
from changecontrol.targets.watching import Watch

__all__ = [
    "CheckRow",
    "Effect",
    "Event",
    "Failure",
    "Limits",
    "Order",
    "Outcome",
    "State",
    "VerifyResult",
    "check",
    "fallen",
    "run",
    "verify",
]


def run(
    conn: Session,
    *,
    script: Script,
    order: Order,
    on_event: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
    limits: Limits | None = None,
    may_continue: Callable[[], bool | str | None] = lambda: True,
    hold: Callable[[], str | None] = lambda: None,
    reconnect: Callable[[], Session] | None = None,
    observer: Session | None = None,
    probe: Probe | None = None,
) -> Outcome:
    """Run every step of the script that is not on the target yet. Never raises for what a target may do.

    The caller holds `connection.lock` around it. All callbacks run in the calling thread. `stop` gives a reason to
    abort, asked between statements and every 200 ms while one is in flight, which is then canceled. `may_continue`
    is asked before each step: True or None goes on; False or a sentence ends the run there. `hold` gives a reason to
    pause, asked between steps and between batches, where no transaction is open and nothing but the advisory lock is
    held; the run goes on once it gives None, and ends as ever on an abort or at the deadline. `reconnect` opens a fresh
    session after a broken one, to learn what is on; by default the same way as `conn` was opened. `observer` lends the
    second session that looks around; by default each run opens its own.
    """
    if order.direction != script.direction.value or script.direction is Direction.VERIFY:
        raise ValueError(f"an order for {order.direction} does not fit a {script.direction} script")
    limits = limits or Limits()
    steps = len(script.steps)
    try:
        net, done = preconditions.examine(conn, script, order)
    except preconditions.CannotRun as refusal:
        on_event(Event("step_failed", None, None, refusal.failure.sentence, {}))
        return Outcome("failed", refusal.effect, refusal.failure, len(refusal.done), steps)
    except psycopg.Error as error:
        failure = errors.lost_connection(error, step=None, statement=None) if conn.closed else errors.explain(error)
        return Outcome("failed", "unknown", failure, 0, steps)
    ends_at = time.monotonic() + limits.deadline_s
    watch = Watch(conn, on_event=on_event, stop=stop, hold=hold, ends_at=ends_at, observer=observer)
    watch.hides_debug = probe is not None
    state = Run(conn, script, order, limits, watch, net, conn.info.backend_pid, probe, done=done)
    try:
        return _run(state, may_continue, reconnect or (lambda: conn.twin("again")))
    finally:
        watch.close()
        if probe:
            probe.close()
        if state.session is not conn:
            state.session.close()
        if not conn.closed:
            roll_back(conn)
            with suppress(psycopg.Error):
                conn.repin()


def _run(run: Run, may_continue: Callable[[], bool | str | None], reconnect: Callable[[], Session]) -> Outcome:
    total = len(run.script.steps)
    run.watch.emit(
        "run_started", f"{run.script.file}: {total} step{'s'[: total != 1]}, {len(run.done)} done before.", steps=total
    )
    ended: State = "succeeded"
    failure: Failure | None = None
    try:
        held, ran = len(run.script.steps) > 1 and lock_is_held(run.session), False
        for step in run.script.steps:
            ran |= _one(run, step, may_continue, held and ran)  # only a script's own text can have released it
    except Halt as halt:
        ended, failure = halt.state, halt.failure
    except CommitUnclear as unclear:
        ended, failure = recovery.settle(run, unclear, reconnect)
    except psycopg.Error as error:  # outside any statement of the script: our own bookkeeping failed
        lost = run.session.closed
        explain = errors.lost_connection if lost else errors.explain
        ended, failure = "failed", explain(error, step=run.watch.step, statement=run.current)
    return recovery.finish(run, ended, failure, reconnect)


def _one(run: Run, step: Step, may_continue: Callable[[], bool | str | None], held: bool) -> bool:
    """Carry out one step unless it is on already. Whether it was carried out."""
    run.watch.step, run.watch.statement, run.current = step.number, None, None
    if step.number in run.done:
        run.watch.emit("step_skipped", f"Step {step.number} is on this target already.")
        return False
    _ask(run, step, may_continue, held)
    run.watch.emit("step_started", f"Step {step.number} of {len(run.script.steps)}: {step.kind}.", kind=str(step.kind))
    started = time.monotonic()
    run.session.pinned = False
    match step.kind:
        case StepKind.TRANSACTION:
            run_transaction(run, step)
        case StepKind.SINGLE:
            concurrent.run_single(run, step)
        case StepKind.BATCHED:
            if run.probe:
                run.probe.begin(step)
            run.observed(step.statements[0], lambda: run_batched(run, step))
    run.done.add(step.number)
    run.current, run.watch.statement = None, None
    ms = round((time.monotonic() - started) * 1000, 1)
    try:
        run.session.pin()  # what the script SET ends with its step, before a callback may read over this session
    finally:  # a session that breaks behind the commit takes nothing back
        run.watch.emit("committed", f"Step {step.number} is committed and recorded.", ms=ms)
    return True


def _ask(run: Run, step: Step, may_continue: Callable[[], bool | str | None], held: bool) -> None:
    """Everything that may hold or end a run between two steps."""
    run.watch.hold_if_asked()
    if run.watch.asked_to_stop():
        raise run.aborted()
    try:
        answer = may_continue()
    except Exception as error:
        answer = f"Asking whether to go on failed ({type(error).__name__})."
    if run.watch.broken:
        answer = f"Change Control could not record what happened ({run.watch.broken})."
    said = "The run was not allowed to go on." if answer is False else answer
    if isinstance(said, str) and said:
        raise Halt("failed", Failure(sentence=f"Stopped before step {step.number}: {said}", step=step.number))
    if held and not lock_is_held(run.session):
        text = "The script released the lock that keeps other executions away from this target."
        raise Halt("failed", Failure(sentence=f"Stopped before step {step.number}: {text}", step=step.number))
    if run.watch.remaining_s <= 0:
        text = f"the deadline of {run.limits.deadline_s:g} s passed. Resume continues here."
        raise Halt("failed", Failure(sentence=f"Stopped before step {step.number}: {text}", step=step.number))
