"""Starts the embedded servers and names them in the environment, before Django's settings are read.

Loaded with `-p tests.embedded` (pyproject.toml): pytest-django reads the settings before any conftest.
"""

from __future__ import annotations

import os
import secrets

from changecontrol.local import testing

servers = testing.servers()
os.environ.update(
    SECRET_KEY=secrets.token_hex(32),
    DATABASE_URL=servers.database.app_url,
    DATABASE_OWNER_URL=servers.database.owner_url,
    CHANGECONTROL_APP_ROLE=servers.database.app_role,
    REDIS_URL=servers.broker.url,
    CHANGECONTROL_WATCH_SECONDS="0",
    CHANGECONTROL_DEMO="",
    CHANGECONTROL_BACKUPS=str(servers.folder / "backups"),
)
