"""The crowd notices what it is there for: the strategy document's own pattern, and a lock that waits in the queue."""

from __future__ import annotations

import psycopg
import pytest

from tests.patterns.crowd import Crowd
from tests.patterns.scenarios import SCENARIOS
from tests.patterns.series import Place
from tests.patterns.styles import Column
from tests.targets.stage import wait_for

RENAME = SCENARIOS[0]
OLD, NEW = Column("amount"), Column("total")


@pytest.mark.parametrize("here", [18], indirect=True)
def test_it_notices_a_rename_without_dual_write(here: Place) -> None:
    here.set_up(RENAME.setup)
    with psycopg.connect(here.admin, autocommit=True) as admin, Crowd(here, OLD.facts(admin), (1, 2)) as crowd:
        crowd.count_from(admin, OLD)
        crowd.switch(OLD)
        here.by_hand("SET lock_timeout = '30s'; ALTER TABLE things ADD COLUMN total integer")
        here.by_hand("UPDATE things SET total = amount")
        crowd.writes()
        crowd.switch(NEW)
        with pytest.raises(AssertionError, match=r"styles\.Column"):
            crowd.compare(admin, NEW)


@pytest.mark.parametrize("here", [18], indirect=True)
def test_it_notices_a_reader_behind_a_waiting_lock(here: Place) -> None:
    here.set_up(RENAME.setup)
    with psycopg.connect(here.admin, autocommit=True) as admin, Crowd(here, OLD.facts(admin), (1, 2)) as crowd:
        report = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'Report' AND xact_start > now() - interval '0.2 s'"
        )

        def stuck() -> bool:
            wait_for(lambda: admin.execute(report.encode()).fetchone())
            here.by_hand("SET lock_timeout = 0; ALTER TABLE things ADD COLUMN IF NOT EXISTS total integer")
            return bool(crowd.reader.blocked)

        assert wait_for(stuck, seconds=60)
