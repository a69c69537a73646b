"""Starts the embedded servers and names them in the environment, before Django's settings are read.

Loaded with `-p tests.embedded` (pyproject.toml): pytest-django reads the settings before any conftest.
"""

from __future__ import annotations

import os
import secrets
import sys

from changecontrol.local import testing

servers = testing.servers()
_here = {
    "SECRET_KEY": secrets.token_hex(32),
    "CHANGECONTROL_WATCH_SECONDS": "0",
    "CHANGECONTROL_DEMO": "",
    "CHANGECONTROL_BACKUPS": str(servers.folder / "backups"),
}
#: the process that only hands tests out to others (pytest -n) runs none itself and needs no server
_hands_out = "PYTEST_XDIST_WORKER" not in os.environ and any(word.startswith(("-n", "--numproc")) for word in sys.argv)
if not _hands_out:
    _here |= {
        "DATABASE_URL": servers.database.app_url,
        "DATABASE_OWNER_URL": servers.database.owner_url,
        "CHANGECONTROL_APP_ROLE": servers.database.app_role,
        "REDIS_URL": servers.broker.url,
    }
os.environ.update(_here)
