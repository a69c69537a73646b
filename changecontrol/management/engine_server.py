"""The server that `engine rehearse` starts when none is named: empty, disposable, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from changecontrol.local.postgres import Cluster


@contextmanager
def embedded(major: int) -> Iterator[str]:
    """Start an embedded PostgreSQL and give its connection string. Raises WheelMissing and what `Cluster` raises."""
    with tempfile.TemporaryDirectory(prefix="changecontrol-engine-") as kept:
        folder = Path(kept)
        folder.chmod(0o711)  # a server that runs as another user must reach its data; the data itself is closed
        cluster = Cluster(folder / "server", name="rehearsal", major=major, fast=True)
        try:
            yield cluster.start().dsn()
        finally:
            cluster.remove()
