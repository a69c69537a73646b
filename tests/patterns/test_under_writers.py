"""Every pattern's series under old and new application code that never stops: no lost write, no blocked reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from changecontrol.repository import Frozen
from changecontrol.targets import snapshot
from changecontrol.targets.connection import Session
from changecontrol.targets.outcome import Event
from tests.patterns.crowd import Crowd
from tests.patterns.scenarios import SCENARIOS, Scenario
from tests.patterns.series import Place, go, holds, written
from tests.patterns.styles import Column, Unaware


class Telling:
    """One run of a series in front of a crowd."""

    def __init__(
        self, here: Place, conn: Session, admin: psycopg.Connection[Any], crowd: Crowd, scenario: Scenario
    ) -> None:
        self.here, self.conn, self.admin, self.crowd, self.scenario = here, conn, admin, crowd, scenario

    def heard(self, event: Event) -> None:
        """Let writers in between all batches; new code begins as soon as its column is there."""
        first = event.kind == "committed" and event.step == 1
        if first and self.scenario.early:
            self.crowd.switch(*self.scenario.before, *self.scenario.early, whole=False)
        if (event.kind == "progress" and event.data.get("batch", 0) % 8 == 0) or first:
            self.crowd.writes(2)

    def forward(self, series: list[Frozen]) -> None:
        last = len(series) - 1
        for at, member in enumerate(series):
            if at == last and last > 0:
                self.crowd.switch(*self.scenario.after)  # the release that the last migration waits for
                self.crowd.writes()
            go(self.conn, member, member.forward_script, heard=self.heard if at == 0 else lambda event: None)
            assert holds(self.conn, member)
            if at == 0:
                self._in_between()
            self.crowd.writes()
            self.compare(*(self.scenario.after if at == last else self.scenario.between))

    def _in_between(self) -> None:
        """What follows the first migration: what it leaves to hands, and code that knows the new way."""
        self.here.by_hand(self.scenario.by_hand)
        if not self.scenario.before[0].aware and self.scenario.between[-1].aware:
            self.crowd.count_from(self.admin, self.scenario.between[-1])
        self.crowd.switch(*self.scenario.between)

    def back(self, series: list[Frozen]) -> None:
        for at, member in reversed([*enumerate(series)]):
            if at == 0:
                self.crowd.switch(*self.scenario.before)
            go(self.conn, member, member.rollback_script)
            assert not holds(self.conn, member)
            if at == len(series) - 1 and at > 0:
                self.crowd.switch(*self.scenario.between)
            self.crowd.writes()
            self.compare(*(self.scenario.before if at == 0 else self.scenario.between))

    def compare(self, *styles: Column) -> None:
        lost = self.scenario.lost and self.crowd.lossy
        self.crowd.compare(self.admin, *([Unaware()] if lost else styles))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: f"{one.name}-{one.note or one.length}")
def test_no_write_is_lost_and_no_reader_blocked(here: Place, tmp_path: Path, scenario: Scenario) -> None:
    series = written(tmp_path, scenario.name, scenario.given)
    assert len(series) == scenario.length
    here.set_up(scenario.setup)
    with here.session() as conn, psycopg.connect(here.admin, autocommit=True) as admin:
        before = snapshot.catalog(admin)
        facts = scenario.before[0].facts(admin)
        with Crowd(here, facts, scenario.values) as crowd:
            telling = Telling(here, conn, admin, crowd, scenario)
            if scenario.before[0].aware:
                crowd.count_from(admin, scenario.before[0])
            crowd.switch(*scenario.before)
            crowd.writes()
            telling.forward(series)
            crowd.lossy = True
            telling.back(series)
            crowd.fine()
            assert crowd.reader.blocked == []
            assert crowd.report.done > 0
        assert snapshot.differences(before, snapshot.catalog(admin)).verdict in scenario.verdicts
