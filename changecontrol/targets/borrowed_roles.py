"""Roles on a sandbox server: those a copy needs are made there, marked, and dropped when no sandbox is left.

Roles belong to the whole cluster, so they outlive the database they were made for, and two copies may share one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from changecontrol.rules.script import Script
from changecontrol.targets.connection import Session

#: The comments that mark a role as ours to drop: one that a copy needed, and one that a script made on it.
NEEDED, MADE = "made for a sandbox of Change Control", "made by a script in a sandbox of Change Control"

#: Begins the comment on a sandbox's database: which roles its scripts are going to make.
_ANNOUNCES = "Sandbox of Change Control. Its scripts may make these roles: "
_CREATED = re.compile(r'\b(?:ROLE|USER|GROUP)\s+(?:IF\s+NOT\s+EXISTS\s+)?("(?:[^"]|"")+"|[a-z_][\w$]*)', re.I)

_EXECUTES = re.compile(r"\bEXECUTE\b.*\bCREATE\s+(?:ROLE|USER|GROUP)\b", re.I | re.S)

_NAME = r'("(?:[^"]|"")+"|[a-z_][\w$]*)'
_IN_DUMP = (
    re.compile(rf"^ALTER .* OWNER TO {_NAME};$", re.M),
    re.compile(rf"^(?:ALTER DEFAULT PRIVILEGES .*)?GRANT .* TO {_NAME}(?: WITH GRANT OPTION)?;$", re.M),
    re.compile(rf"^(?:ALTER DEFAULT PRIVILEGES .*)?REVOKE .* FROM {_NAME};$", re.M),
    re.compile(rf"^ALTER DEFAULT PRIVILEGES FOR ROLE {_NAME} ", re.M),
    re.compile(rf"^SET SESSION AUTHORIZATION {_NAME};$", re.M),
)
_POLICY = re.compile(r"^CREATE POLICY .*? TO (.*?)(?: USING | WITH CHECK |;$)", re.M)
_WORDS = frozenset({"public", "current_user", "session_user", "current_role", "default"})

_MARKED_SQL = """
SELECT rolname FROM pg_roles r JOIN pg_shdescription d ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
WHERE d.description = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Role:
    """A role by name, with what it may do."""

    name: str
    attributes: tuple[str, ...] = ()


def named_in(dump_sql: str) -> set[str]:
    """Names of roles in the text of a dump: owners, grantees, policies."""
    found = {name for pattern in _IN_DUMP for name in pattern.findall(dump_sql)}
    for several in _POLICY.findall(dump_sql):
        found |= set(re.findall(_NAME, several))
    names = {name[1:-1].replace('""', '"') if name.startswith('"') else name for name in found}
    return {name for name in names if name not in _WORDS and not name.startswith("pg_")}


def ensure(admin: Session, roles: Iterable[Role]) -> None:
    """Make the roles that the server lacks, without a login; the admin becomes a member of each.

    What the admin may not give away itself, a role does not get.
    """
    there = known(admin)
    for role in roles:
        name = sql.Identifier(role.name)
        if role.name not in there:
            # another copy may have made it at this very moment; a role without its mark would stay for ever
            with suppress(psycopg.errors.DuplicateObject), admin.transaction():
                admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
                _mark(admin, role.name, NEEDED)
            for attribute in role.attributes:
                with suppress(psycopg.errors.InsufficientPrivilege):
                    admin.execute(sql.SQL("ALTER ROLE {} {}").format(name, sql.SQL(attribute)))
        with suppress(psycopg.Error):  # a member already, or a superuser that needs no membership
            admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))


def is_self(admin: Session, name: str) -> bool:
    """Whether the admin works under this name already."""
    return admin.execute("SELECT current_user = %s", (name,)).fetchone() == (True,)


def can_become(admin: Session, name: str) -> bool:
    """Whether SET ROLE is possible; nobody but a superuser becomes one."""
    try:
        with admin.transaction():
            admin.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(name)))
    except psycopg.Error:
        return False
    return True


def known(conn: psycopg.Connection) -> set[str]:
    """Every role of the server."""
    return {name for (name,) in conn.execute("SELECT rolname FROM pg_roles").fetchall()}


def make_roles(scripts: Iterable[Script | None]) -> bool:
    """Whether a script may make a role at all: the word is in its text."""
    return any("role" in one.sql.lower() or "user" in one.sql.lower() for s in scripts if s for one in s.statements)


def announce(conn: psycopg.Connection[Any], scripts: Iterable[Script | None]) -> None:
    """Note on the sandbox's database which roles these scripts may make, before they do.

    When we are killed before `mark_new`, the sweep finds them there.
    """
    texts = [one.sql for script in scripts if script for one in script.statements]
    names = {_plain(name) for text in texts for name in _CREATED.findall(text)} - known(conn)
    names |= announced(conn, conn.info.dbname)
    note = _ANNOUNCES + json.dumps(sorted(names))
    with suppress(psycopg.Error):
        conn.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(conn.info.dbname), sql.Literal(note))
        )


def announced(conn: psycopg.Connection[Any], database: str) -> set[str]:
    """The roles that the scripts of a sandbox were going to make."""
    row = conn.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (database,)
    ).fetchone()
    note = str(row[0] or "") if row else ""
    return set(json.loads(note.removeprefix(_ANNOUNCES))) if note.startswith(_ANNOUNCES) else set()


def mark_announced(admin: Session, database: str) -> None:
    """Mark the roles that a sandbox made whose maker was killed."""
    for name in announced(admin, database) & known(admin):
        with suppress(psycopg.Error):
            _mark(admin, name, MADE)


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def mark_new(conn: psycopg.Connection, *, before: set[str], scripts: Iterable[Script | None]) -> None:
    """Mark roles that came since and that one of the scripts names, so that they are dropped with the sandbox.

    Where a script puts its statements together as it runs, names are not in its text: all that came count.
    """
    texts = [one.sql for script in scripts if script for one in script.statements]
    dynamic = any(_EXECUTES.search(text) for text in texts)
    for name in known(conn) - before:
        if dynamic or any(re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text, re.I) for text in texts):
            with suppress(psycopg.Error):
                _mark(conn, name, MADE)


def drop_marked(admin: Session, *marks: str) -> None:
    """Drop roles with one of the marks that nothing depends on."""
    for (name,) in admin.execute(_MARKED_SQL, (list(marks),)).fetchall():
        with suppress(psycopg.Error):
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _mark(conn: psycopg.Connection, name: str, mark: str) -> None:
    conn.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(name), sql.Literal(mark)))
