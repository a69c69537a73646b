"""What git knows about the files: a commit is named only if its very bytes are the ones that were read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Seconds for one call. A repository on a stuck network disk must not hold up a page.
TIMEOUT = 5
# Nothing a repository's own configuration may start: no hooks, monitors, pagers or signature programs.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false")


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit that holds exactly these bytes, and who last changed the migration: "Name <address>"."""

    commit: str
    author: str


def origin(root: Path, files: Mapping[str, bytes], *, main: str) -> Origin | None:
    """Give HEAD and the author of `main`, or None: no git, no work tree, an unsafe folder, or other bytes in HEAD."""
    commit = _git(root, "rev-parse", "--verify", "HEAD^{commit}")
    if commit is None:
        return None
    head = commit.decode("ascii", "replace").strip()
    for name, data in files.items():
        if _git(root, "cat-file", "blob", f"{head}:./{name}") != data:
            return None
    author = _git(root, "log", "-1", "--no-show-signature", "--format=%an <%ae>", head, "--", f"./{main}")
    return Origin(head, (author or b"").decode("utf-8", "replace").strip())


def _git(root: Path, *arguments: str) -> bytes | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "--no-pager", *_SAFE, "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
