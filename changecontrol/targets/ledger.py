"""The ledger on a target: its bootstrap, its rows, and writing one. What the rows add up to is in folding.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

import changecontrol
from changecontrol.rules.refusal import Refused
from changecontrol.targets.folding import LedgerRow, Net, net
from changecontrol.targets.ledger_ddl import APPEND_ONLY, FENCED, SCHEMA_SQL
from changecontrol.targets.outcome import Order

__all__ = [
    "APPEND_ONLY",
    "FENCED",
    "Identity",
    "IdentityTaken",
    "LedgerForbidden",
    "LedgerMissing",
    "LedgerRow",
    "Net",
    "baseline",
    "bootstrap",
    "exists",
    "identity",
    "net",
    "resolve_step",
    "restamp",
    "rows",
    "write",
]


_INSERT_SQL = (
    "INSERT INTO changecontrol.ledger (kind, change_code, migration, migration_name, direction, step, steps,"
    " pass_no, script_digest, content_digest, execution_id, attempt, fence, actor, signature_ids, client_at,"
    " tool_version, detail) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " RETURNING id, xid::text::bigint"
)


class IdentityTaken(Refused):
    """This database is already stamped as {environment} target {uuid}. If it is a copy of that target, stamp it anew
    with a signature; otherwise the connection points to the wrong database."""


class LedgerForbidden(Refused):
    """The ledger cannot be created: {reason}. The login needs CREATE on the database."""


class LedgerMissing(Refused):
    """This database has no ledger. Register the target first."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this database says it is. `signed_by` is empty for an unsigned bootstrap."""

    uuid: str
    environment: str
    actor: str
    signed_by: str
    stamped_at: datetime


def bootstrap(
    conn: psycopg.Connection[Any], *, target_uuid: str | uuid.UUID, environment: str, actor: str, signed_by: str = ""
) -> Identity:
    """Create schema `changecontrol` and stamp the database, in one transaction. Doing it twice is harmless.

    Raises IdentityTaken when it is stamped as somebody else, LedgerForbidden when the login may not create a schema.
    """
    found = identity(conn)
    if found is None:
        try:
            with conn.transaction():
                conn.execute(SCHEMA_SQL)
                _stamp(conn, target_uuid, environment, actor, signed_by)
        except psycopg.errors.InsufficientPrivilege as error:
            raise LedgerForbidden(reason=error.diag.message_primary or "permission denied") from None
        except psycopg.errors.DuplicateSchema:
            pass  # somebody else was quicker, or a schema of that name is not ours: the reading below tells
        found = identity(conn)
    if found is None:
        raise LedgerForbidden(reason='a schema "changecontrol" of another origin is in the way')
    if (found.uuid, found.environment) != (str(uuid.UUID(str(target_uuid))), environment):
        raise IdentityTaken(uuid=found.uuid, environment=found.environment)
    return found


def restamp(
    conn: psycopg.Connection[Any], *, target_uuid: str | uuid.UUID, environment: str, actor: str, signed_by: str
) -> None:
    """Give a copied database an identity of its own. The old row stays."""
    if identity(conn) is None:
        raise LedgerMissing()
    with conn.transaction():
        _stamp(conn, target_uuid, environment, actor, signed_by)


def exists(conn: psycopg.Connection[Any]) -> bool:
    """Whether this database has a ledger."""
    row = conn.execute("SELECT to_regclass('changecontrol.ledger') IS NOT NULL").fetchone()
    return bool(row and row[0])


