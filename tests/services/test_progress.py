"""How far a run is, read from its events."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.models import Execution, ExecutionEvent
from changecontrol.rules.script import Batch, Direction, Step, StepKind, to_json
from changecontrol.services.progress import progress
from changecontrol.services.recording import acting
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db
_numbers = count(1)


def running(
    purpose: str = "deploy", *, state: str = "running", direction: str = "forward", **revised: Any
) -> Execution:
    change = rows.change("authorized", revised=revised or None)
    kind = "staging" if purpose == "stage" else "production"
    place = rows.target(f"{kind}-{next(_numbers)}", kind)
    return rows.execution(change, place, purpose=purpose, direction=direction, state=state, effect="none")


def tell(
    run: Execution, kind: str, step: int | None = None, *, phase: str = "forward", text: str = "", **data: Any
) -> None:
    with acting("worker"):
        ExecutionEvent.objects.create(
            execution=run,
            number=next(_numbers),
            at=NOW,
            kind=kind,
            phase=phase,
            step=step,
            text=text or kind,
            data=data,
        )


def states(run: Execution) -> list[str]:
    return [step.state for step in progress(run).steps]


def test_a_queued_run_shows_what_it_will_do() -> None:
    found = progress(running(state="queued"))
    assert [(step.phase, step.number, step.kind, step.state) for step in found.steps] == [
        ("forward", 1, "transaction", "todo"),
        ("forward", 2, "single", "todo"),
    ]
    assert found.steps[0].title.startswith("Step 1, transaction: adds")
    assert found.steps[0].title.endswith("and 1 more")
    assert (found.tally.done, found.tally.total) == (0, 2)


def test_steps_follow_the_events() -> None:
    run = running()
    tell(run, "step_started", 1)
    assert states(run) == ["running", "todo"]
    tell(run, "committed", 1, ms=1900)
    tell(run, "step_started", 2)
    assert states(run) == ["done", "running"]
    assert progress(run).steps[0].ms == 1900
    tell(run, "step_failed", 2, text="A table is locked.")
    assert progress(run).steps[1].text == "A table is locked."


def test_a_resumed_run_skips_what_is_on() -> None:
    run = running()
    tell(run, "step_skipped", 1)
    tell(run, "step_started", 2)
    assert states(run) == ["skipped", "running"]
    assert progress(run).tally.done == 1


def test_staging_shows_its_three_passes_apart() -> None:
    run = running("stage")
    tell(run, "committed", 1, phase="forward")
    tell(run, "committed", 1, phase="rollback")
    found = progress(run).steps
    assert [(step.phase, step.state) for step in found] == [
        ("forward", "done"), ("forward", "todo"),
        ("rollback", "done"), ("rollback", "todo"),
        ("forward again", "todo"), ("forward again", "todo"),
    ]  # fmt: skip
    assert found[2].title.startswith("Rollback, step 1, transaction: ")


def test_staging_without_a_way_back_is_one_pass() -> None:
    assert {step.phase for step in progress(running("stage", rollback_class="restore only")).steps} == {"forward"}


def test_clearing_comes_first_when_it_happened() -> None:
    run = running("stage")
    tell(run, "pass_started", phase="clearing")
    assert progress(run).steps[0].phase == "clearing"


def test_a_batched_step_shows_rows_rate_and_rest() -> None:
    run = running()
    plan = rows.script(Direction.FORWARD)
    batch = Batch("record_state", "id", 5000, False, "UPDATE", "SELECT", "SELECT count(*)", "SELECT count(*)")
    step = Step(1, StepKind.BATCHED, plan.steps[1].statements, begin_sql="", batch=batch)
    run.revision.plan["forward"] = to_json(type(plan)(plan.direction, plan.file, plan.header, (step,)))
    tell(run, "step_started", 1)
    for at in range(1, 4):
        tell(run, "progress", 1, batch=at, rows=at * 5000, total=20000, rate=5102.4, eta_s=93.0)
    found = progress(run).steps[0]
    assert (found.rows, found.total, found.rate, found.eta_s, found.batch) == (15000, 20000, 5102.4, 93.0, 3)
    assert "stays, also after an abort" in found.text
    assert progress(run).tally.rows == 15000


def test_it_says_who_is_waited_for_until_something_happens() -> None:
    run = running()
    tell(run, "step_started", 1)
    tell(run, "waiting", 1, text="Waiting for pid 41822.")
    tell(run, "notice", 1)
    waiting = progress(run).waiting
    assert waiting is not None and waiting.text == "Waiting for pid 41822."
    tell(run, "statement_done", 1)
    assert progress(run).waiting is None


def test_a_step_that_was_under_way_when_the_run_ended_did_not_commit() -> None:
    run = running(state="failed")
    tell(run, "step_started", 1)
    tell(run, "waiting", 1)
    assert states(run) == ["failed", "todo"]
    assert progress(run).waiting is None


def test_a_run_that_only_had_to_verify_has_no_step_left_to_do() -> None:
    found = progress(running("roll_back", state="succeeded", direction="rollback"))
    assert [step.state for step in found.steps] == ["skipped", "skipped"]
    assert found.tally.done == found.tally.total == 2


def test_verify_and_checks_follow_where_the_revision_has_them() -> None:
    run = running()
    run.revision.plan["verify"] = to_json(rows.script(Direction.VERIFY))
    run.revision.checks = {"audit": "SELECT 1"}
    assert [(step.kind, step.state) for step in progress(run).steps][2:] == [("verify", "todo"), ("checks", "todo")]
    tell(run, "verified", text="Every row says ok.")
    tell(run, "checks", phase="checks", text="Standing checks before: 1 of 1 green.", failed=[])
    assert states(run)[2:] == ["done", "todo"]
    tell(run, "checks", phase="checks", text="Standing checks after: 0 of 1 green.", failed=["audit: broken"])
    assert states(run)[2:] == ["done", "failed"]


def test_it_asks_three_queries_however_much_happened() -> None:
    run = running()
    for _ in range(200):
        tell(run, "progress", 1, batch=1, rows=1, total=2)
    run = Execution.objects.select_related("revision").get(pk=run.pk)
    with CaptureQueriesContext(connection) as caught:
        progress(run)
    assert len(caught) == 3


def test_verify_and_checks_are_no_steps_of_the_script() -> None:
    run = running()
    run.revision.plan["verify"] = to_json(rows.script(Direction.VERIFY))
    run.revision.checks = {"audit": "SELECT 1"}
    tell(run, "committed", 1)
    tell(run, "committed", 2)
    tell(run, "verified", text="Every row says ok.")
    tally = progress(run).tally
    assert (tally.done, tally.total) == (2, 2)


def test_an_index_build_says_its_phase_and_how_far_it_is() -> None:
    run = running()
    tell(run, "step_started", 2)
    phase = "building index: scanning table"
    # PostgreSQL's phase stands in the data; the pass of the run stands in the event
    with acting("worker"):
        ExecutionEvent.objects.create(
            execution=run, number=next(_numbers), at=NOW, kind="progress", phase="forward", step=2, text=phase,
            data={"phase": phase, "done": 300, "total": 1200, "unit": "blocks", "pct": 25.0},
        )  # fmt: skip
    found = progress(run).steps[1]
    assert (found.doing, found.done, found.total, found.unit, found.rows) == (phase, 300, 1200, "blocks", None)
    tell(run, "committed", 2, ms=7200)
    assert progress(run).steps[1].doing == ""


@pytest.mark.parametrize("kind", ["paused", "throttled"])
def test_it_says_what_holds_the_run_up_until_it_goes_on(kind: str) -> None:
    run = running()
    tell(run, "step_started", 1)
    tell(run, kind, 1, text="The replica is behind by 3.2 s.")
    tell(run, "vacuumed", 1)
    held = progress(run).waiting
    assert held is not None and held.kind == kind
    tell(run, "resumed", 1)
    assert progress(run).waiting is None
