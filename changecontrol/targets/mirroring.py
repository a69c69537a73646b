"""A second copy that holds forwards alone: what a working copy is made from again when a rollback has damaged it.

It costs nothing until the first damage. Then it is made and catches up; from there on it catches up at each damage.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.targets import borrowed_roles
from changecontrol.targets.bench import Bench
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.limiting import RehearsalLimits
from changecontrol.targets.outcome import Event
from changecontrol.targets.sandbox import sandbox
from changecontrol.targets.seats import Seats

_TRIES = 6


class CopyNotRestored(Refused):
    """The copy could not be brought back to what it was before {file}: {sentence}"""


class Mirror:
    """The forwards of a working copy. `noted` after each forward that stays on it; `restore` before a damage spreads.

    Nobody but its seats, which are closed when need be, may be connected to the working copy while one of these runs.
    """

    def __init__(
        self,
        server: Where,
        work: Where,
        *,
        seats: Seats,
        limits: RehearsalLimits,
        on_event: Callable[[Event], None] = lambda event: None,
        stop: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._server, self._work, self._seats, self._limits = server, work, seats, limits
        self._on_event, self._stop = on_event, stop
        self._place: Where | None = None
        self._waiting: list[Script] = []
        self._roles: set[str] | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def expect(self, *scripts: Script | None) -> None:
        """Scripts are about to run on the working copy. Roles are the whole server's: those they make are noticed."""
        self._roles = None
        if borrowed_roles.make_roles(scripts):
            with self._admin() as admin:
                self._roles = borrowed_roles.known(admin)

    def noted(self, script: Script) -> None:
        """A forward is on the working copy and stays there."""
        self._waiting.append(script)
        if borrowed_roles.make_roles([script]):  # the role exists by now: it cannot be made a second time here
            self._seats.close()
            with self._admin() as admin:
                _copy(admin, _name(self._work), _name(self._there()))
            self._waiting.clear()

    def restore(self) -> None:
        """Make the working copy anew, as it was before the scripts that were expected last. Raises CopyNotRestored."""
        place = self._there()
        while self._waiting:
            self._catch_up(place, self._waiting[0])
            del self._waiting[0]
        self._seats.close()
        with self._admin() as admin:
            _copy(admin, _name(place), _name(self._work))
            self._drop_new_roles(admin)

    def _there(self) -> Where:
        if self._place is None:
            self._place = self._open.enter_context(sandbox(self._server, name="mirror"))
        return self._place

    def _catch_up(self, place: Where, script: Script) -> None:
        bench = Bench(place, limits=self._limits, on_event=self._on_event, stop=self._stop)
        try:
            ran = bench.run(script, "forward")
        finally:
            bench.close()
        if ran.sentence:
            raise CopyNotRestored(file=script.file, sentence=ran.sentence)

    def _drop_new_roles(self, admin: Session) -> None:
        for name in borrowed_roles.known(admin) - self._roles if self._roles is not None else ():
            with suppress(psycopg.Error):  # somebody else's, made meanwhile and in use
                admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))

    def _admin(self) -> Session:
        return connect(self._server, application_name="rehearsal mirror")


def _copy(admin: Session, source: str, target: str) -> None:
    """Make a database anew as a copy of another one, which the server lets nobody else use meanwhile."""
    names = sql.Identifier(target), sql.Identifier(source)
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(names[0]))
    for left in reversed(range(_TRIES)):
        try:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
            return
        except psycopg.errors.ObjectInUse:  # after five seconds: a session of ours that ends slowly on a busy server
            if not left:
                raise
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (source,))


def _name(where: Where) -> str:
    return str(conninfo_to_dict(where.dsn)["dbname"])
