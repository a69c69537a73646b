"""Reading a folder without any database: what can be said about each file before something runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import changecontrol
from changecontrol.linting import squawk
from changecontrol.repository.foreign import Gathered
from changecontrol.rules import judging, reporting
from changecontrol.rules.certificate import Verdict
from changecontrol.rules.finding import Finding
from changecontrol.rules.policy import Policy
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.rules.topics import merged
from changecontrol.services.engine.base import Folder, Report, read_folder


def lint(*, folder: Path, only: Sequence[int] = (), form: str = "text") -> Report:
    """Read every file; nothing runs. `form`: one of reporting.FORMATS, in which the report's `text` is written.

    Not fine: an error or critical finding, or a file that cannot be run at all. Raises the refusals of reading the
    folder.
    """
    found = read_folder(folder, only=only)
    chosen = [one for one in found.migrations if not only or one.number in only]
    outside = squawked(found, chosen)
    told = [_told(found, one, outside.get(one.file, ())) for one in chosen]
    strays = [] if only else severe(found.policy, found.strays)
    every = [item for _, items in told for item in items] + strays
    value = {"migrations": [one for one, _ in told], "findings": [item.to_json() for item in strays]}
    placed = [replace(item, file=(folder / item.file).as_posix()) for item in every]
    text = reporting.report(placed, form, version=changecontrol.__version__)
    return Report(value, not any(item.blocks for item in every), text)


def severe(policy: Policy, findings: Iterable[Finding]) -> list[Finding]:
    """Give the findings the severities that changecontrol.toml says."""
    return [replace(item, severity=policy.severities.get(item.rule, item.severity)) for item in findings]


def squawked(folder: Folder, chosen: Sequence[Gathered]) -> Mapping[str, Sequence[Finding]]:
    """What squawk says, by the forward file of the migration; it is started once for the whole folder."""
    texts = {file: data for one in chosen for file, data in one.texts.items()}
    owner = {file: one.file for one in chosen for file in one.texts}
    found: dict[str, list[Finding]] = {}
    for item in squawk(texts):
        found.setdefault(owner.get(item.file, ""), []).append(item)
    return found


def refusals(migration: Gathered) -> list[Finding]:
    """What cannot be read or parsed, as findings at its place."""
    parts = (migration.forward, migration.rollback, migration.verify)
    return [_refused(migration, part) for part in parts if isinstance(part, Refused)]


def _told(folder: Folder, migration: Gathered, outside: Sequence[Finding]) -> tuple[dict[str, Any], list[Finding]]:
    forward, rollback = migration.forward, migration.rollback
    found = [*severe(folder.policy, migration.findings), *refusals(migration)]
    if isinstance(forward, Script):
        back = rollback if isinstance(rollback, Script) else None
        ours = judging.static(forward, back, policy=folder.policy)
        found += merged(ours, severe(folder.policy, outside), policy=folder.policy)
    found = judging.ordered(found)
    refused = isinstance(forward, Refused) or isinstance(rollback, Refused)
    value = {
        "number": migration.number,
        "name": migration.name,
        "file": migration.file,
        "verdict": Verdict.REFUSED.value if refused else None,
        "declared": migration.declared.value,
        "findings": [item.to_json() for item in found],
    }
    return value, found


def _refused(migration: Gathered, refusal: Refused) -> Finding:
    """A refusal with a place stands there; another one at the top of the migration."""
    file, line, column = (refusal.details.get(name) for name in ("file", "line", "column"))
    at = (str(file or migration.file), int(line or 1), int(column or 1))
    return Finding("refused", "error", *at, refusal.sentence)
