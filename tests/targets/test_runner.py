"""Transaction steps: all or nothing, together with the ledger row."""

from __future__ import annotations

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session
from tests.targets.stage import Heard, go, one, ran, script


def test_it_commits_the_step_and_its_ledger_row_together(session: Session) -> None:
    heard = Heard()
    outcome = go(session, "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (2);\nCOMMIT;\n", heard=heard)
    assert (outcome.state, outcome.effect, outcome.steps_done, outcome.steps_total) == ("succeeded", "complete", 1, 1)
    done = [row for row in ledger.rows(session) if row.kind == "done"]
    assert [(row.step, row.steps, row.migration, row.actor) for row in done] == [(1, 1, 2, "theo")]
    assert one(session, "SELECT DISTINCT xmin::text::bigint FROM a") == done[0].xid
    assert [event.data["rows"] for event in heard.of("statement_done")] == [0, 2]
    assert heard.kinds[0] == "run_started" and "committed" in heard.kinds
