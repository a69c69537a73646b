"""Looking around while a statement is in flight: the abort, the deadline, the people who block us.

Everything here runs in the caller's own thread, on the ticks of wire.send.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import psycopg

from changecontrol.rules.lock_needs import Need
from changecontrol.rules.refusal import Refused
from changecontrol.targets import observe, progressing
from changecontrol.targets.connection import Session
from changecontrol.targets.observe import Blocker, Conflicts
from changecontrol.targets.outcome import Event

T = TypeVar("T")

_REPEAT_S = 5.0  # how often the same blocker is told again
_PROGRESS_S = 1.0  # how often the progress of a long statement is told
_HOLD_S = 0.1  # how often a paused run asks whether it may go on


class Watch:
    """Polls `stop`, keeps the deadline, cancels the statement in flight, tells who blocks.

    `reason` is set once an abort was asked for, `late` once the deadline canceled a statement. A callback of the
    caller that raises does not cut the running step: `broken` remembers it and the run stops before its next step.
    """

    def __init__(
        self,
        session: Session,
        *,
        on_event: Callable[[Event], None],
        stop: Callable[[], str | None],
        ends_at: float,
        hold: Callable[[], str | None] = lambda: None,
        observer: Session | None = None,
    ) -> None:
        self.session, self.ends_at = session, ends_at
        self._on_event, self._stop, self._hold = on_event, stop, hold
        self.reason, self.late, self.broken = "", False, ""
        self.blockers: tuple[Blocker, ...] = ()
        self.together_s = 0.0  # bound of all waits for locks of one try; 0: none
        self.crowded = False  # that bound was passed, and the statement canceled
        self._blocked_s, self._looked_at, self._progress_at = 0.0, 0.0, 0.0
        self.minds_waiters = 0.0  # seconds after which to mind who waits for locks of ours; 0: never
        self.behind = 0  # the most sessions seen waiting for one of our batches
        self.beside: Callable[[], None] | None = None  # called once while a long statement is in flight
        self._sent_at, self._was_beside = 0.0, False
        self.step: int | None = None
        self.statement: int | None = None
        self.hides_debug = False  # a rehearsal asks the server for them and keeps them itself
        self._notices: list[Event] = []
        self._told: dict[tuple[int, str], float] = {}
        self._observer, self._borrowed = observer, observer is not None
        if observer is None:
            with suppress(Refused, psycopg.Error):  # without a second session we only cannot say who blocks
                self._observer = session.twin("watch")
        session.add_notice_handler(self._notice)

    def close(self) -> None:
        """Close the second session, unless it was lent to us."""
        if self._observer is not None and not self._borrowed:
            self._observer.close()
        self._observer = None
        with suppress(ValueError):
            self.session.remove_notice_handler(self._notice)

    @property
    def pid(self) -> int:
        """Our backend on the target."""
        return self.session.info.backend_pid

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative afterwards."""
        return self.ends_at - time.monotonic()

    @property
    def canceled(self) -> bool:
        """Whether a canceled statement was canceled by us."""
        return bool(self.reason) or self.late

    def emit(self, kind: str, text: str, /, **data: object) -> None:
        """Tell the caller about the current step and statement."""
        self._send(Event(kind, self.step, self.statement, text, data))

    def asked_to_stop(self) -> bool:
        """Poll `stop` unless it has answered already."""
        if not self.reason:
            try:
                self.reason = self._stop() or ""
            except Exception as error:
                self.broken = self.broken or type(error).__name__
        return bool(self.reason)

    def flush(self) -> None:
        """Hand on the notices that the server sent meanwhile."""
        waiting, self._notices = self._notices, []
        for event in waiting:
            self._send(event)

    def fresh_try(self) -> None:
        """A step is tried, for the first time or again."""
        self.crowded, self._blocked_s = False, 0.0

    def begin(self) -> None:
        """A statement is sent."""
        self.blockers = ()
        self._looked_at = self._sent_at = time.monotonic()
        self._was_beside = False
        self._progress_at = self._looked_at - _PROGRESS_S / 2

    def tick(self) -> None:
        """One look around while a statement is in flight."""
        self.flush()
        if self.canceled or self.crowded:
            self._cancel()  # again: a first one may have met the moment between two statements
            return
        blocked = self.look()
        self._count(blocked)
        if self.minds_waiters and time.monotonic() - self._sent_at > self.minds_waiters:
            self.behind = max(self.behind, self.ask(lambda seen: observe.behind(seen, self.pid, self.minds_waiters), 0))
        if not blocked:
            self.tell_progress(self.pid)
        if self.beside is not None and not self._was_beside:
            self._was_beside = True
            self.beside()
        if self.asked_to_stop() or self.crowded:
            self._cancel()
        elif self.remaining_s <= 0:
            self.late = True
            self._cancel()

    def pause(self, seconds: float) -> None:
        """Wait between two tries, open for an abort and never beyond the deadline."""
        ends = time.monotonic() + min(seconds, max(self.remaining_s, 0))
        while time.monotonic() < ends and not self.asked_to_stop():
            time.sleep(min(0.05, max(ends - time.monotonic(), 0.001)))

    def hold_if_asked(self, before: Callable[[], None] = lambda: None) -> None:
        """Pause while somebody wants it; open for an abort and never beyond the deadline. Outside transactions only.

        `before`: what is left to let go of.
        """
        why = self._wants_hold()
        if why is None:
            return
        before()
        since = time.monotonic()
        self.emit("paused", f"Paused: {why}" if why else "Paused.", reason=why)
        while self._wants_hold() is not None and not self.asked_to_stop() and self.remaining_s > 0:
            self.pause(_HOLD_S)
        seconds = round(time.monotonic() - since, 1)
        if self._wants_hold() is None:
            self.emit("resumed", f"Goes on after a pause of {seconds} s.", paused_s=seconds)

    def _wants_hold(self) -> str | None:
        try:
            return self._hold()
        except Exception as error:
            self.broken = self.broken or type(error).__name__
            return None

    def look(self) -> bool:
        """Ask who blocks our session and tell it. Whether anybody does."""
        nobody: tuple[Blocker, ...] = ()
        found = self.ask(lambda seen: observe.blockers(seen, self.pid), nobody)
        if found:
            self.blockers = found
            self.tell(found)
        return bool(found)

    def sees_ages(self) -> bool:
        """Whether the second session may see how old the transactions of others are."""
        asked = self._observer
        if asked is not None and asked.sees_ages is None:
            asked.sees_ages = self.ask(observe.sees_ages, False)
        return self._observer is not None and bool(self._observer.sees_ages)

    def somebody_works(self, *, older_s: float = 0.02) -> bool:
        """Whether anybody else can be in the way at all; True when nobody can be asked."""
        pid = self.session.info.backend_pid
        return self.ask(lambda seen: observe.somebody_works(seen, not_pid=pid, older_s=older_s), True)

    def conflicts(self, needs: Iterable[Need]) -> Conflicts:
        """What stands in the way of these needs; nothing when nobody can be asked."""
        return self.ask(lambda seen: observe.conflicts(seen, needs), Conflicts())

    def holders(self, looked_for: Conflicts, *, older_s: float = 0.02) -> tuple[Blocker, ...]:
        """Who holds such locks in transactions older than `older_s`; () when nobody can be asked."""
        pid = self.pid
        return self.ask(lambda seen: observe.holders(seen, looked_for, not_pid=pid, older_s=older_s), ())

    def ask(self, question: Callable[[Session], T], otherwise: T) -> T:
        """Ask the second session; `otherwise` when there is none or it breaks."""
        if self._observer is None:
            return otherwise
        try:
            return question(self._observer)
        except psycopg.Error:
            self._lose_observer()
            return otherwise

    def tell(self, found: tuple[Blocker, ...]) -> None:
        """Emit `waiting` for every blocker that is new, or still there after a while."""
        now = time.monotonic()
        for blocker in found:
            key = (blocker.pid, blocker.mode)
            if now - self._told.get(key, -_REPEAT_S) >= _REPEAT_S:
                self._told[key] = now
                self.emit("waiting", f"Waiting for {blocker}.", **blocker.to_json())

    def _count(self, blocked: bool) -> None:
        """Add up how long this try has waited for locks."""
        now = time.monotonic()
        self._blocked_s += now - self._looked_at if blocked else 0.0
        self._looked_at = now
        self.crowded = bool(self.together_s) and self._blocked_s > self.together_s

    def tell_progress(self, pid: int) -> None:
        """How far a long statement of this backend is, once a second."""
        now = time.monotonic()
        if now - self._progress_at < _PROGRESS_S:
            return
        self._progress_at = now
        told = self.ask(lambda seen: progressing.reading(seen, pid), None)
        if told is not None:
            self.emit("progress", progressing.sentence(told), **told)

    def _cancel(self) -> None:
        with suppress(psycopg.Error):
            self.session.cancel_safe(timeout=5)

    def _lose_observer(self) -> None:
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        severity = diagnostic.severity_nonlocalized or "NOTICE"
        if self.hides_debug and severity == "DEBUG":
            return
        text = diagnostic.message_primary or ""
        self._notices.append(Event("notice", self.step, self.statement, text, {"severity": severity}))

    def _send(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:
            self.broken = self.broken or type(error).__name__
