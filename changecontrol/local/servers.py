"""The servers of one demonstration, and the databases and roles inside them."""

from __future__ import annotations

import os

from changecontrol.local.database import Prepared, prepare_database, prepare_target
from changecontrol.local.installation import ENVIRONMENTS, Installation
from changecontrol.local.postgres import Cluster
from changecontrol.local.valkey import Broker


class Servers:
    """Our own database server and broker, one server per target, and one for sandboxes.

    Whoever sets DATABASE_URL or REDIS_URL keeps the database or broker they have: ours stays off (None).
    """

    def __init__(self, here: Installation) -> None:
        self._here = here
        folder = here.folder
        self.control = None if os.environ.get("DATABASE_URL") else Cluster(folder / "control", name="control")
        self.broker = None if os.environ.get("REDIS_URL") else Broker(folder / "valkey")
        self.targets = {name: Cluster(folder / name, name=name) for name in ENVIRONMENTS}
        # Disposable, so without fsync: databases on which migrations are tried and compared.
        self.sandbox = Cluster(folder / "sandbox", name="sandbox", fast=True)

    def by_name(self) -> dict[str, Cluster | Broker]:
        """All that we run, named as in sentences ("staging database")."""
        found: dict[str, Cluster | Broker | None] = {"control database": self.control, "broker": self.broker}
        found.update({f"{name} database": cluster for name, cluster in self.targets.items()})
        found["sandbox database"] = self.sandbox
        return {name: server for name, server in found.items() if server is not None}

    def remove(self) -> None:
        """Delete all their data, also what lives outside the folder."""
        for server in self.by_name().values():
            server.remove()

    def prepare_ours(self) -> Prepared:
        """Our database with its two roles; or what DATABASE_URL and DATABASE_OWNER_URL name."""
        if self.control is None:
            given = os.environ["DATABASE_URL"]
            owner = os.environ.get("DATABASE_OWNER_URL") or given
            return Prepared(owner, given, "", os.environ.get("CHANGECONTROL_APP_ROLE", ""))
        return prepare_database(
            self.control.dsn(),
            database="changecontrol",
            prefix="changecontrol",
            owner_password=self._here.secret("owner"),
            app_password=self._here.secret("app"),
        )

    def prepare_targets(self) -> dict[str, str]:
        """The diary database on each target, empty at first; the URL of its migration role by environment."""
        return {
            name: prepare_target(
                cluster.dsn(), database="diary", role="diary_migration", password=self._here.secret(f"target-{name}")
            )
            for name, cluster in self.targets.items()
        }

    def prepare_sandbox(self) -> str:
        """The URL of the role that makes and drops sandbox databases."""
        password = self._here.secret("sandbox")
        return prepare_target(self.sandbox.dsn(), database="sandbox", role="sandbox", password=password)

    def broker_url(self) -> str:
        return self.broker.url if self.broker else os.environ["REDIS_URL"]
