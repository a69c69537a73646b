"""A transaction step: its statements and its ledger row commit together, or nothing of it happened."""

from __future__ import annotations

import psycopg

from changecontrol.rules.script import LockClass, Step
from changecontrol.targets.looking import wait_for_quiet
from changecontrol.targets.running import Run


def run_transaction(run: Run, step: Step) -> None:
    """Run the step, again and again while only locks are in the way. Raises Halt or CommitUnclear."""
    run.retrying(step, lambda attempt: _once(run, step))


def _once(run: Run, step: Step) -> None:
    wait_for_quiet(run, step.statements)
    run.current, run.holds_strong = None, False
    if run.probe:
        run.probe.begin(step)
    before = None
    run.begin(step)
    for statement in step.statements:
        run.current = statement
        if before is not None:
            run.pace_behind(before, statement)
        run.run_statement(statement)
        run.holds_strong = run.holds_strong or statement.lock is LockClass.STRONG
        before = statement
    read_only = run.own_role()
    # a read-only transaction changed nothing that the row would have to commit with
    xid = 0 if read_only else run.record("done", step)
    try:
        run.commit(xid)
    except psycopg.Error as error:
        if run.probe:
            run.probe.failed_to_commit(error)
        raise
    if run.probe:
        run.probe.committed()
    if read_only:
        with run.session.transaction():
            run.record("done", step)
