"""A step outside a transaction under the probe: sampled locks, what is certain from its text, and changed files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

import psycopg

from changecontrol.rules import outside
from changecontrol.rules.observed import Observed
from changecontrol.rules.script import Statement, Step, StepKind
from changecontrol.targets import readings
from changecontrol.targets.comparing import Known
from changecontrol.targets.connection import Session
from changecontrol.targets.readings import STORED
from changecontrol.targets.sampling import Sampler


class Sampled:
    """Stands around the statement; `complete` then adds what was seen. Not exact: says so in the Observed."""

    def __init__(self, session: Session, eye: Session | None, known: Known, step: Step, statement: Statement) -> None:
        self._session, self._known, self._statement = session, known, statement
        self._batched = step.kind is StepKind.BATCHED
        self._certain = list(self._resolved())
        self._lsn = readings.wal(session)
        self._sampler = Sampler(session, None if self._batched else eye)

    def __enter__(self) -> Self:
        self._sampler.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._sampler.__exit__()

    def complete(self, seen: Observed, *, rows: int) -> Observed:
        """Add the locks, the files and, of a batched step, the rows."""
        modes = self._sampler.modes
        for oid, mode in () if seen.error else self._certain:
            modes.setdefault(oid, set()).add(mode)
        files: dict[str, Any] = {}
        wal = 0
        with suppress(psycopg.Error):  # a lost session tells nothing more
            wal = max(readings.wal(self._session) - self._lsn, 0)
            relations = readings.catalog(self._session)
            files = self._known.files(relations)
            files["sizes"] = self._known.sizes(self._session, self._known.worked_through(files, relations))
            for oid, mode in self._of_changed(files, relations):
                modes.setdefault(oid, set()).add(mode)
        before = self._known.before
        held = {before[oid].name: ms for oid, ms in self._sampler.held_ms.items() if oid in before}
        locks = self._known.told(modes)
        return replace(
            seen,
            locks=locks,
            held_ms={name: ms for name, ms in sorted(held.items()) if name in locks},
            rows=self._rows(rows),
            wal_bytes=wal,
            exact=False,
            reported=rows if self._batched else 0,
            **files,
        )

    def _rows(self, rows: int) -> dict[str, int]:
        if not self._batched or not rows or not self._certain:
            return {}
        return {self._known.before[oid].name: rows for oid, _mode in self._certain[:1] if oid in self._known.before}

    def _resolved(self) -> Iterator[tuple[int, str]]:
        """The certain locks by OID: what the statement names, found as the server finds it."""
        for lock in outside.certain(self._statement.sql):
            if not lock.parts:
                yield from ((oid, lock.mode) for oid, one in self._known.before.items() if one.kind in STORED)
                continue
            yield readings.find(self._session, lock.parts, by_index=lock.by_index), lock.mode

    def _of_changed(
        self, files: Mapping[str, Any], relations: dict[int, readings.Relation]
    ) -> Iterator[tuple[int, str]]:
        """Whoever gives a table a new file locks it as a whole; whoever builds an index locks its table."""
        rebuilt = outside.of_rebuilt(self._statement.sql)
        for oid, was in self._known.before.items():
            if was.name in files["rewrites"]:
                yield oid, "ACCESS EXCLUSIVE"
        for one in relations.values():
            if one.table and one.name in files["indexes"]:
                yield one.table, rebuilt
