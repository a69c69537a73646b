"""One direct session on a target: fresh, pinned, never through a pooler.

Sentences raised here name the target by `Where.name` and never contain its connection string.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from changecontrol.rules.refusal import Refused
from changecontrol.targets.fingerprint import Fingerprint, WrongDatabase, compare, fingerprint, require
from changecontrol.targets.locking import LockAborted, TargetBusy, lock, lock_is_held
from changecontrol.targets.references import ReferenceMissing, ReferenceUnreadable, ReferenceWithoutScheme, resolve
from changecontrol.targets.unreachable import (
    ConnectionStringInvalid,
    DatabaseMissing,
    LoginRefused,
    PoolerInBetween,
    RoleRefused,
    StandbyRefused,
    TargetFull,
    TargetStarting,
    TargetUnreachable,
    WrongPassword,
    explain_failure,
)

__all__ = [
    "ConnectionStringInvalid",
    "DatabaseMissing",
    "Fingerprint",
    "LockAborted",
    "LoginRefused",
    "PoolerInBetween",
    "ReferenceMissing",
    "ReferenceUnreadable",
    "ReferenceWithoutScheme",
    "RoleRefused",
    "Session",
    "StandbyRefused",
    "TargetBusy",
    "TargetFull",
    "TargetStarting",
    "TargetUnreachable",
    "Where",
    "WrongDatabase",
    "WrongPassword",
    "compare",
    "connect",
    "fingerprint",
    "lock",
    "lock_is_held",
    "require",
    "resolve",
]

#: Timeouts of a session outside the runner, which sets its own: lock_timeout stays below statement_timeout.
_LOCK_TIMEOUT, _STATEMENT_TIMEOUT = "3s", "5min"

_PINNED = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "client_min_messages": "notice",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lock_timeout": _LOCK_TIMEOUT,
    "statement_timeout": _STATEMENT_TIMEOUT,
    "idle_in_transaction_session_timeout": "0",
}

_NETWORK = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "client_encoding": "UTF8",
}


@dataclass(frozen=True, slots=True)
class Where:
    """How to reach a target. `dsn` is a secret; `name` is what sentences say, such as "production"."""

    dsn: str = field(repr=False)
    set_role: str = ""
    name: str = ""
    search_path: str = "public"

    @property
    def called(self) -> str:
        """The name for sentences."""
        return self.name or "the target"


class Session(psycopg.Connection[TupleRow]):
    """A pinned autocommit session. `pin` brings every setting back, whatever a script has changed."""

    where: Where
    started: str = (
        ""  # when the backend started, epoch seconds as text: with the pid it identifies this backend for ever
    )

    def pin(self) -> None:
        """Discard every setting and role a script left behind and pin ours again. Outside a transaction only."""
        reset = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; UNLISTEN *"
        self.execute(reset)
        pinned = {**_PINNED, "search_path": self.where.search_path}
        self.execute(
            "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS pinned (name, value)",
            (list(pinned), list(pinned.values())),
        )
        with suppress(psycopg.errors.InvalidParameterValue):  # a server platform that cannot look
            # A killed worker's statement ends within a second, and with it the locks it holds.
            self.execute("SET client_connection_check_interval = '1s'")
        if self.where.set_role:
            self.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.where.set_role)))

    def twin(self, purpose: str) -> Session:
        """A second session on the same target, for watching this one. Raises as `connect`."""
        return connect(self.where, application_name=f"{self.info.parameter_status('application_name')} {purpose}")

    @classmethod
    def open(cls, where: Where, conninfo: str) -> Self:
        """Open without pinning; psycopg's own errors. For `connect` only."""
        session = cls.connect(conninfo, autocommit=True, prepare_threshold=None)
        session.where = where
        return session


def connect(where: Where, *, application_name: str) -> Session:
    """Open a fresh, direct, pinned session with autocommit on; BEGIN and COMMIT are sent as text.

    Raises the refusals of this module. TLS is as the connection string says.
    """
    conninfo = _conninfo(where, application_name)
    refusal: Refused | None = None
    try:
        session = Session.open(where, conninfo)
    except psycopg.Error as error:
        database = str(conninfo_to_dict(conninfo).get("dbname") or "")
        refusal = explain_failure(where.called, database, str(error))
    if refusal is not None:
        raise refusal  # outside the except: psycopg's error holds the password, and must not hang on ours
    try:
        _examine(session, where)
    except BaseException:
        session.close()
        raise
    return session


def _conninfo(where: Where, application_name: str) -> str:
    try:
        given = conninfo_to_dict(where.dsn)
        if not given:
            raise psycopg.ProgrammingError
        added = {key: value for key, value in _NETWORK.items() if key not in given or key == "client_encoding"}
        return make_conninfo(where.dsn, **added, application_name=application_name[:63])
    except psycopg.Error:
        pass
    raise ConnectionStringInvalid(target=where.called)


def _examine(session: Session, where: Where) -> None:
    row = session.execute(
        "SELECT pg_backend_pid(), pg_is_in_recovery(), extract(epoch FROM backend_start)::text"
        " FROM pg_stat_get_activity(pg_backend_pid())"
    ).fetchone()
    if row is None or row[0] != session.info.backend_pid:
        raise PoolerInBetween(target=where.called)
    if row[1]:
        raise StandbyRefused(target=where.called)
    session.started = row[2] or ""
    try:
        session.pin()
    except psycopg.Error as error:
        reason = error.diag.message_primary or "no reason given"
        raise RoleRefused(target=where.called, role=where.set_role, reason=reason) from None