def identity(conn: psycopg.Connection[Any]) -> Identity | None:
    """The newest stamp; None without a ledger."""
    if not exists(conn):
        return None
    row = conn.execute(
        "SELECT uuid::text, environment, actor, signed_by, server_at FROM changecontrol.identity"
        " ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return Identity(*row) if row else None


def rows(conn: psycopg.Connection[Any], *, since: int = 0, migration: int | None = None) -> list[LedgerRow]:
    """The rows with an id above `since`, of one migration or all, oldest first; [] without a ledger."""
    return known_rows(conn, since=since, migration=migration) if exists(conn) else []


def known_rows(conn: psycopg.Connection[Any], *, since: int = 0, migration: int | None = None) -> list[LedgerRow]:
    """The same in one round trip. Raises psycopg's UndefinedTable without a ledger."""
    cursor = conn.cursor(row_factory=dict_row)
    found = cursor.execute(
        "SELECT id, kind, change_code, migration, migration_name, direction, step, steps, pass_no, script_digest,"
        " content_digest, execution_id, attempt, fence, actor, signature_ids, xid::text::bigint AS xid, wal_lsn::text,"
        " server_at, client_at, tool_version, detail FROM changecontrol.ledger WHERE id > %s"
        " AND (migration = %s OR %s::bigint IS NULL) ORDER BY id",
        (since, migration, migration),
    )
    return [LedgerRow(**{**row, "signature_ids": tuple(row["signature_ids"])}) for row in found]


def write(
    conn: psycopg.Connection[Any],
    order: Order,
    kind: str,
    *,
    step: int | None,
    steps: int,
    detail: Mapping[str, Any] | None = None,
    may_be_lost: bool = False,
) -> tuple[int, int]:
    """Insert one row in the connection's current transaction, or in its own when none is open.

    Gives (row id, transaction id): the transaction id answers later whether an unclear COMMIT took place.
    `may_be_lost`: the commit does not wait for the disk; only outside a transaction.
    """
    values = (
        kind,
        order.change_code,
        order.migration,
        order.name,
        order.direction,
        step,
        steps,
        order.pass_no,
        order.script_digest,
        order.content_digest,
        order.execution_id,
        order.attempt,
        order.fence,
        order.actor,
        list(order.signature_ids),
        datetime.now(UTC),
        order.tool_version or _version(),
        Jsonb(dict(detail or {})),
    )
    if may_be_lost:
        cursor: psycopg.Cursor[Any] = psycopg.ClientCursor(conn)
        cursor.execute(f"SET LOCAL synchronous_commit = off; {_INSERT_SQL}".encode(), values)
        cursor.nextset()
    else:
        cursor = conn.execute(_INSERT_SQL, values)
    row = cursor.fetchone()
    assert row is not None  # RETURNING gives the row or the statement raised
    return int(row[0]), int(row[1])


def baseline(
    conn: psycopg.Connection[Any],
    *,
    migrations: Iterable[int | tuple[int, str] | tuple[int, str, str]],
    order: Order,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record migrations that were found already applied, in one transaction.

    `migrations`: numbers, or (number, name), or (number, name, script digest). Numbers the ledger knows are skipped.
    """
    known = {row.migration for row in rows(conn) if row.kind in ("baseline", "done")}
    with conn.transaction():
        for entry in migrations:
            number, name, digest = (*(entry if isinstance(entry, tuple) else (entry,)), "", "")[:3]
            if number in known:
                continue
            said = replace(order, migration=int(number), name=str(name), direction="forward")
            said = replace(said, script_digest=str(digest) or order.script_digest)
            write(conn, said, "baseline", step=None, steps=0, detail=detail)


def resolve_step(
    conn: psycopg.Connection[Any], *, order: Order, step: int, steps: int, done: bool, reason: str, left: str = ""
) -> None:
    """Record a person's signed decision about a step in flight. `left` is what was found of it: a step that was not
    done is cleared away first by the next run."""
    write(conn, order, "resolved", step=step, steps=steps, detail={"done": done, "reason": reason, "left": left})


def _stamp(
    conn: psycopg.Connection[Any], target_uuid: str | uuid.UUID, environment: str, actor: str, signed_by: str
) -> None:
    conn.execute(
        "INSERT INTO changecontrol.identity (uuid, environment, actor, signed_by, tool_version)"
        " VALUES (%s, %s, %s, %s, %s)",
        (str(target_uuid), environment, actor, signed_by, _version()),
    )


def _version() -> str:
    return changecontrol.__version__
