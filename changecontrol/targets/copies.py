"""A disposable copy to rehearse on: of a target's schema, of a restored dump, or of the earlier migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from changecontrol.rules.certificate import Basis
from changecontrol.rules.script import Script
from changecontrol.targets import archives, borrowed_roles, sandbox, scratch
from changecontrol.targets.archives import Archive
from changecontrol.targets.borrowed_roles import Role
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.limiting import Guard, RehearsalLimits
from changecontrol.targets.outcome import Event, Limits

_SOURCE_SQL = """
SELECT current_setting('server_version_num')::int / 10000,
  (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()), r.rolname,
  ARRAY_REMOVE(ARRAY[CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL)
FROM pg_roles r WHERE r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """`where` to rehearse, on what `basis`; `restore` makes it again what it was at first. Unpacks to the first two."""

    where: Where
    basis: Basis
    restore: Callable[[], None]

    def __iter__(self) -> Iterator[Any]:
        """Where and basis."""
        return iter((self.where, self.basis))


@dataclass(frozen=True, slots=True)
class _Source:
    """What the copy is of: its server, its migrating role."""

    major: int
    encoding: str
    role: Role
    extensions: dict[str, str]
    search_path: str


@contextmanager
def build_copy(
    server: Where,
    *,
    kind: str,
    of: Where | None = None,
    dump: Path | None = None,
    before: Sequence[Script] = (),
    limits: RehearsalLimits | None = None,
    name: str = "rehearsal",
    on_event: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
) -> Iterator[Copy]:
    """Build a copy on the sandbox server for the time of the block.

    `kind`: "schema" copies that of the target `of`; "copy" restores `dump`, a custom-format dump (`of` says of which
    target, and with whose rights scripts run); "migrations" starts empty. Then `before` is run. Raises
    SandboxForbidden, SandboxBuildFailed, CopyFailed, and the refusals of `connect` and of the client programs.
    """
    limits = limits or RehearsalLimits()
    source = _look_at(of) if of is not None else None
    with scratch.folder("copy") as folder:
        archive = None
        if kind == "schema":
            assert of is not None  # a schema is always somebody's
            archive = archives.take(of, folder / "schema.dump", seconds=limits.seconds)
        elif kind == "copy":
            assert dump is not None  # a copy is always of a dump
            archive = archives.read(dump)
        encoding = source.encoding if source else "UTF8"
        with sandbox.sandbox(server, name=name, encoding=encoding) as made:
            work = _Work(server, made, source, archive, before, limits, on_event, stop)
            basis = work.fill(Basis(kind, of=of.called if of else ""))
            yield Copy(work.where, basis, work.again)


class _Work:
    """Builds one copy, and builds it again."""

    def __init__(
        self,
        server: Where,
        made: Where,
        source: _Source | None,
        archive: Archive | None,
        before: Sequence[Script],
        limits: RehearsalLimits,
        on_event: Callable[[Event], None],
        stop: Callable[[], str | None],
    ) -> None:
        self.server, self.source, self.archive, self.before = server, source, archive, before
        self.limits, self.on_event, self.stop = limits, on_event, stop
        self.made = self.where = made
        self.own_all = False  # the login cannot become the target's role: everything is its own instead

    def again(self) -> None:
        """Throw away what is there and build it again."""
        sandbox.remake(self.server, self.made, encoding=self.source.encoding if self.source else "UTF8")
        self.fill(Basis(""))

    def fill(self, basis: Basis) -> Basis:
        """Build the copy in the empty database. Gives the basis with what is known then."""
        with connect(self.made, application_name="copy") as admin:
            version, major = admin.info.parameter_status("server_version") or "", admin.info.server_version // 10000
            differs = self._major_differs(major) or self._extensions_missing(admin)
            self._become(admin)
            if self.archive is not None:
                self._choose_extensions(admin)
                role, strict = self.where.set_role, not differs
                archives.restore(
                    self.archive,
                    self.made,
                    role=role,
                    strict=strict,
                    owners=not self.own_all,
                    seconds=self.limits.seconds,
                )
            there = _extensions(admin)
        if self.before:
            self._build()
        return replace(
            basis,
            server_version=version,
            major=major,
            extensions=there,
            preceded_by=tuple(script.file for script in self.before),
            not_comparable=differs or self._extensions_differ(there),
        )

    def _become(self, admin: Session) -> None:
        """Make the roles the copy needs; from then on everything is done as the target's migrating role."""
        named = {name: Role(name) for name in (self.archive.roles if self.archive else ())}
        if self.source is not None:
            named[self.source.role.name] = self.source.role
            self.where = replace(self.where, search_path=self.source.search_path)
        borrowed_roles.ensure(admin, named.values())
        if self.source is not None and not borrowed_roles.is_self(admin, self.source.role.name):
            self.own_all = not borrowed_roles.can_become(admin, self.source.role.name)
            self.where = replace(self.where, set_role="" if self.own_all else self.source.role.name)
        if self.where.set_role:
            names = map(sql.Identifier, (admin.info.dbname, self.where.set_role))
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*names))

    def _major_differs(self, major: int) -> str:
        there = self.source.major if self.source else self.archive.major if self.archive else 0
        if there in (0, major):
            return ""
        return f"the sandbox server runs PostgreSQL {major}, the target {there}."

    def _extensions_missing(self, admin: Session) -> str:
        wanted = self.source.extensions if self.source else {}
        found = set(admin.execute("SELECT name::text, version FROM pg_available_extension_versions").fetchall())
        missing = sorted(f"{name} {version}" for name, version in wanted.items() if (name, version) not in found)
        return f"the sandbox server lacks {', '.join(missing)}." if missing else ""

    def _choose_extensions(self, admin: Session) -> None:
        """Where the target's version is not the one a dump would ask for, make it beforehand."""
        wanted = self.source.extensions if self.source else {}
        rows = admin.execute("SELECT name::text, default_version FROM pg_available_extensions").fetchall()
        found: dict[str, str] = dict(rows)
        for name, version in wanted.items():
            if name in found and found[name] != version:
                query = "CREATE EXTENSION IF NOT EXISTS {} VERSION {}"
                with suppress(psycopg.Error):  # the comparison afterwards says what is not the same
                    admin.execute(sql.SQL(query).format(sql.Identifier(name), sql.Literal(version)))

    def _extensions_differ(self, there: dict[str, str]) -> str:
        wanted = self.source.extensions if self.source else there
        other = sorted(f"{name} {there.get(name, 'is missing')}, on the target {version}"
                       for name, version in wanted.items() if there.get(name) != version)  # fmt: skip
        return f"extensions are not the target's: {'; '.join(other)}." if other else ""

    def _build(self) -> None:
        guard = Guard(self.where, self.limits, self.stop)
        patience = Limits(deadline_s=self.limits.seconds, lock_ms=5000, look_s=0)
        try:
            with connect(self.where, application_name="copy") as session:
                guard.count_from_here(session)
            sandbox.build(self.where, self.before, on_event=self.on_event, stop=guard.stop, limits=patience)
        finally:
            guard.close()


def _look_at(of: Where) -> _Source:
    with connect(of, application_name="copy") as session:
        row = session.execute(_SOURCE_SQL).fetchone()
        assert row is not None  # the current role is a role
        extensions = _extensions(session)
    return _Source(row[0], row[1], Role(row[2], tuple(row[3])), extensions, of.search_path)


def _extensions(session: Session) -> dict[str, str]:
    return dict(session.execute("SELECT extname::text, extversion FROM pg_extension ORDER BY 1").fetchall())
