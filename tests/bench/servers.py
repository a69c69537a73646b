"""A server for one experiment, made for it and gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from changecontrol.local.postgres import Cluster


@contextmanager
def server(*, fast: bool = False) -> Iterator[tuple[Cluster, Path]]:
    """An embedded PostgreSQL 18 and a folder for files; `fast` without fsync."""
    with tempfile.TemporaryDirectory(prefix="bench-") as kept:
        folder = Path(kept)
        folder.chmod(0o711)
        cluster = Cluster(folder / "server", name="bench", fast=fast)
        try:
            yield cluster.start(), folder
        finally:
            cluster.remove()


def database(cluster: Cluster, name: str) -> str:
    """A new, empty database; its address."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} STRATEGY wal_log".encode())
        admin.execute("CHECKPOINT")
    return cluster.dsn(name)
