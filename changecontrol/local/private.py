"""Small secrets of this machine: one value a file, mode 0600."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from changecontrol.local.places import NoSpace, make_folder


def keep_secret(path: Path, fresh: str) -> str:
    """The secret kept in `path`; the first caller's `fresh` value is written there and stays."""
    make_folder(path.parent)
    if not path.exists():
        write_private(path, fresh)
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, whole or not at all. Raises NoSpace."""
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        half.rename(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise NoSpace(folder=path.parent) from error
        raise
