"""The only sender to Celery: rings after commit, and carries ids only.

The message is a doorbell (docs/decisions/0003). The row in our database is the truth and the sweep rings again for what
is queued, so a broker that is away loses nothing: it is logged and forgotten.
"""

from __future__ import annotations

import logging

from django.db import transaction
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from changecontrol.celery import app

logger = logging.getLogger(__name__)

RUN, RUN_ERRAND, SWEEP = "changecontrol.run", "changecontrol.run_errand", "changecontrol.sweep"

#: A person waits for the page behind this: one try, and seconds, not the worker's patience.
_BRIEF = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "retry_on_timeout": False,
    "max_retries": 0,
    "interval_start": 0,
    "connect_retries_timeout": 2,
}


def ring(*, queue: str, execution_id: int | None = None) -> None:
    """Once the open transaction commits, wake a worker of `queue` for an execution, or for a sweep of its queue."""
    if execution_id is None:
        _after_commit(SWEEP, queue, {"queue": queue})
    else:
        _after_commit(RUN, queue, {"execution_id": execution_id})


def ring_errand(*, queue: str, errand_id: int) -> None:
    """Once the open transaction commits, wake a worker of `queue` for an errand."""
    _after_commit(RUN_ERRAND, queue, {"errand_id": errand_id})


def _after_commit(task: str, queue: str, kwargs: dict[str, int] | dict[str, str]) -> None:
    def bell() -> None:
        _send(task, queue, kwargs)

    # robust: what was committed stays done whatever becomes of its bell
    transaction.on_commit(bell, robust=True)


def _send(task: str, queue: str, kwargs: dict[str, int] | dict[str, str]) -> None:
    try:
        # A connection of its own: one kept since before a broker's restart would lose the first bell after it.
        with app.connection_for_write(transport_options=_BRIEF) as connection:
            app.send_task(task, kwargs=kwargs, queue=queue, connection=connection, retry=False, ignore_result=True)
    except (KombuError, RedisError, OSError) as error:
        # not the error's text: a broker's address may hold its password
        logger.warning(
            "The broker took no bell for %s %s on %s (%s); the sweep rings again.",
            task,
            kwargs,
            queue,
            type(error).__name__,
        )
