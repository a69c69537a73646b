"""The doors that Celery opens: one service call each. A message is only a bell; the service reads what is true."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from celery import Task
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from changecontrol.celery import app
from changecontrol.rules.refusal import Refused
from changecontrol.services import errands, running, sweeping

logger = logging.getLogger(__name__)


class NonsenseMessage(Refused):
    """A message for {task} does not say what it is about, so nothing was done. Somebody made it by hand."""


class Door(Task):
    """A task with fresh connections to our database; what is refused is logged and never rung again."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Run the door once."""
        close_old_connections()
        try:
            if args:
                raise NonsenseMessage(task=self.name)
            self.run(**kwargs)
        except Refused as refusal:
            logger.warning("%s", refusal.sentence)
        finally:
            close_old_connections()


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _id(value: object, *, task: str) -> int:
    """Return the id a message carries; whatever else it carries is refused without being repeated in the log."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise NonsenseMessage(task=task)
    return value


@app.task(bind=True, base=Door, name="changecontrol.run", typing=False)
def run(self: Task, *, execution_id: object = None, **_: Any) -> None:
    """Run an execution that is due."""
    running.run(execution_id=_id(execution_id, task=self.name), clock=timezone.now, worker=_worker())


@app.task(bind=True, base=Door, name="changecontrol.run_errand", typing=False)
def run_errand(self: Task, *, errand_id: object = None, **_: Any) -> None:
    """Run an errand that is due."""
    errands.run(errand_id=_id(errand_id, task=self.name), clock=timezone.now, worker=_worker())


@app.task(bind=True, base=Door, name="changecontrol.sweep", typing=False)
def sweep(self: Task, *, queue: object = None, **_: Any) -> None:
    """Look for what is due on a queue, and for workers that fell silent."""
    if queue not in settings.QUEUES:
        raise NonsenseMessage(task=self.name)
    sweeping.sweep(queue=queue, clock=timezone.now, worker=_worker())
