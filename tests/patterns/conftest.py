"""Servers of both majors, and a fresh database on each that a migration role owns."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.local.testing import Servers
from tests.patterns.series import Place, place
from tests.targets.stage import unique


@pytest.fixture(scope="session")
def older_server(servers: Servers) -> Cluster:
    """PostgreSQL 17."""
    return servers.new_cluster("patterns17", major=17)


@pytest.fixture(params=[18, 17])
def here(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Place]:
    """A fresh database of each major."""
    server = servers.target("targets") if request.param == 18 else request.getfixturevalue("older_server")
    name = unique("series")
    yield place(server, name)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
