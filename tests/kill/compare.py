"""After the kills: does everybody tell the same about every execution, and is each migration on exactly once?

Compared are the target's ledger, its catalog and rows, our copy of the ledger, state and effect of the execution, and
what its page says. Every disagreement is a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.test import Client

from changecontrol.models import Execution, LedgerCopy, Target
from changecontrol.rules.lifecycle import OPEN_STATES, Effect, State
from changecontrol.services import ledger_copies, progress
from changecontrol.targets import ledger
from changecontrol.web import words
from tests.kill.stage import BATCHES, INDEXED, ROWS, STEPS, Stage, mark

Rows = list[ledger.LedgerRow]


def disagreements(stages: dict[int, Stage], client: Client) -> Iterator[str]:
    """Yield what disagrees, over all targets (by primary key) and all their executions."""
    for target in Target.objects.filter(pk__in=stages):
        stage, rows = stages[target.pk], stages[target.pk].rows()
        yield from ledger_copies.differences(target, rows)
        if LedgerCopy.objects.filter(target=target).count() != len(rows):
            yield f"{target.name}: {LedgerCopy.objects.filter(target=target).count()} copies of {len(rows)} rows"
        executions = Execution.objects.filter(target=target).select_related("change", "revision", "target")
        for number in executions.order_by().values_list("change__migration_number", flat=True).distinct():
            ours = [row for row in rows if row.migration == number]
            for execution in executions.filter(change__migration_number=number).order_by("fence"):
                for said in (*_of_execution(execution, ours), *_of_page(execution, ours, client)):
                    yield f"{target.name} {number:03d} {execution.code}: {said}"
            for said in of_migration(stage, number, ours):
                yield f"{target.name} {number:03d}: {said}"


def _of_execution(execution: Execution, rows: Rows) -> Iterator[str]:
    """State and effect against what the ledger held when it ended."""
    if execution.state in OPEN_STATES:
        yield f"is still {execution.state}"
        return
    until = [row for row in rows if row.fence <= execution.fence]
    then = ledger.net(until, migration=execution.change.migration_number)
    if execution.effect != then.effect:
        yield f"effect {execution.effect}, the ledger said {then.effect} ({then.in_flight})"
    wanted = Effect.NONE if execution.direction == "rollback" else Effect.COMPLETE
    if execution.state == State.SUCCEEDED and execution.effect != wanted:
        yield f"succeeded with effect {execution.effect}"
    if execution.state == State.FAILED and not execution.sentence:
        yield "failed without a sentence"


def _of_page(execution: Execution, rows: Rows, client: Client) -> Iterator[str]:
    """The page and the progress behind it: a step is done there exactly if this run wrote its row."""
    phases = list(execution.events.filter(kind="pass_started").order_by("number").values_list("phase", flat=True))
    mine = [row for row in rows if row.execution_id == str(execution.uuid)]
    last = max(
        (row.pass_no for row in mine if row.kind != "resolved"), default=1
    )  # what a person states is of this pass
    wrote = {
        (_phase(last if row.kind == "resolved" else row.pass_no, phases, execution), row.step)
        for row in mine
        if _is_done(row)
    }
    steps = [step for step in progress.progress(execution).steps if step.number]
    said = {(step.phase, step.number) for step in steps if step.state == "done"}
    if said != wrote:
        yield f"done by its page alone: {sorted(said - wrote)}; by the ledger alone: {sorted(wrote - said, key=str)}"
    shown = [step for step in steps if step.state in ("running", "todo")]
    if execution.state == State.SUCCEEDED and shown:
        yield f"succeeded, and its page shows {shown[0].phase} {shown[0].number} as {shown[0].state}"
    if any(step.state == "running" for step in steps):
        yield "ended, and its page shows a running step"
    counted = {step.phase: step.rows for step in steps if step.number == BATCHES and step.rows is not None}
    for phase, told in counted.items():
        kept = [
            row.detail["rows"]
            for row in mine
            if row.kind == "progress" and _phase(row.pass_no, phases, execution) == phase
        ]
        if kept and told != max(kept):
            yield f"its page counts {told} rows in {phase}, the ledger {max(kept)}"
    page = client.get(f"/runs/{execution.code}/")
    text = page.content.decode()
    if page.status_code != 200 or execution.state.capitalize() not in text:
        yield f"its page ({page.status_code}) does not say {execution.state}"
    if words.EFFECT[execution.effect][0] not in text:
        yield f"its page does not say {words.EFFECT[execution.effect][0]}"


def _phase(number: int, phases: list[str], execution: Execution) -> str:
    """The phase of a pass; where a kill took even the event of its start, the direction of the run."""
    return phases[number - 1] if number <= len(phases) else execution.direction


def _is_done(row: ledger.LedgerRow) -> bool:
    return row.kind == "done" or (row.kind == "resolved" and bool(row.detail.get("done")))


def of_migration(stage: Stage, number: int, rows: Rows) -> Iterator[str]:
    """Exactly once: in the ledger since it was last taken back, in the catalog, and in the rows."""
    net = ledger.net(rows, migration=number)
    if net.effect not in ("complete", "none"):
        yield f"ended {net.effect}"
        return
    life = _since_taken_back(rows)
    done = Counter(row.step for row in life if _is_done(row))
    on = net.effect == "complete"
    if done != (dict.fromkeys(range(1, STEPS + 1), 1) if on else {}):
        yield f"done rows by step: {dict(done)}"
    batches = [row.detail for row in life if row.kind == "progress"]
    if on and sum(one["changed"] for one in batches) != ROWS:
        yield f"batches changed {sum(one['changed'] for one in batches)} of {ROWS} rows"
    keys = [int(one["key"]) for one in batches]
    if keys != sorted(set(keys)):
        yield f"keys of batches: {keys}"
    yield from _of_catalog(stage, number, on=on)


def _since_taken_back(rows: Rows) -> Rows:
    """The rows behind the last finished rollback."""
    last = 0
    for row in rows:
        if row.direction == "rollback" and _is_done(row) and row.step == row.steps:
            last = row.id
    return [row for row in rows if row.id > last]


def _of_catalog(stage: Stage, number: int, *, on: bool) -> Iterator[str]:
    n = f"{number:03d}"
    named = "SELECT 1 FROM pg_attribute WHERE attrelid = 'thing'::regclass AND attname IN (%s, %s)"
    columns = _count(stage, named, f"a_{n}", f"b_{n}")
    if columns != (2 if on else 0):
        yield f"{columns} columns"
    for table in INDEXED.values():
        indexes = stage.ask(
            "SELECT x.indisvalid AND x.indisready FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid"
            " WHERE x.indrelid = %s::regclass AND c.relname ~ %s",
            *(table, f"^{table}_{n}"),
        )
        if indexes != ([(True,)] if on else []):
            yield f"indexes on {table}, valid: {indexes}"
    tallied = _count(stage, "SELECT 1 FROM tally WHERE migration = %s", mark(number))
    if tallied != int(on):
        yield f"tallied {tallied} times"
    if on and (wrong := _count(stage, f"SELECT 1 FROM thing WHERE a_{n} IS DISTINCT FROM id OR b_{n} <> 1")):
        yield f"{wrong} rows not filled exactly once"


def _count(stage: Stage, statement: str, *values: object) -> int:
    return len(stage.ask(statement, *values))
