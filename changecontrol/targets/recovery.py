"""How a run ends, also when the connection broke: what is on is read from the target, never guessed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import StepKind
from changecontrol.targets import concurrent, errors, ledger, observe
from changecontrol.targets.connection import Session, TargetFull, TargetStarting, TargetUnreachable
from changecontrol.targets.folding import Net
from changecontrol.targets.outcome import Failure, Outcome, State
from changecontrol.targets.running import CommitUnclear, Run, roll_back

_REACH_S = 10.0  # how long a target that does not answer is tried again before its effect stays unknown
_PATIENCE_S = 2.0  # how long our broken session may take to end by itself
_POLL_S = 0.1


def settle(run: Run, unclear: CommitUnclear, reconnect: Callable[[], Session]) -> tuple[State, Failure | None]:
    """Learn whether a COMMIT took place whose answer never came."""
    step = run.watch.step
    fresh = reopen(run, reconnect)
    if fresh is None:
        sentence = (
            "The connection broke during COMMIT and the target does not answer: whether this step is on is not known. "
            "Resume when the target can be reached; its ledger tells."
        )
        return "failed", Failure(sentence=sentence, sqlstate="08007", step=step)
    row = fresh.execute("SELECT pg_xact_status(%s::text::xid8)", (unclear.xid,)).fetchone() if unclear.xid else None
    if row is None or row[0] != "committed":
        return "failed", errors.lost_connection(unclear.cause, step=step, statement=run.current)
    whole = next((s.kind is not StepKind.BATCHED for s in run.script.steps if s.number == step), False)
    if whole and step is not None:
        run.done.add(step)
    run.watch.emit("committed", f"Step {step} was committed; the connection broke before the answer came.")
    if len(run.done) == len(run.script.steps):
        return "succeeded", None
    sentence = f"The connection broke just after a COMMIT of step {step}, which took place. Resume goes on behind it."
    return "failed", Failure(sentence=sentence, sqlstate="08006", step=step)


def finish(run: Run, state: State, failure: Failure | None, reconnect: Callable[[], Session]) -> Outcome:
    """Record the end of the run and give its outcome."""
    total = len(run.script.steps)
    net, left = None, ""
    session = run.session if not run.session.closed else reopen(run, reconnect)
    if session is not None:
        with suppress(psycopg.Error):
            net, left = _close_books(run, session, state, failure)
    if failure is not None:
        kind = "aborted" if state == "aborted" else "step_failed"
        run.watch.emit(kind, failure.sentence, sqlstate=failure.sqlstate, line=failure.line, column=failure.column)
    done = run.done if net is None else _done(run, net)
    return Outcome(
        state=state,
        effect=net.effect if net else "unknown",
        error=failure,
        steps_done=len(done),
        steps_total=total,
        left=(left,) if left else (),
    )


def reopen(run: Run, reconnect: Callable[[], Session]) -> Session | None:
    """A fresh session in place of the broken one, once that one has ended on the server; None when out of reach."""
    pid, started = run.backend_pid, run.session.started
    ends = time.monotonic() + _REACH_S
    while True:
        try:
            fresh = reconnect()
            break
        except (TargetUnreachable, TargetStarting, TargetFull):
            if time.monotonic() >= ends:
                return None
            time.sleep(_POLL_S)
        except Refused:
            return None
    try:
        _wait_until_gone(fresh, pid, started)
    except psycopg.Error:
        fresh.close()
        return None
    run.session, run.backend_pid = fresh, fresh.info.backend_pid
    return fresh


def _wait_until_gone(fresh: Session, pid: int, started: str) -> None:
    """What the old session did is decided only when it has ended. It is ours: it is ended after a while."""
    ends = time.monotonic() + _PATIENCE_S
    while not observe.is_gone(fresh, pid=pid, started=started):
        if time.monotonic() >= ends:
            fresh.execute("SELECT pg_terminate_backend(%s)", (pid,))
            ends += _PATIENCE_S
        time.sleep(_POLL_S)


def _close_books(run: Run, session: Session, state: State, failure: Failure | None) -> tuple[Net, str]:
    """Look at what an interrupted single step left, write the `finished` row, read what is on now."""
    roll_back(session)
    session.repin()
    rows: list[ledger.LedgerRow] = []
    detail: dict[str, object] = {"state": state, "sentence": failure.sentence if failure else ""}
    if state != "succeeded":  # what succeeded left nothing in flight
        rows = ledger.known_rows(session, migration=run.order.migration)
    left, flight = "", ledger.net(rows, migration=run.order.migration).in_flight
    if flight is not None and flight.kind == "began" and flight.direction == run.order.direction:
        step = next(step for step in run.script.steps if step.number == flight.step)
        left, certain = concurrent.left_of(session, step, flight.detail)
        if certain:
            detail["in_flight"] = {"step": flight.step, "left": left}
    with suppress(psycopg.Error):  # fenced off, or no space: the rows of the steps are what counts
        steps, lost = len(run.script.steps), run.limits.end_may_be_lost
        ledger.write(session, run.order, "finished", step=None, steps=steps, detail=detail, may_be_lost=lost)
    rows = ledger.known_rows(session, migration=run.order.migration)
    return ledger.net(rows, migration=run.order.migration), left


def _done(run: Run, net: Net) -> set[int]:
    """The finished steps of this direction. A finished rollback leaves none in the net: then the run's own count."""
    if run.order.direction == "rollback":
        return set(net.rollback_done) or run.done
    return set(net.steps_done) or run.done
