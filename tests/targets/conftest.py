"""A target server for this folder's tests, and a database with a ledger for each test."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.targets.connection import Session, Where, connect
from tests.targets import stage


def _fresh(cluster: Cluster) -> Iterator[Where]:
    name = stage.unique("t")
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} STRATEGY wal_log")
    yield Where(cluster.dsn(name), name="staging")
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def where(cluster: Cluster) -> Iterator[Where]:
    """A fresh, empty database."""
    yield from _fresh(cluster)


@pytest.fixture
def older(older_cluster: Cluster) -> Iterator[Where]:
    """A fresh, empty database on PostgreSQL 17."""
    yield from _fresh(older_cluster)


@pytest.fixture
def session(where: Where) -> Iterator[Session]:
    """A session on a database with a ledger."""
    with stage.registered(where) as opened:
        yield opened


@pytest.fixture
def other(where: Where) -> Iterator[Session]:
    """Somebody else's session on the same database."""
    opened = connect(where, application_name="nightly report")
    yield opened
    opened.close()
