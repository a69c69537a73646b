"""Which changes may be opened, and what an unregistered staging target keeps from starting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from changecontrol.local import testing
from changecontrol.models import ChangeRequest, Environment, Person
from changecontrol.rules.gates import GatesUnmet
from changecontrol.rules.lifecycle import Move, Status
from changecontrol.services import drafting, executing, moving, sites
from changecontrol.services.recording import SETUP, acting
from tests import factories
from tests.services.test_moving import path_to

now = timezone.now


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    return tmp_path


def opened(number: int = 1) -> ChangeRequest:
    return drafting.open_change(migration_number=number, actor=Person.objects.get(username="ada"), now=now())


def walk(change: ChangeRequest, *steps: Move) -> None:
    for step in steps:
        with acting(SETUP):
            moving.move(moving.lock(change.pk), step, now=now(), reason="a test")


@pytest.mark.django_db
def test_it_refuses_a_migration_that_a_closed_change_brought_to_production(folder: Path) -> None:
    change = opened()
    walk(change, *path_to(Status.DEPLOYED), Move.CLOSE)
    with pytest.raises(drafting.AlreadyLanded, match=r"CR-.* brought migration 001 to production"):
        opened()


@pytest.mark.django_db
@pytest.mark.parametrize("steps", [(Move.WITHDRAW,), (*path_to(Status.DEPLOYED), Move.ROLL_BACK, Move.CLOSE)])
def test_it_opens_again_what_never_stayed_on_production(folder: Path, steps: tuple[Move, ...]) -> None:
    walk(opened(), *steps)
    assert opened().status == Status.DRAFT


@pytest.mark.usefixtures("own_database")
def test_staging_waits_for_every_staging_target_with_a_sentence(servers: testing.Servers, folder: Path) -> None:
    journey = factories.journey()
    journey.set_up_places(factories.references(servers, folder, ("development", "staging")))
    olga = Person.objects.get(username="olga")
    place = Environment.objects.get(kind="staging")
    sites.add_target(
        name="second",
        environment_id=place.pk,
        reference="env:NOWHERE",
        set_role="",
        actor=olga,
        reason="new",
        now=now(),
    )
    change = journey.walk(1, until=Status.APPROVED)
    with pytest.raises(GatesUnmet, match="The staging target second is not registered"):
        executing.start_staging(
            change_id=change.pk, actor=Person.objects.get(username="quin"), version=change.version, now=now()
        )
