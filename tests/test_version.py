"""The version a ledger row names is the version of the project."""

from __future__ import annotations

import tomllib
from pathlib import Path

import changecontrol

ROOT = Path(__file__).resolve().parent.parent


def test_it_is_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == changecontrol.__version__


def test_the_locks_hold_every_library_by_hash_and_no_address() -> None:
    for name in ("runtime", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        assert "http" not in text
        pinned = [line for line in text.splitlines() if "==" in line]
        assert pinned and all(line.rstrip().endswith("\\") for line in pinned)
