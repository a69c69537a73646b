"""An ended run is held against its rehearsal, statement by statement; an open one is not yet."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.urls import reverse

from changecontrol.models import Execution, ExecutionEvent, Target
from changecontrol.rules.compared import Compared
from changecontrol.services.recording import acting
from changecontrol.web import run_compared, saying
from tests.services import certificates, rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db
LATER = rows.NOW + timedelta(hours=1)


@pytest.fixture
def production() -> Target:
    return rows.target("production", "production")


def ran(production: Target, *took: tuple[int, int, float], state: str = "succeeded", **options: Any) -> Execution:
    change = certificates.rehearsable("authorized")
    certificates.rehearsal(change, options.pop("rehearsed_on", production))
    run = rows.execution(change, production, purpose="deploy", state=state, at=options.pop("at", LATER), **options)
    numbers = count(1)
    with acting("worker"):
        for step, statement, ms in took:
            ExecutionEvent.objects.create(
                execution=run, number=next(numbers), at=LATER, kind="statement_done", phase="forward", step=step,
                statement=statement, text="Done.", data={"ms": ms, "rows": 0},
            )  # fmt: skip
    return run


def table(run: Execution) -> list[str]:
    """The rows of the comparison, or none."""
    body = client_of("theo").get(reverse("run", args=[run.code])).content.decode()
    if 'id="pvo"' not in body:
        return []
    return body.split('id="pvo"')[1].split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]


def test_it_holds_each_statement_against_the_rehearsal(production: Target) -> None:
    found = table(ran(production, (1, 1, 5.0), (1, 2, 1500.0), (2, 3, 96.0)))
    assert len(found) == 3
    assert "as predicted" in found[0] and "ACCESS EXCLUSIVE on <code>record_audit</code>" in found[0]
    # 310 ms for 96 MB let expect 1.7 s for 512 MB
    assert "slower because larger" in found[1] and "1.7 s" in found[1] and "1.5 s" in found[1]
    assert "as predicted" in found[2]


def test_it_says_what_was_slower_than_its_size_explains(production: Target) -> None:
    found = table(ran(production, (1, 1, 900.0), (1, 2, 9000.0), (2, 3, 96.0)))
    assert "cc-status--warn" in found[0] and "slower" in found[0]
    assert "no more than about 1.7 s was to be expected" in found[1]


def test_it_says_what_was_not_run_and_what_was_not_rehearsed(production: Target) -> None:
    found = table(ran(production, (1, 1, 5.0), (9, 9, 5.0), state="failed"))
    assert "not run" in found[1] and "not run" in found[2]
    assert "not rehearsed" in found[3]


def test_an_open_run_is_not_compared(production: Target) -> None:
    assert table(ran(production, (1, 1, 5.0), state="running")) == []


def test_a_rehearsal_made_after_the_run_predicted_nothing(production: Target) -> None:
    assert table(ran(production, (1, 1, 5.0), at=rows.NOW - timedelta(hours=1))) == []


def test_a_rehearsal_of_another_target_is_scaled_by_the_sizes_of_this_one(production: Target) -> None:
    with acting("worker"):
        production.probe = {"tables": {"public.record_state": [9, 960_000_000]}}
        production.save()
    found = table(ran(production, (1, 2, 2900.0), rehearsed_on=rows.target("staging", "staging")))
    assert "3.1 s" in found[1] and "slower because larger" in found[1]


def test_a_run_without_a_rehearsal_is_not_compared(production: Target) -> None:
    change = certificates.rehearsable("authorized")
    assert table(rows.execution(change, production, purpose="deploy", at=LATER)) == []


def test_a_long_statement_is_shortened_and_whole_on_demand() -> None:
    wide = "Creates the table `visit` with " + ", ".join(f"`column {number}`" for number in range(40))
    short = saying.shortened(wide, 140)
    assert len(short) <= 142 and short.endswith("` …") and short.count("`") % 2 == 0
    assert saying.shortened("Drops `a b`", 140) == "Drops `a b`"
    assert saying.shortened("Drops `a b c`", 10) == "Drops …"
    row = run_compared._row(Compared(1, 1, 7, "CREATE", "as predicted", ""), f"{wide}. Nobody waits.")
    assert (row["text"], row["whole"]) == (short, wide)
