"""One direct session on a target: fresh, pinned, never through a pooler.

Sentences raised here name the target by `Where.name` and never contain its connection string.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from changecontrol.rules.refusal import Refused
from changecontrol.targets.fingerprint import Fingerprint, WrongDatabase, compare, fingerprint, require
from changecontrol.targets.locking import LockAborted, TargetBusy, lock, lock_is_held
from changecontrol.targets.references import ReferenceMissing, ReferenceUnreadable, ReferenceWithoutScheme, resolve

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


class TargetUnreachable(Refused):
    """{target} does not answer: {reason}. Check that its server runs and that this worker may reach it, then try
    again."""


class TargetStarting(Refused):
    """{target} does not take connections now: its server is starting up, shutting down or recovering. Try again in a
    moment."""


class TargetFull(Refused):
    """{target} has no connection left for us. Raise max_connections there or end idle sessions, then try again."""


class WrongPassword(Refused):
    """{target} does not accept the password configured for it. Correct the secret its reference points to, then try
    again."""


class LoginRefused(Refused):
    """{target} does not let the configured login in: {reason}. An administrator of that server must allow it."""


class DatabaseMissing(Refused):
    """{target} has no database "{database}". Correct the connection its reference points to, or create the
    database."""


class ConnectionStringInvalid(Refused):
    """What the reference of {target} points to is not a connection string PostgreSQL understands. Use
    "postgresql://user@host:port/database" or "host=... dbname=..."."""


class PoolerInBetween(Refused):
    """{target} is reached through a connection pooler. A migration needs a direct session: put the server's own
    address behind the reference."""


class StandbyRefused(Refused):
    """{target} is a standby and takes no writes. Put the primary's address behind the reference."""


class RoleRefused(Refused):
    """{target} does not let the login become the role "{role}": {reason}. Grant the role to the login, or register
    another role."""


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
        refusal = _explain(where, conninfo, str(error))
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
        "SELECT pg_backend_pid(), pg_is_in_recovery(), backend_start::text FROM pg_stat_get_activity(pg_backend_pid())"
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


def _explain(where: Where, conninfo: str, message: str) -> Refused:
    """Turn libpq's message into a sentence. libpq gives no SQLSTATE for a failed connect, so its text is read."""
    text = message.lower()
    database = str(conninfo_to_dict(conninfo).get("dbname") or "")
    rules: list[tuple[tuple[str, ...], Refused]] = [
        (("password authentication failed", "no password supplied"), WrongPassword(target=where.called)),
        (("database system is", "not yet accepting"), TargetStarting(target=where.called)),
        (("too many clients", "remaining connection slots", "too many connections"), TargetFull(target=where.called)),
        (("no pg_hba.conf entry",), LoginRefused(target=where.called, reason="no rule of its pg_hba.conf admits it")),
        (("permission denied for database",), LoginRefused(target=where.called, reason="it may not CONNECT")),
        (("is not permitted to log in",), LoginRefused(target=where.called, reason="the role has no LOGIN")),
        (("certificate", "ssl"), TargetUnreachable(target=where.called, reason="TLS could not be agreed or verified")),
    ]
    if "database" in text and "does not exist" in text:
        return DatabaseMissing(target=where.called, database=database)
    for needles, refusal in rules:
        if any(needle in text for needle in needles):
            return refusal
    return TargetUnreachable(target=where.called, reason=_reason(text))


def _reason(text: str) -> str:
    known: dict[str, Any] = {
        "connection refused": "nothing listens at its address",
        "timeout": "no answer in time",
        "timed out": "no answer in time",
        "resolve": "its host name is not known here",
        "could not translate": "its host name is not known here",
        "no route": "there is no network route to it",
        "unreachable": "there is no network route to it",
        "server closed": "it closed the connection",
        "definition of service": "its service is not in the service file",
    }
    return next((str(reason) for needle, reason in known.items() if needle in text), "the connection failed")
