"""Environments: the stages a change passes. What a run there means is fixed by the first one."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from changecontrol.models import Environment, Errand, Execution, Person
from changecontrol.models.executions import OPEN
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services import errand_queue, site_names
from changecontrol.services.administering import require_administrator, require_reason
from changecontrol.services.recording import acting


class KindUnknown(Refused):
    """An environment is of the kind development, staging or production."""


class QueueUnknown(Refused):
    """No worker listens to this queue. The queues are {queues}; CHANGECONTROL_QUEUES names them."""


class EnvironmentMissing(Refused):
    """There is no such environment. Reload the page."""


class KindIsFixed(Refused):
    """The kind of {name} cannot change any more: {why}. Add another environment instead."""


class EnvironmentBusy(Refused):
    """{code} is queued, running or lost in {name}. How runs are made there can be changed when it has ended."""


def add_environment(
    *,
    name: str,
    kind: str,
    queue: str,
    actor: Person,
    reason: str,
    now: datetime,
    position: int = 0,
    stage_on_approval: bool = False,
    second_person_at_start: bool = False,
) -> Environment:
    """Add a stage that changes pass. Raises the refusals of this module."""
    wanted = site_names.readable(name, "environment")
    fields = {
        "kind": _kind(kind),
        "queue": _queue(queue),
        "position": max(0, min(position, 32767)),
        "stage_on_approval": stage_on_approval,
        "second_person_at_start": second_person_at_start,
    }
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        require_administrator(actor)
        site_names.ensure_free(Environment, wanted, "environment")
        return site_names.saved(Environment(name=wanted, **fields), "environment")


def change_environment(
    *,
    environment_id: int,
    name: str,
    kind: str,
    queue: str,
    actor: Person,
    reason: str,
    now: datetime,
    position: int = 0,
    stage_on_approval: bool = False,
    second_person_at_start: bool = False,
) -> Environment:
    """Change an environment. Its kind is fixed by the first run or registered target; its rules while a run is open."""
    known = {"kind": _kind(kind), "queue": _queue(queue), "second_person_at_start": second_person_at_start}
    wanted = site_names.readable(name, "environment")
    with acting(actor, duty=Duty.ADMINISTRATOR, reason=require_reason(reason)):
        require_administrator(actor)
        environment = Environment.objects.select_for_update().filter(pk=environment_id).first()
        if environment is None:
            raise EnvironmentMissing
        if environment.kind != kind:
            _ensure_kind_is_free(environment)
        if any(getattr(environment, field) != value for field, value in known.items()):
            _ensure_no_run(environment)
        site_names.ensure_free(Environment, wanted, "environment", but=environment.pk)
        environment.name, environment.position = wanted, max(0, min(position, 32767))
        environment.stage_on_approval = stage_on_approval
        for field, value in known.items():
            setattr(environment, field, value)
        return site_names.saved(environment, "environment")


def _ensure_kind_is_free(environment: Environment) -> None:
    if Execution.objects.filter(target__environment=environment).exists():
        raise KindIsFixed(name=environment.name, why="changes were run there")
    if environment.targets.exclude(registered_at=None).exists():
        raise KindIsFixed(name=environment.name, why="the ledgers of its targets carry it")
    if Errand.objects.filter(target__environment=environment, state__in=errand_queue.OPEN).exists():
        raise KindIsFixed(name=environment.name, why="a worker is at one of its targets")


def _ensure_no_run(environment: Environment) -> None:
    if run := Execution.objects.filter(target__environment=environment, state__in=OPEN).first():
        raise EnvironmentBusy(code=run.code, name=environment.name)


def _kind(kind: str) -> str:
    if kind not in Environment.Kind.values:
        raise KindUnknown
    return kind


def _queue(queue: str) -> str:
    if queue not in settings.QUEUES:
        raise QueueUnknown(queues=", ".join(settings.QUEUES))
    return queue
