"""Look before asking for a strong lock: while an old transaction is in the way, a try only stalls others behind us.

Whoever waits for a lock makes everybody wait who comes later and conflicts with it. So nothing is asked for until no
transaction older than 20 ms holds a conflicting lock on what the step will lock; then the try is short.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from changecontrol.rules.lock_needs import needs
from changecontrol.rules.script import LockClass, Statement
from changecontrol.targets.running import Run

_POLLS_S = (0.005, 0.02)  # between two looks: the first ones quickly
_OLD_S = 0.02
_TELL_S = 0.2  # who is in the way for less than this is not worth an event
_BLIND = (
    "The login may not see how old the transactions of others are (pg_monitor). Every try for a strong lock waits "
    "{lock_ms} ms at most; what is in the way cannot be looked for before."
)


def wait_for_quiet(run: Run, statements: Iterable[Statement]) -> None:
    """Wait until nobody is in the way of the strong locks of these statements, at most `look_s`.

    Bounded, because a try costs others 50 ms at most and finds out what looking cannot know. Statements whose tables
    nobody can know (DO, functions) are tried without a look.
    """
    wanted = [need for one in statements if one.lock is LockClass.STRONG for need in needs(one.sql)]
    if not wanted or run.limits.look_s <= 0:
        return
    if not run.watch.sees_ages():
        if not run.told_blind:
            run.told_blind = True
            run.watch.emit("notice", _BLIND.format(lock_ms=run.limits.lock_ms), severity="WARNING")
        return
    if not run.watch.somebody_works(older_s=_OLD_S):
        run.yielding = False
        return
    looked_for = run.watch.conflicts(wanted)
    since = time.monotonic()
    wait = _POLLS_S[0]
    while True:
        found = run.watch.holders(looked_for, older_s=_OLD_S)
        autovacuum_only = all(blocker.is_autovacuum for blocker in found)
        if autovacuum_only:
            # gone meanwhile: no reason for a long try any more
            run.yielding = run.yielding and bool(found)
            return
        run.yielding = False
        run.watch.blockers = found
        old = tuple(one for one in found if one.xact_age_s is None or one.xact_age_s > _TELL_S)
        run.watch.tell(old)
        if time.monotonic() - since >= run.limits.look_s or run.watch.remaining_s <= 0 or run.watch.asked_to_stop():
            run.watch.tell(found)
            return
        run.watch.pause(wait)
        wait = min(wait * 1.2, _POLLS_S[1])
