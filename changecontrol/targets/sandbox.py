"""A disposable database: made fresh, used for building or comparing, always dropped."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.targets import borrowed_roles, ledger, scratch
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Event, Limits, Order
from changecontrol.targets.runner import run
from changecontrol.targets.snapshot import Differences, catalog, differences

#: Every sandbox's name starts so; what lies behind is the server's time, for people and for telling leftovers by age.
PREFIX = "cc_sandbox_"
_NOBODY = "00000000-0000-0000-0000-000000000000"
_LIMITS = Limits(deadline_s=1800, lock_ms=5000, look_s=0)


class SandboxForbidden(Refused):
    """No sandbox can be made on {server}: {reason}. Its login needs CREATEDB."""


class SandboxBuildFailed(Refused):
    """The sandbox could not be built: {file} fails on an empty database. {sentence}"""


@contextmanager
def sandbox(server: Where, *, name: str, encoding: str = "UTF8") -> Iterator[Where]:
    """Give a fresh, empty database on the server around the block; it is dropped whatever happens inside.

    `server` points to any database there. `name` is for people who look at the server meanwhile. A session stays
    connected under the database's name as long as we live, so that a sweep tells ours from those of the dead. Raises
    SandboxForbidden and the refusals of `connect`.
    """
    readable = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:24] or "sandbox"
    with connect(server, application_name=f"sandbox {readable}") as keeper:
        now = keeper.execute("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint").fetchone()
        assert now is not None  # SELECT without FROM gives one row
        database = f"{PREFIX}{now[0]}_{readable}_{secrets.token_hex(4)}"
        keeper.execute("SELECT set_config('application_name', %s, false)", (database,))
        _create(keeper, database, encoding, server)
        try:
            yield replace(server, dsn=make_conninfo(server.dsn, dbname=database), name=f"the sandbox {readable}")
        finally:
            with suppress(Refused, psycopg.Error):
                _leave(keeper if _answers(keeper) else connect(server, application_name="sandbox"), database)


def remake(server: Where, where: Where, *, encoding: str = "UTF8") -> None:
    """Drop the database of a living sandbox and make it again, empty, under the same name."""
    database = str(conninfo_to_dict(where.dsn)["dbname"])
    with connect(server, application_name="sandbox") as admin:
        _drop(admin, database)
        borrowed_roles.drop_marked(admin, borrowed_roles.MADE)
        _create(admin, database, encoding, server)


def sweep(server: Where, *, older_than_s: int = 0) -> tuple[str, ...]:
    """Drop sandboxes, their roles and dumps that killed processes left; gives names. A connected maker's stay."""
    with connect(server, application_name="sandbox sweep") as admin:
        rows = admin.execute(
            "SELECT datname FROM pg_database d WHERE datname ~ %s"
            " AND split_part(datname, '_', 3)::bigint <= extract(epoch FROM clock_timestamp()) - %s"
            " AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = d.datname)",
            (rf"^{PREFIX}\d+_", older_than_s),
        ).fetchall()
        for (name,) in rows:
            borrowed_roles.mark_announced(admin, name)
            _drop(admin, name)
        _drop_roles(admin)
    scratch.sweep()
    return tuple(name for (name,) in rows)


def build(
    where: Where,
    scripts: Sequence[Script],
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
    limits: Limits = _LIMITS,
) -> None:
    """Run forward scripts one after the other on an empty database, with a ledger of its own.

    Raises SandboxBuildFailed for the first one that fails.
    """
    with connect(where, application_name="sandbox build") as session:
        ledger.bootstrap(session, target_uuid=_NOBODY, environment="sandbox", actor="sandbox")
        roles = None
        if borrowed_roles.make_roles(scripts):
            roles = borrowed_roles.known(session)
            borrowed_roles.announce(session, scripts)
        for place, script in enumerate(scripts, start=1):
            order = Order(
                change_code="sandbox",
                migration=_number(script, place),
                direction=script.direction.value,
                script_digest="",
                content_digest="",
                execution_id="sandbox",
                attempt=1,
                fence=place,
                actor="sandbox",
                name=script.file,
            )
            outcome = run(session, script=script, order=order, on_event=on_event, stop=stop, limits=limits)
            if roles is not None:
                borrowed_roles.mark_new(session, before=roles, scripts=[script])
            if outcome.error is not None:
                raise SandboxBuildFailed(file=script.file, sentence=outcome.error.sentence)


def compare(target: Session, where: Where) -> Differences:
    """How the target's catalog differs from the sandbox's: missing on the target, extra on it, changed."""
    with connect(where, application_name="sandbox compare") as session:
        expected = catalog(session)
    return differences(expected, catalog(target))


def _create(admin: Session, database: str, encoding: str, server: Where) -> None:
    # any other encoding may not fit the server's locale; "C" fits every one
    query = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {}" + ("" if encoding == "UTF8" else " LOCALE 'C'"))
    try:
        admin.execute(query.format(sql.Identifier(database), sql.Literal(encoding)))
    except psycopg.Error as error:
        reason = error.diag.message_primary or "no reason given"
        raise SandboxForbidden(server=server.called, reason=reason) from None


def _drop(admin: Session, database: str) -> None:
    """FORCE ends whatever is still connected. A late failure is left to the sweep."""
    with suppress(psycopg.Error):
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def _answers(session: Session) -> bool:
    try:
        session.execute("SELECT")
    except psycopg.Error:
        return False
    return True


def _leave(admin: Session, database: str) -> None:
    with admin:
        _drop(admin, database)
        _drop_roles(admin)


def _drop_roles(admin: Session) -> None:
    """Drop the roles made for sandboxes, once there is none of them left that might need one."""
    row = admin.execute("SELECT count(*) FROM pg_database WHERE datname ~ %s", (rf"^{PREFIX}\d+_",)).fetchone()
    if row and not row[0]:
        borrowed_roles.drop_marked(admin, borrowed_roles.NEEDED, borrowed_roles.MADE)


def _number(script: Script, place: int) -> int:
    match = re.match(r"(\d+)", script.file.rpartition("/")[2])
    return int(match.group(1)) if match else place
