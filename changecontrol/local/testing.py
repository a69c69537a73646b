"""Real servers for a test session, started when first asked for and gone when it ends.

In tests/conftest.py:

    @pytest.fixture(scope="session")
    def servers():
        with testing.servers() as started:
            yield started

    servers.database                 # Prepared: owner_url, app_url, owner_role, app_role; the owner may CREATE DATABASE
    servers.control                  # the Cluster below it: .dsn() as superuser, .stop() .kill() .start() .bin_dir
    servers.broker.url               # Valkey; also .stop() .kill() .start()
    servers.target("staging")        # Cluster of its own per environment; .dsn("postgres") as superuser
    servers.target_url("staging")    # URL of its migration role for database `diary`
    servers.new_cluster("odd", major=17)

Where a fixture comes too late (settings are read at import), call `servers()` and set the environment from it: the
servers end with the process anyway. Every process of pytest-xdist has servers of its own. They run without fsync.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Self

from changecontrol.local.database import Prepared, prepare_database, prepare_target
from changecontrol.local.postgres import Cluster
from changecontrol.local.valkey import Broker


class Servers:
    """The servers of one test session below one folder. Everything starts lazily; `remove` ends and deletes all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Cluster | Broker] = []
        self._targets: dict[str, Cluster] = {}
        self._target_urls: dict[str, str] = {}

    @cached_property
    def control(self) -> Cluster:
        """The server of our own database."""
        return self.new_cluster("control")

    @cached_property
    def broker(self) -> Broker:
        broker = Broker(self.folder / "valkey")
        self._started.append(broker)
        return broker.start()

    @cached_property
    def database(self) -> Prepared:
        """An empty database of ours (`changecontrol`) with owner and app role; migrations have not run."""
        return prepare_database(
            self.control.dsn(),
            database="changecontrol",
            prefix="test",
            owner_password="owner-only-here",  # noqa: S106
            app_password="app-only-here",  # noqa: S106
            owner_creates_databases=True,
        )

    def target(self, environment: str) -> Cluster:
        """The server of an environment's target, the same one on every call."""
        if environment not in self._targets:
            self._targets[environment] = self.new_cluster(environment)
        return self._targets[environment]

    def target_url(self, environment: str) -> str:
        """Database `diary` on that server as its migration role."""
        if environment not in self._target_urls:
            dsn = self.target(environment).dsn()
            self._target_urls[environment] = prepare_target(
                dsn,
                database="diary",
                role="diary_migration",
                password="migration-only-here",  # noqa: S106
            )
        return self._target_urls[environment]

    def new_cluster(self, name: str, *, major: int = 18) -> Cluster:
        """One more server, started; ends with the session at the latest."""
        cluster = Cluster(self.folder / name, name=name, major=major, fast=True)
        self._started.append(cluster)
        return cluster.start()

    def remove(self) -> None:
        """Stop all servers and delete what they stored."""
        while self._started:
            self._started.pop().remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def chromium() -> str | None:
    """The Chromium of this machine, or None: browser tests then skip, or fail where CI=true."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    return None


def servers(folder: Path | None = None) -> Servers:
    """Servers for this process, below `folder` or a fresh temporary one; removed at exit at the latest."""
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="changecontrol-tests-"))
        folder.chmod(0o711)  # a server that runs as another user must reach its data; the data folder itself is closed
    started = Servers(folder)
    atexit.register(started.remove)
    return started
