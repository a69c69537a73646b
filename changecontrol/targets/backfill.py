"""A batched step: walk a table along its key, commit range by range, remember the key in the same transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass

from changecontrol.rules.script import Batch, LockClass, Statement, Step
from changecontrol.targets import wire
from changecontrol.targets.outcome import Failure
from changecontrol.targets.running import Halt, Run

_SMALLEST, _LARGEST = 100, 20_000
_PASSES = 3  # users write meanwhile: a second pass takes what came behind the first one's back


@dataclass(slots=True)
class _Walk:
    """Where the walk stands. `key` is the last committed upper key as text, None before the first range."""

    size: int
    key: str | None = None
    rows: int = 0
    batch: int = 0
    pass_in_step: int = 1
    pass_rows: int = 0
    total: int = 0
    at_start: int = 0  # rows changed before this run: the rate is this run's own
    started: float = 0.0


def run_batched(run: Run, step: Step) -> None:
    """Run all batches, resuming behind the last committed key. Raises Halt or CommitUnclear."""
    batch, statement = step.batch, step.statements[0]
    assert batch is not None  # the parser gives every batched step its batch
    run.current, run.watch.statement = statement, statement.number
    run.pace(LockClass.WRITE, local=False)  # for the counts, which run outside the batches' transactions
    walk = _resume(run, step, batch)
    began = time.monotonic()
    while True:
        while _next(run, step, batch, walk):
            run.watch.hold_if_asked()
            if run.watch.asked_to_stop():
                raise run.aborted()
            if run.watch.remaining_s <= 0:
                raise Halt("failed", _out_of_time(run, step, statement, walk))
        if _is_complete(run, step, batch, walk):
            break
        walk.key, walk.pass_rows, walk.pass_in_step = None, 0, walk.pass_in_step + 1
    with run.session.transaction():
        run.record("done", step, rows=walk.rows, batches=walk.batch)
    run.told(statement, wire.Reply(tag=f"{walk.rows} rows in {walk.batch} batches", rows=walk.rows), began)


def _resume(run: Run, step: Step, batch: Batch) -> _Walk:
    walk = _Walk(size=batch.size, started=time.monotonic())
    flight = run.flight(step)
    if flight is not None and flight.kind == "progress":
        detail = flight.detail
        walk.key, walk.rows, walk.batch = detail.get("key"), int(detail["rows"]), int(detail["batch"])
        walk.pass_in_step, walk.pass_rows = int(detail["pass"]), int(detail["pass_rows"])
        walk.size = int(detail.get("size", batch.size))
        run.watch.emit("progress", f"Resuming behind key {walk.key}.", key=walk.key, batch=walk.batch, rows=walk.rows)
    walk.at_start = walk.rows
    walk.total = walk.rows + run.retrying(step, lambda attempt: _count(run, batch.count_sql))
    return walk


def _next(run: Run, step: Step, batch: Batch, walk: _Walk) -> bool:
    """Do one range and commit it with its progress row; False when no key is left."""
    if walk.batch == 0 and run.watch.asked_to_stop():
        raise run.aborted()
    size, first = walk.size, True

    def once(attempt: int) -> tuple[str | None, int, float]:
        nonlocal size, first
        if not first:
            size = max(size // 2, 1)
        first = False
        return _range(run, step, batch, walk, size)

    upper, changed, seconds = run.retrying(step, once)
    if upper is None:
        return False
    walk.key, walk.batch = upper, walk.batch + 1
    walk.rows, walk.pass_rows = walk.rows + changed, walk.pass_rows + changed
    factor = min(max(run.limits.batch_target_ms / 1000 / max(seconds, 0.001), 0.5), 1.5)
    walk.size = min(max(round(size * factor), min(_SMALLEST, batch.size)), _LARGEST)
    _tell(run, walk)
    return True


def _range(run: Run, step: Step, batch: Batch, walk: _Walk, size: int) -> tuple[str | None, int, float]:
    """One transaction. Gives (upper key or None at the end, rows changed, seconds)."""
    started = time.monotonic()
    wire.send(run.session, "BEGIN")
    run.pace(LockClass.WRITE, local=True)
    upper = run.send(batch.bound_sql, params=(walk.key, str(size))).values[0][0]
    if upper is None:
        wire.send(run.session, "ROLLBACK")
        return None, 0, 0.0
    changed = run.send(batch.bounded_sql, params=(walk.key, upper)).rows
    if batch.expect_positive and changed == 0:
        _require_nothing_left(run, step, batch, walk.key, upper)
    run.own_role()
    xid = run.record(
        "progress",
        step,
        key=upper,
        rows=walk.rows + changed,
        changed=changed,
        batch=walk.batch + 1,
        size=size,
        **{"pass": walk.pass_in_step, "pass_rows": walk.pass_rows + changed},
    )
    run.commit(xid)
    return upper, changed, time.monotonic() - started


def _require_nothing_left(run: Run, step: Step, batch: Batch, lower: str | None, upper: str) -> None:
    """A range that still holds matching rows, none of which changed: a rule or trigger swallows the statement."""
    left = int(run.send(batch.range_count_sql, params=(lower, upper)).values[0][0] or 0)
    if left:
        statement = step.statements[0]
        raise Halt(
            "failed",
            _failure(
                step,
                statement,
                f"{left} rows of {batch.table} up to key {upper} match the WHERE, but the batch changed none of them. "
                "A rule, a trigger or a policy on the table swallows the statement. Nothing of this batch was kept.",
            ),
        )


def _is_complete(run: Run, step: Step, batch: Batch, walk: _Walk) -> bool:
    """Whether nothing is left to do. False asks for one more pass; raises Halt when more passes would not help."""
    statement = step.statements[0]
    if statement.kind == "InsertStmt":
        return True  # the source rows still match afterwards; every key was walked once
    left = run.retrying(step, lambda attempt: _count(run, batch.count_sql))
    if left == 0:
        return True
    if walk.pass_rows and _where_is_blind(run, step, batch):
        run.watch.emit(
            "notice",
            "The WHERE does not tell finished rows from open ones: every row was changed once, no further pass.",
            severity="WARNING",
        )
        return True
    if walk.pass_rows and walk.pass_in_step < _PASSES:
        run.watch.emit("progress", f"{left} rows came to match meanwhile: one more pass.", rows=walk.rows, total=left)
        return False
    raise Halt(
        "failed",
        _failure(
            step,
            statement,
            f"{left} rows of {batch.table} still match the WHERE after {walk.pass_in_step} passes. A rule, a trigger, "
            "a policy or a NULL key keeps them from being changed. What was committed stays; look at these rows first.",
        ),
    )


def _where_is_blind(run: Run, step: Step, batch: Batch) -> bool:
    """Try one range and take it back: when the changed rows still match, another pass would change them twice."""

    def once(attempt: int) -> bool:
        wire.send(run.session, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        run.pace(LockClass.WRITE, local=True)
        before = _count(run, batch.count_sql)
        lower: str | None = None
        changed = 0
        while not changed:
            upper = run.send(batch.bound_sql, params=(lower, str(batch.size))).values[0][0]
            if upper is None:
                break
            changed = run.send(batch.bounded_sql, params=(lower, upper)).rows
            lower = upper
        after = _count(run, batch.count_sql)
        wire.send(run.session, "ROLLBACK")
        return bool(changed) and after > before - changed

    return run.retrying(step, once)


def _count(run: Run, text: str) -> int:
    return int(run.send(text).values[0][0] or 0)


def _tell(run: Run, walk: _Walk) -> None:
    seconds = max(time.monotonic() - walk.started, 0.001)
    rate = (walk.rows - walk.at_start) / seconds
    left = max(walk.total - walk.rows, 0)
    run.watch.emit(
        "progress",
        f"Batch {walk.batch}: {walk.rows} of {walk.total} rows, key {walk.key}.",
        rows=walk.rows,
        total=walk.total,
        rate=round(rate, 1),
        eta_s=round(left / rate, 1) if rate else None,
        batch=walk.batch,
        key=walk.key,
    )


def _out_of_time(run: Run, step: Step, statement: Statement, walk: _Walk) -> Failure:
    return _failure(
        step,
        statement,
        f"The deadline of {run.limits.deadline_s:g} s passed after {walk.batch} batches ({walk.rows} rows). They stay; "
        f"a resumed execution goes on behind key {walk.key}.",
    )


def _failure(step: Step, statement: Statement, text: str) -> Failure:
    return Failure(
        sentence=f"{statement.source} line {statement.line}: {text}",
        step=step.number,
        statement=statement.number,
        line=statement.line,
        column=statement.column,
    )
