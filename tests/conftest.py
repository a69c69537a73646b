"""Real servers for the whole session, a database of its own for every test that commits, and the cast."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from changecontrol.local import testing
from tests.embedded import servers as _servers

TEMPLATE = "changecontrol"
#: folders whose tests share one installation, or the machine's servers, and stay in one process
TOGETHER = ("browser", "kill")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give every test to the process that is free next; a folder of TOGETHER goes to one as a whole."""
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder = nodeid.split("::")[0].split("/")[-2:-1]
            return folder[0] if folder and folder[0] in TOGETHER else nodeid

    return Rooms(config, log)


@pytest.fixture(scope="session")
def servers() -> testing.Servers:
    """The embedded servers of this process."""
    return _servers


@pytest.fixture(scope="session")
def cluster(servers: testing.Servers) -> testing.Cluster:
    """PostgreSQL 18."""
    return servers.target("targets")


@pytest.fixture(scope="session")
def older_cluster(servers: testing.Servers) -> testing.Cluster:
    """PostgreSQL 17."""
    return servers.new_cluster("older", major=17)


def _as_owner(statement: str) -> None:
    import psycopg

    with psycopg.connect(_servers.database.owner_url, dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)


def _use(name: str) -> None:
    """Point Django's connections at the database `name`."""
    from django.db import connections

    for alias in connections:
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
    os.environ["DATABASE_URL"] = _servers.database.app_url.rsplit("/", 1)[0] + f"/{name}"
    os.environ["DATABASE_OWNER_URL"] = _servers.database.owner_url.rsplit("/", 1)[0] + f"/{name}"


def _drop(name: str) -> None:
    """Drop a copy as superuser: the owner may not end an autovacuum worker that happens to be in it."""
    import psycopg

    with psycopg.connect(_servers.control.dsn(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _clone(name: str) -> None:
    _as_owner(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} STRATEGY wal_log')
    _as_owner(f'GRANT CONNECT ON DATABASE "{name}" TO {_servers.database.app_role}')


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """Migrate the template once as owner, with the cast in it; tests run as the app role on a clone."""
    from django.core.management import call_command

    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
        from tests import factories

        factories.set_up_cast()
        name = f"cc_{os.getpid()}"
        _use(TEMPLATE)
        _clone(name)
        _use(name)
        yield
        _use(TEMPLATE)


@contextmanager
def fresh_database() -> Iterator[str]:
    """Point Django at a new copy of the template, and away from it and drop it at the end."""
    from django.db import connections

    before = connections["default"].settings_dict["NAME"]
    name = f"cc_{os.getpid()}_{secrets.token_hex(4)}"
    _use(TEMPLATE)
    _clone(name)
    _use(name)
    try:
        yield name
    finally:
        _use(before)
        _drop(name)


@pytest.fixture
def own_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A database of this test alone, in which commits are real: for workers, races and durable writes."""
    with django_db_blocker.unblock(), fresh_database() as name:
        yield name


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as `printed`, such as the counts of the kill test, also from pytest-xdist."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, text in report.user_properties:
                    if name == "printed":
                        terminalreporter.write_line(str(text))
