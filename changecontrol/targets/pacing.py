"""How long a statement may wait and work, by what its lock does to others."""

from __future__ import annotations

from dataclasses import dataclass

from changecontrol.rules.script import LockClass
from changecontrol.targets.outcome import Limits

#: A statement that a rehearsal timed may take this many times as long, and never less than _LEAST_MS.
_GENEROUS, _LEAST_MS = 10, 2000
#: All waits for locks of one try together: a lock_timeout is per lock, and a statement may take many.
TRIES_TOGETHER = 4
_GRACE_MS = 5000  # behind the deadline the watch cancels first; the server does it when nobody watches any more


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds; 0: none. `bounded`: the statement's own time is bound by what a rehearsal lets expect."""

    lock_ms: int
    statement_ms: int
    transaction_ms: int
    together_ms: int  # bound of all waits of one try
    bounded: bool = False

    def resembles(self, other: Pace) -> bool:
        """Whether setting it anew would only count the moments that have passed meanwhile."""
        same = (self.lock_ms, self.together_ms, self.bounded) == (other.lock_ms, other.together_ms, other.bounded)
        apart = abs(self.statement_ms - other.statement_ms), abs(self.transaction_ms - other.transaction_ms)
        none = (self.statement_ms == 0, other.statement_ms == 0)
        return same and not self.bounded and none[0] == none[1] and max(apart) <= _GRACE_MS // 5


def pace(
    limits: Limits,
    lock: LockClass,
    *,
    remaining_s: float,
    yield_ms: int = 0,
    holds_strong: bool = False,
    expected_ms: float | None = None,
) -> Pace:
    """The timeouts of one statement.

    `yield_ms`: wait that long for an autovacuum worker to give way. `holds_strong`: the transaction holds a strong
    lock already, so that others wait behind whatever this statement waits for.
    """
    to_deadline = int(max(remaining_s, 0) * 1000) + _GRACE_MS
    whole, bounded = limits.statement_ms or to_deadline, False
    wait = {LockClass.STRONG: limits.lock_ms, LockClass.PATIENT: 0}.get(lock, limits.dml_lock_ms)
    together = limits.lock_ms * TRIES_TOGETHER
    if lock is LockClass.STRONG and yield_ms:
        wait, together = yield_ms, together + yield_ms
    elif holds_strong and lock is LockClass.WRITE:
        wait = min(wait, together)
    if lock is LockClass.PATIENT and not limits.statement_ms:
        whole = 0  # a timeout would leave an INVALID index; the watch cancels at the deadline
    elif expected_ms is not None and lock is LockClass.STRONG:
        most = max(int(expected_ms * _GENEROUS), _LEAST_MS) + together
        whole, bounded = min(whole, most), most < whole
    if whole and whole <= wait:
        whole = wait + 1000
    return Pace(wait, whole, to_deadline + _GRACE_MS, together if lock is LockClass.STRONG else 0, bounded)
