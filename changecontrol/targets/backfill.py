"""A batched step: walk a table range by range, commit each, remember the place in the same transaction."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from changecontrol.rules.script import Batch, LockClass, Step
from changecontrol.targets import completing, ranges, throttling, vacuuming, wire
from changecontrol.targets.running import Halt, Run

_RECENT_S = 10.0  # the rate that is told is that of the last seconds


@dataclass(slots=True)
class Walk:
    """Where the walk stands. `key` is the last committed upper key as text, None before the first range."""

    size: int
    key: str | None = None
    rows: int = 0
    batch: int = 0
    pass_in_step: int = 1
    pass_rows: int = 0
    total: int = 0
    last: int | None = None  # along ctid: the last block of this pass
    sweep: bool = False  # along ctid: this pass is one range over everything
    seconds: float = 0.0  # the last batch
    changed: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)  # when, how many rows by then

    def keep(self, upper: str, changed: int, seconds: float) -> None:
        """A batch was committed."""
        self.key, self.batch, self.changed, self.seconds = upper, self.batch + 1, changed, seconds
        self.rows, self.pass_rows = self.rows + changed, self.pass_rows + changed
        now = time.monotonic()
        self.recent.append((now, self.rows))
        while len(self.recent) > 2 and self.recent[0][0] < now - _RECENT_S:
            self.recent.popleft()

    @property
    def rate(self) -> float:
        """Rows a second over the last seconds."""
        (since, before), (now, rows) = self.recent[0], self.recent[-1]
        return (rows - before) / max(now - since, 0.001)


def run_batched(run: Run, step: Step) -> None:
    """Run all batches, resuming behind the last committed one. Raises Halt or CommitUnclear."""
    batch, statement = step.batch, step.statements[0]
    assert batch is not None  # the parser gives every batched step its batch
    run.current, run.watch.statement, run.holds_strong = statement, statement.number, False
    run.pace(LockClass.WRITE, local=False)  # for the counts, which run outside the batches' transactions
    began = time.monotonic()
    table = vacuuming.table_of(run.session, batch.table)
    gauge = throttling.Gauge(run.watch, table.oids, run.limits.throttle)
    maid = vacuuming.Maid(run.session, run.watch, table, run.limits) if statement.kind != "InsertStmt" else None
    walk = _resume(run, step, batch, table.oids)
    table.rows = max(table.rows, walk.total)  # nobody may have counted them yet
    run.watch.minds_waiters, run.watch.beside = run.limits.throttle.waiter_ms / 1000, gauge.look
    try:
        _all(run, step, batch, walk, gauge, maid)
    finally:
        run.watch.minds_waiters, run.watch.beside = 0.0, None
        if maid is not None:
            maid.close()
    with run.session.transaction():
        run.record("done", step, rows=walk.rows, batches=walk.batch)
    run.told(statement, wire.Reply(tag=f"{walk.rows} rows in {walk.batch} batches", rows=walk.rows), began)


def _all(run: Run, step: Step, batch: Batch, walk: Walk, gauge: throttling.Gauge, maid: vacuuming.Maid | None) -> None:
    """Pass after pass, until nothing is left to do."""
    _between(run, step, walk, gauge, maid)
    while True:
        while _next(run, step, batch, walk):
            if maid is not None and not _ends(run):
                maid.tidy(walk.changed, gauge.last.dead)
            _make_room(run, batch, walk)
            _between(run, step, walk, gauge, maid)
        left = completing.left(run, step, batch, walk.pass_in_step, walk.pass_rows)
        if not left:
            if maid is not None:
                maid.finish()
            return
        walk.key, walk.pass_rows, walk.pass_in_step = None, 0, walk.pass_in_step + 1
        walk.last = ranges.last_block(run, batch)
        walk.sweep = walk.last is not None and left <= ranges.SWEEP_ROWS


def _resume(run: Run, step: Step, batch: Batch, oids: list[int]) -> Walk:
    walk = Walk(size=ranges.sizes(batch).first)
    flight = run.flight(step)
    if flight is not None and flight.kind == "progress":
        detail = flight.detail
        walk.key, walk.rows, walk.batch = detail.get("key"), int(detail["rows"]), int(detail["batch"])
        walk.pass_in_step, walk.pass_rows = int(detail["pass"]), int(detail["pass_rows"])
        walk.size = int(detail.get("size", walk.size))
        walk.last, walk.sweep = detail.get("last"), bool(detail.get("sweep"))
        run.watch.emit("progress", f"Resuming behind key {walk.key}.", key=walk.key, batch=walk.batch, rows=walk.rows)
    else:
        completing.examine(run, step, batch, oids)
    if walk.last is None:
        walk.last = ranges.last_block(run, batch)
    walk.recent.append((time.monotonic(), walk.rows))
    walk.total = walk.rows + run.retrying(step, lambda attempt: completing.count(run, batch.count_sql))
    return walk


def _next(run: Run, step: Step, batch: Batch, walk: Walk) -> bool:
    """Do one range and commit it with its progress row; False when none is left."""
    size, first = walk.size, True

    def once(attempt: int) -> tuple[str | None, int, float]:
        nonlocal size, first
        if not first:
            size = max(size // 2, 1)
        first = False
        return _range(run, step, batch, walk, size)

    run.watch.behind = 0
    upper, changed, seconds = run.retrying(step, once)
    if upper is None:
        return False
    walk.keep(upper, changed, seconds)
    walk.size = ranges.sizes(batch).adapted(size, seconds, run.limits.batch_target_ms / 1000)
    _tell(run, walk)
    return True


def _range(run: Run, step: Step, batch: Batch, walk: Walk, size: int) -> tuple[str | None, int, float]:
    """One transaction. Gives (upper key or None at the end, rows changed, seconds)."""
    started = time.monotonic()
    run.pace(LockClass.WRITE, local=True, first="BEGIN")
    if walk.sweep:
        upper = ranges.EVERYWHERE if walk.key is None else None
    else:
        upper = ranges.upper(run, batch, walk.key, size, walk.last)
    if upper is None:
        wire.send(run.session, "ROLLBACK")
        return None, 0, 0.0
    changed = run.send(batch.bounded_sql, params=(walk.key, upper)).rows
    if batch.expect_positive and changed == 0:
        completing.require_nothing_left(run, step, batch, walk.key, upper)
    run.own_role()
    ours: dict[str, object] = {} if walk.last is None else {"last": walk.last, "sweep": walk.sweep}
    xid = run.record(
        "progress",
        step,
        key=upper,
        rows=walk.rows + changed,
        changed=changed,
        batch=walk.batch + 1,
        size=size,
        **{"pass": walk.pass_in_step, "pass_rows": walk.pass_rows + changed},
        **ours,
    )
    run.commit(xid)
    return upper, changed, time.monotonic() - started


def _ends(run: Run) -> bool:
    return run.watch.asked_to_stop() or run.watch.remaining_s <= 0


def _make_room(run: Run, batch: Batch, walk: Walk) -> None:
    """Let others through who waited for rows of the last batch, and rest as long as the author wishes."""
    if run.watch.behind:
        walk.size = max(walk.size // 2, 1)
        waited = min(max(walk.seconds, 0.05), 1.0)
        reason = f"{run.watch.behind} sessions waited for rows of the last batch."
        run.watch.emit("throttled", f"Waits: {reason}", reason=reason, kind="waiters", waited_s=round(waited, 2))
        run.watch.pause(waited)
    if batch.duty < 100 and run.limits.rests:
        run.watch.pause(walk.seconds * (100 / batch.duty - 1))


def _between(run: Run, step: Step, walk: Walk, gauge: throttling.Gauge, maid: vacuuming.Maid | None) -> None:
    """Everything that may hold or end a step between two batches, where no transaction is open."""

    def hold() -> None:
        run.watch.hold_if_asked(maid.stop if maid is not None else lambda: None)  # a pause holds no lock

    hold()
    gauge.wait(hold)
    if run.watch.asked_to_stop():
        raise run.aborted()
    if run.watch.remaining_s <= 0:
        text = (
            f"The deadline of {run.limits.deadline_s:g} s passed after {walk.batch} batches ({walk.rows} rows). They "
            f"stay; a resumed execution goes on behind key {walk.key}."
        )
        raise Halt("failed", completing.failure(step, text))


def _tell(run: Run, walk: Walk) -> None:
    rate, left = walk.rate, max(walk.total - walk.rows, 0)
    run.watch.emit(
        "progress",
        f"Batch {walk.batch:,}: {walk.rows:,} of {walk.total:,} rows, key {walk.key}.",
        rows=walk.rows,
        total=walk.total,
        rate=round(rate, 1),
        eta_s=round(left / rate, 1) if rate else None,
        batch=walk.batch,
        key=walk.key,
        phase=f"pass {walk.pass_in_step}",
        ms=round(walk.seconds * 1000, 1),
    )
