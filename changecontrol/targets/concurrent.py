"""A single step: one statement that PostgreSQL refuses inside a transaction, such as CREATE INDEX CONCURRENTLY.

Its ledger rows cannot commit with it, so there are two: `began` before, `done` after. What became of a step between
the two is read from the catalog: an INVALID index is dropped and built again, a finished one is left as it is.
"""

from __future__ import annotations

from typing import Any

import psycopg

from changecontrol.rules.script import LockClass, Statement, Step
from changecontrol.targets.looking import wait_for_quiet
from changecontrol.targets.outcome import Failure
from changecontrol.targets.running import Halt, Run
from changecontrol.targets.single import Look, Task, look, task_of


def run_single(run: Run, step: Step) -> None:
    """Run the step, or finish what an earlier run began. Raises Halt."""
    run.retrying(step, lambda attempt: _once(run, step))


def refuse_unnamed(step: Step) -> Failure | None:
    """An index without a name cannot be told from another one after a crash."""
    statement = step.statements[0]
    if not task_of(statement).unnamed:
        return None
    return _failure(
        step,
        statement,
        "CREATE INDEX CONCURRENTLY without a name for the index. Give it one: after an interruption only the name "
        "tells which index is half built.",
    )


def left_of(conn: psycopg.Connection[Any], step: Step, began: dict[str, object]) -> tuple[str, bool]:
    """What an interrupted single step left on the target, for people; empty: nothing. And whether that is certain.

    `began` is the detail of the step's `began` row. The step's session must have ended or be idle.
    """
    task = task_of(step.statements[0])
    if began.get("existed"):
        return "", True  # what bears the name was there before us
    found = look(conn, task, known=_oids(began))
    if found.state == "unknown":
        return found.left or "a state that the catalog cannot tell", False
    if found.state == "done" and task.kind != "repeatable":
        return "the finished step, not yet recorded", True
    return found.left, True


def _once(run: Run, step: Step) -> None:
    statement = step.statements[0]
    run.current, run.watch.statement = statement, statement.number
    wait_for_quiet(run, step.statements)
    run.pace(LockClass.PATIENT, local=False)
    task = task_of(statement)
    flight = run.flight(step)
    earlier = flight.detail if flight is not None and flight.kind == "began" else None
    if run.single_began == step.number or earlier is not None:
        detail = _began(run, step, earlier or {})
        if _settle(run, step, statement, task, detail):
            return
    else:
        found = look(run.session, task)
        _refuse_foreign(step, statement, task, found)
        detail = {"existed": task.kind == "create index" and found.state != "absent", "known": list(found.oids)}
    run.record("began", step, **detail)
    run.single_began, run.began_detail = step.number, detail
    if run.probe:
        run.probe.begin(step)
    run.pace(statement.lock, local=False)
    run.run_statement(statement)
    _record_done(run, step)


def _settle(run: Run, step: Step, statement: Statement, task: Task, began: dict[str, object]) -> bool:
    """Finish or clean up what an interrupted try left. True when the step is finished by that."""
    found = look(run.session, task, known=_oids(began))
    if began.get("existed"):
        return False  # IF NOT EXISTS met a finished index of somebody else: asking again is harmless
    if found.state == "unknown":
        raise Halt("failed", _unknown(step, statement, found))
    if found.state == "done" and task.kind != "repeatable":
        run.watch.emit("notice", "The interrupted step had been finished: recorded as it is.", severity="LOG")
        _record_done(run, step, found_finished=True)
        return True
    if found.state == "cut":
        run.watch.emit("notice", f"An interrupted try left {found.left}: removing it.", severity="LOG")
        for text in found.cleanup:
            run.send(text)
        if task.kind == "detach":  # FINALIZE has done the step itself
            _record_done(run, step, found_finished=True)
            return True
    return False


def _record_done(run: Run, step: Step, **detail: object) -> None:
    run.session.pin()  # a script cannot have changed the role in between, but settings of its own
    with run.session.transaction():
        run.record("done", step, **detail)
    run.single_began = None


def _began(run: Run, step: Step, earlier: dict[str, object]) -> dict[str, object]:
    """What was noted when the step began: in this run, or in the ledger by an earlier one."""
    if run.single_began == step.number:
        return run.began_detail
    return {key: value for key, value in earlier.items() if key in ("existed", "known")}


def _oids(began: dict[str, object]) -> tuple[int, ...]:
    known = began.get("known")
    return tuple(int(oid) for oid in known) if isinstance(known, list) else ()


def _refuse_foreign(step: Step, statement: Statement, task: Task, found: Look) -> None:
    """IF NOT EXISTS would silently keep an INVALID index, or one that means something else."""
    if task.kind == "create index" and task.only_if and found.state in ("cut", "unknown"):
        raise Halt(
            "failed",
            _failure(
                step,
                statement,
                f"the target already has {found.left}, which this change did not build. IF NOT EXISTS would keep it. "
                "Drop it first, in a change of its own.",
            ),
        )


def _unknown(step: Step, statement: Statement, found: Look) -> Failure:
    what = f": there is {found.left}" if found.left else ""
    return _failure(
        step,
        statement,
        f"this step began in an earlier run, and the catalog cannot tell whether it was finished{what}. Look at the "
        "target and sign what you found.",
    )


def _failure(step: Step, statement: Statement, text: str) -> Failure:
    return Failure(
        sentence=f"{statement.source} line {statement.line}: {text}",
        step=step.number,
        statement=statement.number,
        line=statement.line,
        column=statement.column,
    )
