"""The doorbell: rung after commit, with ids only, and nothing is lost while the broker is away."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import transaction

from changecontrol import dispatch
from changecontrol.local.testing import Servers


@pytest.fixture
def bells(servers: Servers) -> Iterator[redis.Redis]:
    """The broker, emptied before and after."""
    client = redis.Redis.from_url(servers.broker.url)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def waiting(client: redis.Redis, queue: str) -> list[tuple[str, dict[str, Any]]]:
    """Task names and kwargs of the messages in a queue, oldest first."""
    found = []
    for raw in reversed(client.lrange(queue, 0, -1)):
        message = json.loads(raw)
        args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
        assert args == []
        found.append((message["headers"]["task"], kwargs))
    return found


def test_it_rings_only_after_commit(own_database: str, bells: redis.Redis) -> None:
    with transaction.atomic():
        dispatch.ring(queue="staging", execution_id=7)
        dispatch.ring_errand(queue="production", errand_id=3)
        dispatch.ring(queue="staging")
        assert waiting(bells, "staging") == waiting(bells, "production") == []
    assert waiting(bells, "staging") == [
        ("changecontrol.run", {"execution_id": 7}),
        ("changecontrol.sweep", {"queue": "staging"}),
    ]
    assert waiting(bells, "production") == [("changecontrol.run_errand", {"errand_id": 3})]


def test_it_rings_for_nothing_that_was_rolled_back(own_database: str, bells: redis.Redis) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        dispatch.ring(queue="staging", execution_id=7)
        raise ZeroDivisionError
    assert waiting(bells, "staging") == []


def test_it_rings_at_once_outside_a_transaction(own_database: str, bells: redis.Redis) -> None:
    dispatch.ring(queue="development", execution_id=1)
    assert waiting(bells, "development") == [("changecontrol.run", {"execution_id": 1})]


def test_a_broker_that_is_down_loses_nothing_and_holds_nobody_up(
    own_database: str, servers: Servers, bells: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    from changecontrol.models import Environment
    from changecontrol.services.recording import acting

    servers.broker.kill()
    try:
        began = time.monotonic()
        with caplog.at_level(logging.WARNING), acting("setup"):
            Environment.objects.create(name="kept", kind="staging", queue="staging", position=9)
            dispatch.ring(queue="staging", execution_id=7)
        assert time.monotonic() - began < 3
    finally:
        servers.broker.start()
    assert Environment.objects.filter(name="kept").exists()
    assert "The broker took no bell for changecontrol.run" in caplog.text
    assert servers.broker.password not in caplog.text
    dispatch.ring(queue="staging", execution_id=7)  # as the sweep does
    assert waiting(bells, "staging") == [("changecontrol.run", {"execution_id": 7})]


def test_a_broker_that_swallows_packets_holds_nobody_up(own_database: str, caplog: pytest.LogCaptureFixture) -> None:
    import socket

    from changecontrol.celery import app

    with socket.socket() as silent:  # takes the connection and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        before = app.conf.broker_url
        app.conf.broker_url = f"redis://:hush@127.0.0.1:{silent.getsockname()[1]}/0"
        try:
            began = time.monotonic()
            with caplog.at_level(logging.WARNING):
                dispatch.ring(queue="staging", execution_id=7)
            assert time.monotonic() - began < 5
        finally:
            app.conf.broker_url = before
    assert "The broker took no bell" in caplog.text
    assert "hush" not in caplog.text
