"""A transaction step: its statements and its ledger row commit together, or nothing of it happened."""

from __future__ import annotations

from changecontrol.rules.script import LockClass, Step
from changecontrol.targets import wire
from changecontrol.targets.running import Run


def run_transaction(run: Run, step: Step) -> None:
    """Run the step, again and again while only locks are in the way. Raises Halt or CommitUnclear."""
    run.retrying(step, lambda attempt: _once(run, step))


def _once(run: Run, step: Step) -> None:
    _wait_for_quiet(run, step)
    run.current = None
    if run.probe:
        run.probe.begin(step)
    wire.send(run.session, step.begin_sql or "BEGIN")
    for statement in step.statements:
        run.current = statement
        run.pace(statement.lock, local=True)
        run.run_statement(statement)
    run.own_role()
    read_only = wire.send(run.session, "SHOW transaction_read_only").values[0][0] == "on"
    # a read-only transaction changed nothing that the row would have to commit with
    run.commit(0 if read_only else run.record("done", step))
    if run.probe:
        run.probe.committed()
    if read_only:
        with run.session.transaction():
            run.record("done", step)


def _wait_for_quiet(run: Run, step: Step) -> None:
    """Look before asking for a strong lock: while an old transaction holds the table, a try only stalls others.

    Bounded: what holds the table may not conflict at all, and the 50 ms try finds that out at a small price.
    """
    tables = [t for statement in step.statements if statement.lock is LockClass.STRONG for t in statement.tables]
    if not tables or run.limits.look_s <= 0:
        return
    looked = 0.0
    while looked < run.limits.look_s and run.watch.remaining_s > 0 and not run.watch.asked_to_stop():
        found = run.watch.holders(tables)
        if not found or all(blocker.is_autovacuum for blocker in found):
            return
        run.watch.blockers = found
        run.watch.tell(found)
        run.watch.pause(0.05)
        looked += 0.05
