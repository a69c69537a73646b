"""One execution per target at a time."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest

from changecontrol.targets.connection import LockAborted, Session, TargetBusy, lock, lock_is_held
from tests.targets.stage import Heard, background, one, wait_for


def test_it_holds_the_lock_around_the_block(session: Session, other: Session) -> None:
    with lock(session, deadline=0):
        assert lock_is_held(session) and not lock_is_held(other)
        with pytest.raises(TargetBusy) as refused, lock(other, deadline=0):
            pass
    assert str(refused.value).startswith(
        f"staging is in use by another execution (CR-0001 execution 1, pid {session.info.backend_pid}, as postgres)."
    )
    with lock(other, deadline=0):
        assert lock_is_held(other)


def test_it_waits_without_a_snapshot_and_tells_for_whom(session: Session, other: Session) -> None:
    heard = Heard()

    def take() -> bool:
        with lock(other, deadline=20, on_event=heard):
            return lock_is_held(other)

    with ExitStack() as held:
        held.enter_context(lock(session, deadline=0))
        with background(take) as result:
            session.execute("CREATE TABLE a (id int)")
            wait_for(lambda: heard.of("waiting"))
            session.execute("CREATE INDEX CONCURRENTLY x ON a (id)")  # a waiter inside a transaction would deadlock
            assert one(session, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 0
            held.close()
    assert result == [True]
    assert [event.data["holder"].split(",")[0] for event in heard.events] == ["CR-0001 execution 1"]


def test_it_can_be_aborted(session: Session, other: Session) -> None:
    with lock(session, deadline=0):
        with pytest.raises(LockAborted, match="Waiting for staging was aborted: not today"):
            with lock(other, deadline=20, stop=lambda: "not today"):
                pass


def test_it_is_free_again_when_its_session_dies(session: Session, other: Session) -> None:
    with pytest.raises(psycopg.OperationalError), lock(session, deadline=0):
        other.execute("SELECT pg_terminate_backend(%s)", (session.info.backend_pid,))
        session.execute("SELECT 1")
    with lock(other, deadline=5):
        assert lock_is_held(other)
