"""The files that a migration includes with psql's include commands, directly or through one another."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path

from changecontrol.repository import files
from changecontrol.rules import script


def included(root: Path, own: Mapping[str, bytes]) -> dict[str, bytes]:
    """Read every file that is included, by path. A missing one is left out: the parser refuses it with its place.

    Raises the refusals of reading a file and those of `script.needed`.
    """
    found: dict[str, bytes] = {}
    waiting = deque(own.items())
    while waiting:
        file, data = waiting.popleft()
        for path in script.needed(data, file=file):
            if path in found:
                continue
            try:
                found[path] = own[path] if path in own else files.read(root, path)
            except files.FileMissing:
                continue
            waiting.append((path, found[path]))
    return found
