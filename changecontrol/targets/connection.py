"""One direct session on a target: fresh, pinned, never through a pooler.

Sentences raised here name the target by `Where.name` and never contain its connection string.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import psycopg
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
    pinned: bool = False  # nothing of a script was sent since the last pin
    checks_connection: bool = True
    sees_ages: bool | None = None  # whether this login sees how old the transactions of others are; None: not asked

    def pin(self) -> None:
        """Discard every setting and role a script left behind and pin ours again. Outside a transaction only."""
        try:
            self.execute(_pinning(self.where, self.checks_connection).encode())
        except psycopg.errors.InvalidParameterValue:  # a server platform that cannot look
            self.checks_connection = False
            self.execute(_pinning(self.where, False).encode())
        self.pinned = True

    def repin(self) -> None:
        """Pin unless nothing was sent since that could have changed a setting."""
        if not self.pinned:
            self.pin()

    def twin(self, purpose: str, *, lasting: bool = False) -> Session:
        """A second session on the same target, for watching this one. Raises as `connect`.

        `lasting`: it asks the same questions often, of many runs; the server plans each of them once.
        """
        found = connect(self.where, application_name=f"{self.info.parameter_status('application_name')} {purpose}")
        if lasting:
            found.prepare_threshold = 0
            found.execute("SET plan_cache_mode = force_generic_plan")
        return found

    @classmethod
    def open(cls, where: Where, conninfo: str) -> Self:
        """Open without pinning; psycopg's own errors. For `connect` only."""
        session = cls.connect(conninfo, autocommit=True, prepare_threshold=None)
        session.where = where
        return session


def _pinning(where: Where, checks_connection: bool) -> str:
    """One text, so that pinning costs one round trip."""
    parts = ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL", "UNLISTEN *"]
    pinned = {**_PINNED, "search_path": where.search_path}
    if checks_connection:  # a killed worker's statement ends within a second, and with it the locks it holds
        pinned["client_connection_check_interval"] = "1s"
    named = (f"set_config({_quoted(name)}, {_quoted(value)}, false)" for name, value in pinned.items())
    parts.append(f"SELECT {', '.join(named)}")
    if where.set_role:
        role = where.set_role.replace('"', '""')
        parts.append(f'SET ROLE "{role}"')
    return "; ".join(parts)


def _quoted(text: str) -> str:
    """A literal; standard_conforming_strings may still be as a script left it."""
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'"


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
