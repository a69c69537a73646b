"""squawk, a linter of its own, as a subprocess: its findings as ours.

It reads the file alone: what psql would include is never seen, code in DO and functions is opaque, and one syntax
error keeps back everything else it would say about that file.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from changecontrol.rules.finding import Finding
from changecontrol.rules.topics import LEFT_OUT, severity

#: A thousand files take seconds; whoever takes longer hangs.
_TIMEOUT_S = 120
#: squawk follows a configuration file of the folder it runs in, and words in the text that switch rules off.
_IGNORES = re.compile(rb"squawk-ignore")


def executable() -> str | None:
    """Where squawk is: beside our Python, or on the path."""
    beside = Path(sys.executable).parent / "squawk"
    return str(beside) if beside.is_file() else shutil.which("squawk")


def squawk(files: Mapping[str, bytes], *, major: int = 18) -> list[Finding]:
    """Lint texts by their file names, all in one call. Without squawk, or when it breaks: one note that says so."""
    if not files:
        return []
    program = executable()
    if program is None:
        return [_missing(files, "squawk is not installed here, so its rules were not asked.")]
    with tempfile.TemporaryDirectory(prefix="changecontrol-squawk-") as folder:
        names: dict[str, str] = {}
        for number, (name, data) in enumerate(files.items()):
            # a name of our own: squawk takes the arguments for patterns
            path = Path(folder) / f"{number}.sql"
            path.write_bytes(_IGNORES.sub(b"squawk_ignore", data))
            names[str(path)] = name
        try:
            said = _ask(program, folder, list(names), major)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return [_missing(files, f"squawk could not be asked ({type(error).__name__}), so its rules are missing.")]
    found = [_finding(one, names) for one in said if one.get("rule_name") not in LEFT_OUT]
    return list(dict.fromkeys(found))


def _ask(program: str, folder: str, paths: Sequence[str], major: int) -> list[dict[str, Any]]:
    config = Path(folder) / "squawk.toml"
    config.write_text("")
    excluded = [f"--exclude={rule}" for rule in LEFT_OUT if not rule.startswith("transaction")]
    done = subprocess.run(
        [program, "--reporter", "json", f"--pg-version={major}", f"--config={config}", *excluded, *paths],
        capture_output=True,
        timeout=_TIMEOUT_S,
        cwd=folder,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise ValueError(done.stderr.decode("utf-8", "replace")[:200])
    value = json.loads(done.stdout or b"[]")
    if not isinstance(value, list):
        raise ValueError("no list")
    return value


def _finding(one: Mapping[str, Any], names: Mapping[str, str]) -> Finding:
    rule = str(one["rule_name"])
    message = " ".join(str(one["message"]).split())
    if rule == "syntax-error":
        message = f"squawk cannot read this file and says nothing else about it: {message}"
    return Finding(
        rule=f"squawk/{rule}",
        severity=severity(rule),
        file=names[str(one["file"])],
        line=int(one["line"]) + 1,
        column=int(one["column"]) + 1,
        message=message,
        rewrite=" ".join(str(one.get("help") or "").split()),
    )


def _missing(files: Mapping[str, bytes], message: str) -> Finding:
    return Finding("squawk-missing", "note", next(iter(files)), 1, 1, message)
