"""The Celery application: workers and beat start from here (celery -A changecontrol.celery:app)."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "changecontrol.settings")

app = Celery("changecontrol")


def configure() -> None:
    """Configure the application from Django's settings.

    The message is only a doorbell (docs/decisions/0003): acknowledged at once, never redelivered by visibility timeout,
    no result kept. The row in our database is the truth.
    """
    from django.conf import settings

    app.conf.update(
        broker_url=settings.CELERY_BROKER_URL,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"socket_timeout": 10, "socket_connect_timeout": 5, "max_retries": 1},
        task_ignore_result=True,
        task_acks_late=False,
        task_store_errors_even_if_ignored=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_serializer="json",
        accept_content=["json"],
        timezone="UTC",
        imports=["changecontrol.tasks"],
        beat_schedule={
            f"sweep-{queue}": {
                "task": "changecontrol.sweep",
                "schedule": settings.SWEEP_SECONDS,
                "kwargs": {"queue": queue},
                # an old sweep says nothing that the next does not say
                "options": {"queue": queue, "expires": 3 * settings.SWEEP_SECONDS},
            }
            for queue in settings.QUEUES
        },
    )


configure()
