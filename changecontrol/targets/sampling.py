"""The locks of a session, looked at from another one every 2 ms: for statements outside a transaction.

What lives shorter than that may be missed; rules/outside.py says which locks are certain all the same.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Self

import psycopg

from changecontrol.rules.observed import MODES
from changecontrol.targets.connection import Session

_EVERY_S = 0.002
_HELD_SQL = (
    "SELECT relation, mode FROM pg_catalog.pg_lock_status()"
    " WHERE pid = %s AND locktype = 'relation' AND granted AND relation >= 16384"
)


class Sampler:
    """Samples `session` through `eye` around the block; without one it sees nothing.

    Afterwards, by OID: `modes`, and `held_ms` from the first to the last sample and one interval more.
    """

    def __init__(self, session: Session, eye: Session | None) -> None:
        self.modes: dict[int, set[str]] = {}
        self.held_ms: dict[int, float] = {}
        self._pid = session.info.backend_pid
        self._first: dict[int, float] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._eye = eye

    def __enter__(self) -> Self:
        if self._eye is not None:
            self._thread = threading.Thread(target=self._sample, args=(self._eye,), name="lock sampler", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _sample(self, eye: Session) -> None:
        with suppress(psycopg.Error):
            while not self._over.is_set():
                self._look(eye)
                self._over.wait(_EVERY_S)

    def _look(self, eye: Session) -> None:
        found = eye.execute(_HELD_SQL, (self._pid,), prepare=True).fetchall()
        now = time.monotonic()
        for oid, mode in found:
            if mode in MODES:
                self.modes.setdefault(oid, set()).add(MODES[mode])
            self.held_ms[oid] = round((now - self._first.setdefault(oid, now) + _EVERY_S) * 1000, 3)
