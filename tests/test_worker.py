"""A real worker behind a real broker: it answers the bell, and outlives a message somebody made by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from changecontrol import dispatch
from changecontrol.celery import app
from changecontrol.local.testing import Servers
from changecontrol.models import Errand, Person
from changecontrol.services import errands
from tests.services.places import Place

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60


@pytest.fixture
def worker(own_database: str, servers: Servers, tmp_path: Path) -> Iterator[Path]:
    """A worker of queue staging on this test's database; gives the path of its log."""
    with redis.Redis.from_url(servers.broker.url) as broker:
        broker.flushdb()  # bells of earlier tests would be answered before this test's own
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "changecontrol.celery:app", "worker", "-Q", "staging"]
    command += ["--concurrency", "1", "--without-gossip", "--without-mingle", "--loglevel", "info"]
    env = {**os.environ, "REDIS_URL": servers.broker.url}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answered(errand: Errand, log: Path) -> Errand:
    """Wait for the end of an errand; fails with the worker's log."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        errand.refresh_from_db()
        if errand.ended_at is not None:
            return errand
        time.sleep(0.05)
    pytest.fail(log.read_text())


def test_it_answers_the_bell_and_outlives_nonsense(worker: Path, servers: Servers, tmp_path: Path) -> None:
    place = Place(servers, tmp_path)
    ada = Person.objects.get(username="ada")
    # a connection of its own: the pool may still lead to the broker of an earlier test
    with app.connection_for_write() as wire:
        for kwargs in ({}, {"errand_id": "1; DROP TABLE person"}, {"errand_id": 2**70}, {"sql": "DROP TABLE person"}):
            app.send_task(dispatch.RUN_ERRAND, kwargs=kwargs, queue="staging", connection=wire)
            app.send_task(dispatch.RUN, args=(1, 2, 3), kwargs=kwargs, queue="staging", connection=wire)
        app.send_task("changecontrol.made_up", queue="staging", connection=wire)
    dispatch.ring(queue="staging", execution_id=123_456)
    dispatch.ring(queue="staging")
    first = answered(errands.probe(target_id=place.pk, actor=ada, now=timezone.now()), worker)
    assert (first.state, first.sentence) == ("done", "")
    second = answered(errands.probe(target_id=place.pk, actor=ada, now=timezone.now()), worker)
    assert second.state == "done"
    log = worker.read_text()
    assert log.count("does not say what it is about") == 8
    assert log.count("Traceback") == 1  # Celery's own words about the task that does not exist
