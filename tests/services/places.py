"""A target database of one test, the file that holds its connection string, and the rows about it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from changecontrol.local.testing import Servers
from changecontrol.models import Environment, Errand, Person, Target
from changecontrol.services import errands, sites
from changecontrol.targets import ledger
from changecontrol.targets.connection import Where, connect
from tests.factories import PASSWORD, empty_database

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def clock() -> datetime:
    return NOW


def named(username: str) -> Person:
    return Person.objects.get(username=username)


class Place:
    """A target database, the file that holds its connection string, and the rows about it."""

    def __init__(self, servers: Servers, folder: Path, *, kind: str = "staging", name: str = "Diary") -> None:
        self.dsn = empty_database(servers, kind)
        self.file = folder / f"{name}.dsn"
        self.file.write_text(self.dsn)
        common = {"actor": named("olga"), "reason": "set-up", "now": NOW}
        environment = Environment.objects.filter(kind=kind).first() or sites.add_environment(
            name=kind, kind=kind, queue=kind, **common
        )
        self.pk = sites.add_target(
            name=name, environment_id=environment.pk, reference=f"file:{self.file}", set_role="", **common
        ).pk

    @property
    def row(self) -> Target:
        return Target.objects.select_related("environment").get(pk=self.pk)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def identity(self) -> ledger.Identity | None:
        with connect(Where(self.dsn), application_name="test") as session:
            return ledger.identity(session)

    def rows(self) -> list[ledger.LedgerRow]:
        with connect(Where(self.dsn), application_name="test") as session:
            return ledger.rows(session)

    def register(self, **changed: Any) -> Errand:
        given = {"target_id": self.pk, "signer": named("theo"), "password": PASSWORD, "now": NOW}
        return done(errands.register(**{**given, **changed}))

    def probe(self) -> Errand:
        return done(errands.probe(target_id=self.pk, actor=named("ada"), now=NOW))

    def compare(self, upto: int) -> Errand:
        return done(errands.compare(target_id=self.pk, upto=upto, actor=named("theo"), now=NOW))

    def adopt(self, comparison: Errand, **changed: Any) -> Errand:
        given = {"target_id": self.pk, "errand_id": comparison.pk, "signer": named("theo"), "password": PASSWORD}
        given |= {"reason": "migrated by hand until now", "now": NOW}
        return done(errands.adopt(**{**given, **changed}))


def done(errand: Errand) -> Errand:
    errands.run(errand_id=errand.pk, clock=clock, worker="test:1")
    errand.refresh_from_db()
    return errand
