"""A refusal is told even when the form it came from is no longer on the page: another tab was faster."""

from __future__ import annotations

import pytest
from django.urls import reverse

from changecontrol.models import Execution, ExecutionEvent
from changecontrol.services.recording import acting
from changecontrol.web import event_words
from tests.services import rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ended() -> Execution:
    target = rows.target("production", "production")
    return rows.execution(rows.change("deployed"), target, purpose="deploy", state="succeeded", effect="complete")


@pytest.mark.parametrize("name", ["run-abort", "run-second", "run-resolve"])
def test_it_says_why_an_ended_run_takes_no_more_acts(ended: Execution, name: str) -> None:
    form = {"reason": "late", "done": "yes", "password": "whatever", "content_digest": ended.content_digest}
    answer = client_of("theo").post(reverse(name, args=[ended.code]), form)
    assert answer.status_code == 409
    assert 'role="alert"' in answer.content.decode()


def test_a_page_that_was_opened_early_learns_who_took_the_run() -> None:
    """The tally said it, and the facts beside it went on saying "none yet"."""
    target = rows.target("production", "production")
    run = rows.execution(rows.change("authorized"), target, purpose="deploy", state="running")
    with acting("setup"):
        Execution.objects.filter(pk=run.pk).update(worker="host:4711")
    answer = client_of("theo").get(reverse("run-live", args=[run.code]))
    assert answer.status_code == 200
    assert '<dd id="run-worker" hx-swap-oob="true">host:4711, fencing token' in answer.content.decode()


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("INSERT 0 50000 in 1149.5 ms", "50,000 rows written in 1.1 s"),
        ("UPDATE 1 in 0.4 ms", "1 row changed in 0.4 ms"),
        ("DELETE 0 in 3.0 ms", "No row deleted in 3 ms"),
        ("20000 rows in 20 batches in 65000.0 ms", "20,000 rows changed in 20 batches in 65 s"),
        ("7 rows in 1 batches in 5.0 ms", "7 rows changed in 1 batch in 5 ms"),
        ("CREATE TABLE in 3.2 ms", "`CREATE TABLE` done in 3.2 ms"),
        ("AlterTableStmt in 12.0 ms", "Statement done in 12 ms"),
        ("as it was", "as it was"),
    ],
)
def test_a_finished_statement_reads_as_words(stored: str, shown: str) -> None:
    assert event_words.told(ExecutionEvent(kind="statement_done", text=stored)) == shown
    assert event_words.told(ExecutionEvent(kind="notice", text=stored)) == stored


def test_the_page_says_it_in_words_and_the_log_as_it_was_stored(ended: Execution) -> None:
    with acting("worker"):
        ExecutionEvent.objects.create(
            execution=ended, number=90, at=rows.NOW, kind="statement_done", text="INSERT 0 50000 in 1149.5 ms"
        )
    client = client_of("theo")
    assert "50,000 rows written in 1.1 s" in client.get(reverse("run", args=[ended.code])).content.decode()
    assert "INSERT 0 50000 in 1149.5 ms" in client.get(reverse("run-log", args=[ended.code])).content.decode()


@pytest.mark.parametrize(("green", "folded"), [(8, False), (9, True)])
def test_many_green_checks_fold_and_a_red_one_never_does(green: int, folded: bool) -> None:
    checks = [{"name": f"check {number}", "ok": number < green, "detail": ""} for number in range(green + 1)]
    target = rows.target("production", "production")
    run = rows.execution(rows.change("deployed"), target, purpose="deploy", outcome={"checks": {"after": checks}})
    body = client_of("theo").get(reverse("run", args=[run.code])).content.decode()
    assert ("9 checks passed</summary>" in body) is folded
    assert f"check {green}" in body.split('id="vr"')[1].split("<details")[0]
    assert body.count("check 3<") == 1
