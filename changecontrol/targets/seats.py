"""The two sessions of a rehearsal on its copy: one that runs scripts, one that only looks.

On a target every run has a session of its own. On a copy the next migration may take over what the one before it left,
as long as nothing ran that could stay with a session or is read only when one begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import psycopg

from changecontrol.rules.script import Script
from changecontrol.targets.connection import Session, Where, connect

#: Temporary tables, cursors, sequences' last values, advisory locks: what can be thrown away.
_TIDY_SQL = "DISCARD TEMP; DISCARD SEQUENCES; CLOSE ALL; SELECT pg_advisory_unlock_all()"
#: Settings with a name of their own stay known to a session for ever, libraries stay loaded. What is set for a role or
#: a database, and a trigger on login, count from the next session on.
_STAYS = re.compile(
    r"\bset_config\b|\bset\s+(?:session\s+|local\s+)?[\w\"]+\.|\bload\b|\bprepare\b"
    r"|\bevent\s+trigger\b|\balter\s+(?:role|user|database)\b",
    re.I,
)


class Seats:
    """Sessions on one copy, opened when they are first asked for. Nothing else may keep a session on it open."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._work: Session | None = None
        self._eye: Session | None = None
        self._lasting = True

    def work(self) -> Session:
        """The session that runs scripts."""
        if self._work is None or self._work.closed:
            self._work = connect(self._where, application_name="rehearsal")
        return self._work

    def eye(self) -> Session:
        """The session that looks. No script ever runs on it, so it may remember the plans of its questions."""
        if self._eye is None or self._eye.closed:
            self._eye = self.work().twin("watch", lasting=True)
        return self._eye

    def hand_on(self, scripts: Iterable[Script | None]) -> None:
        """Leave the sessions to the next rehearsal, behind these scripts, or close what cannot be left."""
        self._lasting = self._lasting and not any(
            _STAYS.search(one.sql) for script in scripts if script is not None for one in script.statements
        )
        if not self._lasting:
            self.close()
            return
        try:
            if self._work is not None and not self._work.closed:
                self._work.execute(_TIDY_SQL)
                self._work.pin()
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        """End both sessions; the next one who asks gets fresh ones."""
        for session in (self._work, self._eye):
            if session is not None:
                session.close()
        self._work = self._eye = None
