"""Reading files that somebody else owns: inside one folder, of bounded size, and exactly the bytes that are there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from changecontrol.rules.naming import Entry
from changecontrol.rules.refusal import Refused
from changecontrol.rules.text import LIMIT, TooLarge


class RepositoryMissing(Refused):
    """The migrations repository {path} is not a folder that can be read ({reason}). Set CHANGECONTROL_REPOSITORY to the
    folder that holds the migrations.
    """


class FileMissing(Refused):
    """{file} does not exist in the migrations repository."""


class LinkOutside(Refused):
    """{file} is a link to something outside of the migrations repository and is not read. Copy the file into it."""


class NotReadable(Refused):
    """{file} cannot be read ({reason}). Correct its permissions, or replace it by a plain file."""


class NameNotText(Refused):
    """The name of {file} is not UTF-8, so nothing can be recorded about it. Rename it to NNN_description.sql."""


class Changing(Refused):
    """{file} changed while it was read. Wait until it is saved and try again."""


def root_of(path: Path) -> Path:
    """Resolve the repository's folder. Raises RepositoryMissing."""
    try:
        root = path.resolve(strict=True)
        with os.scandir(root):
            return root
    except OSError as error:
        raise RepositoryMissing(path=path, reason=error.strerror or "no such folder") from None


def read(root: Path, file: str) -> bytes:
    """Read one file by its path within `root`. Raises FileMissing, NameNotText, LinkOutside, NotReadable, TooLarge
    or Changing.
    """
    try:
        real = (root / file).resolve(strict=True)
    except FileNotFoundError:
        raise (NameNotText if _is_misnamed(root / file) else FileMissing)(file=file) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise NotReadable(file=file, reason=_reason(error)) from None
    if not real.is_relative_to(root):
        raise LinkOutside(file=file)
    try:
        return _read_regular(root, real.relative_to(root), file)
    except OSError as error:
        raise NotReadable(file=file, reason=_reason(error)) from None


def _read_regular(root: Path, path: Path, file: str) -> bytes:
    """Open folder by folder without following links, so that a link put there meanwhile leads nowhere."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # O_NONBLOCK: opening a named pipe would wait for a writer.
        handle = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(handle, "rb") as opened:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise NotReadable(file=file, reason="it is not a plain file")
        if before.st_size > LIMIT:
            raise TooLarge(file=file, size=before.st_size, limit=LIMIT)
        data = opened.read(LIMIT + 1)
        after = os.fstat(handle)
    if len(data) != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
        raise Changing(file=file)
    return data


def _is_misnamed(path: Path) -> bool:
    """Whether this is how `listing` shows the name of a file that is there."""
    return "\\x" in path.name and any(_shown(entry.name) == path.name for entry in _scan(path.parent))


def _shown(name: str) -> str:
    """A name as text: a byte that is not UTF-8 as \\xff. Half a character can be neither digested nor printed."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "unknown reason"


def listing(root: Path) -> Iterator[Entry]:
    """Yield every file and folder of the repository except hidden ones, without opening any. Two levels deep."""
    for entry in _scan(root):
        described = _describe(root, entry, _shown(entry.name))
        yield described
        if described.is_folder and not described.outside:
            for inner in _scan(Path(entry.path)):
                yield _describe(root, inner, f"{_shown(entry.name)}/{_shown(inner.name)}")


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError:
        return []


def _describe(root: Path, entry: os.DirEntry[str], path: str) -> Entry:
    try:
        outside = entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root)
        is_folder = entry.is_dir()
        return Entry(path, is_folder, outside, 0 if is_folder or outside else entry.stat().st_size)
    except (OSError, RuntimeError):
        return Entry(path)  # a dangling or circular link: reading it gives the sentence
