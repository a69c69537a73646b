"""Why a target cannot be reached, as sentences that hold no secret."""

from __future__ import annotations

from typing import Any

from changecontrol.rules.refusal import Refused


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


def explain_failure(target: str, database: str, message: str) -> Refused:
    """Turn libpq's message into a sentence. libpq gives no SQLSTATE for a failed connect, so its text is read."""
    text = message.lower()
    rules: list[tuple[tuple[str, ...], Refused]] = [
        (("password authentication failed", "no password supplied"), WrongPassword(target=target)),
        (("database system is", "not yet accepting"), TargetStarting(target=target)),
        (("too many clients", "remaining connection slots", "too many connections"), TargetFull(target=target)),
        (("no pg_hba.conf entry",), LoginRefused(target=target, reason="no rule of its pg_hba.conf admits it")),
        (("permission denied for database",), LoginRefused(target=target, reason="it may not CONNECT")),
        (("is not permitted to log in",), LoginRefused(target=target, reason="the role has no LOGIN")),
        (("certificate", "ssl"), TargetUnreachable(target=target, reason="TLS could not be agreed or verified")),
    ]
    if "database" in text and "does not exist" in text:
        return DatabaseMissing(target=target, database=database)
    for needles, refusal in rules:
        if any(needle in text for needle in needles):
            return refusal
    return TargetUnreachable(target=target, reason=_reason(text))


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
