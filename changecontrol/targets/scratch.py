"""A folder of this machine for the time of a block, and the removal of those that killed processes left behind.

Dumps lie there: of a schema, or of a target with its rows. A folder belongs to whoever holds the lock on it, and the
kernel lets go of that with the process, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "changecontrol-scratch-"
_LOCK = "held"


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """Give an empty folder that only we can read; it is gone behind the block."""
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{name}-") as made, open(Path(made) / "new", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        os.rename(guard.name, Path(made) / _LOCK)  # held from its first moment on
        yield Path(made)


def sweep() -> tuple[str, ...]:
    """Remove the folders whose process is gone; gives their names."""
    found = [one for one in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _is_left(one)]
    for one in found:
        shutil.rmtree(one, ignore_errors=True)
    return tuple(one.name for one in found)


def _is_left(made: Path) -> bool:
    """Whether it is ours and nobody holds it."""
    try:
        if made.is_symlink() or made.stat().st_uid != os.geteuid():
            return False
        with open(made / _LOCK) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:  # somebody holds it, or it is being made or removed just now
        return False
