"""Statements whose effects were observed on real servers: the truth that the probe and the rules are held to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FILE = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
_MODES = {
    "AEL": "ACCESS EXCLUSIVE",
    "E": "EXCLUSIVE",
    "SRE": "SHARE ROW EXCLUSIVE",
    "S": "SHARE",
    "SUE": "SHARE UPDATE EXCLUSIVE",
}
#: One statement each: VACUUM refuses company.
SETUP: tuple[str, ...] = (
    "\n".join(_FILE["setup"]).partition("VACUUM")[0],
    "VACUUM ANALYZE t",
    "VACUUM ANALYZE t2",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was observed on one major version; relations are unqualified in `locks`, `scan` and `rows`."""

    locks: dict[str, str] = field(default_factory=dict)
    rewrite: list[str] = field(default_factory=list)
    index: list[str] = field(default_factory=list)
    scan: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)
    error: list[str] = field(default_factory=list)
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `kind` is its class of harm in a word."""

    id: str
    kind: str
    harmless: bool
    prepare: str
    sql: str
    observed: dict[int, Facts]


def _facts(value: dict[str, Any]) -> Facts:
    locks = {name: _MODES[mode] for name, mode in value.get("locks", {}).items()}
    return Facts(**{**value, "locks": locks})


CASES: tuple[Case, ...] = tuple(
    Case(
        id=one["id"],
        kind=one["class"],
        harmless=one["harmless"],
        prepare=one["prepare"],
        sql=one["sql"],
        observed={int(major): _facts(facts) for major, facts in one["observed"].items()},
    )
    for one in _FILE["cases"]
)
