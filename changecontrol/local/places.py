"""Where servers live and as whom they run.

PostgreSQL refuses to run as root. When we are root, servers run as `nobody`, who must be able to reach the binaries and
the data: below a closed home folder both move to SHARED, and the caller's folder keeps a link.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from changecontrol.rules.refusal import Refused

#: Only root writes here, so nobody else can have put something in our way.
SHARED = Path("/var/lib/changecontrol")


class WheelMissing(Refused):
    """The package {package} is not installed here, so there are no {what} binaries: install requirements/{lock}.txt."""


class NoSpace(Refused):
    """No space is left on the disk of {folder}. Free some space and start again."""


class FolderNotWritable(Refused):
    """The folder {folder} cannot be written ({reason}).
    Give yourself write permission or move the project elsewhere."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system user a server runs as."""

    uid: int
    gid: int


def service_account() -> Account | None:
    """`nobody` when we are root, None when the server can run as the one who asks."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def reachable(path: Path, account: Account | None) -> bool:
    """Whether the account may enter `path`: every folder on the way open to it. Always true for ourselves (None)."""
    if account is None:
        return True
    resolved = path.resolve()
    return all(_may_enter(folder, account) for folder in [*reversed(resolved.parents), resolved] if folder.is_dir())


def _may_enter(folder: Path, account: Account) -> bool:
    facts = folder.stat()
    return bool(facts.st_mode & (stat.S_IXUSR if facts.st_uid == account.uid else stat.S_IXOTH))


def make_folder(folder: Path) -> None:
    """Create the folder and its parents. Raises FolderNotWritable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise FolderNotWritable(folder=folder, reason="permission denied")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpace(folder=folder) from error
        raise FolderNotWritable(folder=folder, reason=(error.strerror or str(error)).lower()) from error


def data_folder(folder: Path, account: Account | None) -> Path:
    """Where the server of `folder` keeps its data: below it, or for a closed folder in SHARED."""
    if reachable(folder, account):
        return folder / "data"
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:20]
    return SHARED / "data" / name


def settle(folder: Path, data: Path) -> None:
    """Before a start: where the data lives in SHARED, `folder/data` links to it.

    Without that link the data belongs to a folder that was deleted by hand (its password with it): it goes too.
    """
    link = folder / "data"
    if link != data and not link.is_symlink():
        shutil.rmtree(data, ignore_errors=True)
    if link != data and (not link.is_symlink() or link.readlink() != data):
        link.unlink(missing_ok=True)
        link.symlink_to(data)


def make_data_folder(data: Path, account: Account | None) -> None:
    """Create the data folder, open to the server alone; its parents in SHARED open to all, whatever our umask."""
    make_folder(data.parent)
    if SHARED in data.parents:
        for opened in (SHARED, data.parent):
            opened.chmod(0o755)
    data.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(data, account.uid, account.gid)


def package_folder(package: str, account: Account | None, *, what: str, lock: str = "runtime") -> Path:
    """The installed package with binaries, or a copy of it (one per version) where the account can reach it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise WheelMissing(package=package, what=what, lock=lock)
    folder = Path(found.submodule_search_locations[0])
    if reachable(folder, account):
        return folder
    version = importlib.metadata.version(package)
    return _copied(folder, SHARED / "binaries" / f"{package}-{version}") / package


def _copied(folder: Path, place: Path) -> Path:
    make_folder(place.parent)
    with locked(place.parent / "lock"):
        if not place.exists():
            half = place.with_name(place.name + ".new")
            shutil.rmtree(half, ignore_errors=True)
            # The programs look for their libraries in ../../../<package>.libs, so both folders move together.
            for source in (folder, folder.with_name(folder.name + ".libs")):
                if source.is_dir():
                    shutil.copytree(source, half / source.name, ignore=shutil.ignore_patterns("include", "*.a"))
            for opened in (SHARED, place.parent, half, *(path for path in half.rglob("*") if path.is_dir())):
                opened.chmod(0o755)
            half.rename(place)
    return place


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file: one process at a time, released by the kernel if we die."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
