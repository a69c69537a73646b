"""The doors Celery opens: one service call each, and nonsense refused without a trace on our rows."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from changecontrol import tasks
from changecontrol.celery import app
from changecontrol.services import errands, running, sweeping


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What reached the services, in place of them."""
    calls: list[dict[str, Any]] = []
    for module, name in ((running, "run"), (errands, "run"), (sweeping, "sweep")):
        monkeypatch.setattr(module, name, lambda **kwargs: calls.append(kwargs))
    return calls


def test_the_names_are_those_that_dispatch_sends() -> None:
    assert {"changecontrol.run", "changecontrol.run_errand", "changecontrol.sweep"} <= set(app.tasks)


def test_each_door_makes_one_call_and_passes_over_what_a_newer_sender_adds(called: list[dict[str, Any]]) -> None:
    tasks.run.apply(kwargs={"execution_id": 7, "since": "later"}, throw=True)
    tasks.run_errand.apply(kwargs={"errand_id": 3}, throw=True)
    tasks.sweep.apply(kwargs={"queue": "staging"}, throw=True)
    assert [{k: v for k, v in call.items() if k not in ("clock", "worker")} for call in called] == [
        {"execution_id": 7},
        {"errand_id": 3},
        {"queue": "staging"},
    ]
    assert all(call["clock"]().tzinfo is not None and ":" in call["worker"] for call in called)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((7,), {}),
        ((), {"execution_id": "7; DROP TABLE execution"}),
        ((), {"execution_id": True}),
        ((), {"execution_id": -1}),
        ((), {"execution_id": 2**63}),
        ((), {"execution_id": None}),
        ((), {"execution_id": [1]}),
        ((), {"sql": "DROP TABLE person"}),
    ],
)
def test_a_hand_made_message_is_refused_and_logged(
    args: tuple[object, ...], kwargs: dict[str, Any], called: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        tasks.run.apply(args=args, kwargs=kwargs, throw=True)
    assert called == []
    assert "A message for changecontrol.run does not say what it is about" in caplog.text
    assert "DROP" not in caplog.text


@pytest.mark.parametrize("queue", ["", "moon", None, 3, ["staging"]])
def test_a_sweep_of_no_queue_of_ours_is_refused(queue: object, called: list[dict[str, Any]]) -> None:
    tasks.sweep.apply(kwargs={"queue": queue}, throw=True)
    assert called == []


def test_a_bell_for_a_row_that_does_not_exist_does_nothing(own_database: str) -> None:
    tasks.run.apply(kwargs={"execution_id": 123_456_789}, throw=True)
    tasks.run_errand.apply(kwargs={"errand_id": 123_456_789}, throw=True)
