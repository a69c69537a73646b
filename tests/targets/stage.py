"""Plain factory functions for this folder's tests."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from changecontrol.rules.script import Direction, Script, parse
from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Event, Limits, Order, Outcome
from changecontrol.targets.runner import run

TARGET_UUID = "6f1c9b1e-0b7a-4d61-9b0a-4f3b7c6a2d10"
QUICK = Limits(deadline_s=20, pause_ms=20, look_s=0.2)
_numbers = itertools.count(1)


def unique(prefix: str) -> str:
    return f"{prefix}_{next(_numbers)}_{secrets.token_hex(3)}"


@contextmanager
def registered(where: Where) -> Iterator[Session]:
    """A session on a database whose ledger exists."""
    opened = connect(where, application_name="CR-0001 execution 1")
    try:
        ledger.bootstrap(opened, target_uuid=TARGET_UUID, environment="staging", actor="olga", signed_by="s-1")
        yield opened
    finally:
        opened.close()


def script(text: str, *, direction: Direction = Direction.FORWARD, file: str = "002_example.sql") -> Script:
    return parse(text.encode(), file=file, direction=direction)


def order(of: Script, **changes: Any) -> Order:
    digest = hashlib.sha256(repr(of.steps).encode()).hexdigest()
    values: dict[str, Any] = {
        "change_code": "CR-0001",
        "migration": 2,
        "direction": of.direction.value,
        "script_digest": digest,
        "content_digest": "c" * 64,
        "execution_id": "1",
        "attempt": 1,
        "fence": 1,
        "actor": "theo",
        "signature_ids": ("s-7",),
        "name": "002_example",
    }
    return Order(**{**values, **changes})


@dataclass
class Heard:
    """What a run told."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


def go(conn: Session, text: str | Script, *, heard: Heard | None = None, **changes: Any) -> Outcome:
    """Run a text. Keyword arguments of `run` are taken out of `changes`; the rest changes the order."""
    direction = Direction(changes.get("direction", "forward"))
    of = script(text, direction=direction) if isinstance(text, str) else text
    names = ("stop", "limits", "may_continue", "hold", "reconnect")
    given = {name: changes.pop(name) for name in names if name in changes}
    given.setdefault("limits", QUICK)
    return run(conn, script=of, order=order(of, **changes), on_event=heard or Heard(), **given)


def ran(conn: Session, text: str, **changes: Any) -> Outcome:
    """Run a text that must succeed."""
    outcome = go(conn, text, **changes)
    assert outcome.state == "succeeded", outcome
    return outcome


def one(conn: Session, text: str) -> Any:
    """The single value of a query."""
    row = conn.execute(text.encode()).fetchone()
    assert row is not None
    return row[0]


def wait_for(condition: Callable[[], Any], *, seconds: float = 15.0) -> Any:
    """Wait until a condition holds; its value."""
    ends = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < ends, "the condition never held"
        threading.Event().wait(0.01)


@contextmanager
def background(task: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run a task in a thread around the block; its result, or its exception, is the list's only element afterwards."""
    result: list[Any] = []

    def body() -> None:
        try:
            result.append(task())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield result
    finally:
        thread.join(60)
    if result and isinstance(result[0], BaseException):
        raise result[0]
