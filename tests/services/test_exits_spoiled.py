"""What changes between the click and the worker is found by the worker, and nothing is run."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Execution, Target
from changecontrol.rules.lifecycle import Status
from changecontrol.services import executing, people
from changecontrol.services.recording import SETUP, acting
from tests import factories
from tests.services.house import House, now

pytestmark = pytest.mark.usefixtures("own_database")
TABLE = "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"

#: spoils something while the context is open, and mends it afterwards
Spoiled = Callable[[House, ChangeRequest], AbstractContextManager[None]]


def as_owner(house: House, *statements: str) -> None:
    with psycopg.connect(house.servers.database.owner_url, dbname=connection.settings_dict["NAME"]) as owner:
        owner.execute('SET changecontrol.actor = \'{"name": "intruder"}\'')
        for statement in statements:
            owner.execute(statement.encode())


@contextmanager
def tampered(house: House, change: ChangeRequest) -> Iterator[None]:
    """The owner of our database edits the bytes of the revision behind the back of its trigger."""
    off = "ALTER TABLE revision DISABLE TRIGGER append_only"
    on = "ALTER TABLE revision ENABLE ALWAYS TRIGGER append_only"
    here = f"WHERE id = {change.revision_id}"
    as_owner(house, off, f"UPDATE revision SET forward = forward || ' '::bytea {here}", on)
    yield
    shorter = "substring(forward FOR length(forward) - 1)"
    as_owner(house, off, f"UPDATE revision SET forward = {shorter} {here}", on)


@contextmanager
def reworded(house: House, change: ChangeRequest) -> Iterator[None]:
    with acting(SETUP):
        ChangeRequest.objects.filter(pk=change.pk).update(description="Something else entirely.")
    yield
    with acting(SETUP):
        ChangeRequest.objects.filter(pk=change.pk).update(description=change.description)


@contextmanager
def deactivated(house: House, change: ChangeRequest) -> Iterator[None]:
    given = {"person_id": house.who("theo").pk, "actor": house.who("olga"), "reason": "on leave"}
    people.deactivate(**given, now=now())
    yield
    people.reactivate(**given, now=now())


@contextmanager
def without_duty(house: House, change: ChangeRequest) -> Iterator[None]:
    given = {"person_id": house.who("theo").pk, "actor": house.who("olga"), "reason": "moved", "duty": "tech lead"}
    people.take_duty(**given, now=now())
    yield
    people.give_duty(**given, now=now())


def _with_uuid(value: uuid.UUID | None) -> Spoiled:
    @contextmanager
    def spoiled(house: House, change: ChangeRequest) -> Iterator[None]:
        rows = Target.objects.filter(name="production")
        before = rows.get().uuid
        with acting(SETUP):
            rows.update(uuid=value)
        yield
        with acting(SETUP):
            rows.update(uuid=before)

    return spoiled


def _pointing(where: Callable[[House], str]) -> Spoiled:
    @contextmanager
    def spoiled(house: House, change: ChangeRequest) -> Iterator[None]:
        path = Path(house.references["production"].removeprefix("file:"))
        before = path.read_text()
        path.write_text(where(house))
        yield
        path.write_text(before)

    return spoiled


SPOILED: list[tuple[Spoiled, str]] = [
    (tampered, "do not give the script digest that was signed"),
    (reworded, "was changed after this run was asked for"),
    (deactivated, "has no execution signature that counts"),
    (without_duty, "has no execution signature that counts"),
    (_with_uuid(None), "No production target is registered"),
    (_with_uuid(uuid.uuid4()), "belongs to another target"),
    (_pointing(lambda house: factories.empty_database(house.servers, "production")), "is not the database"),
    (_pointing(lambda house: house.dsn("staging")), "is not the database it was registered as"),
    (_pointing(lambda house: "postgresql://diary:hunter2@127.0.0.1:1/diary"), "production does not answer"),
    (_pointing(lambda house: ""), "points to nothing on this worker"),
]


def test_it_does_not_run_what_changed_after_it_was_asked_for(servers: Servers, tmp_path: Path, settings: Any) -> None:
    house = House(servers, tmp_path, settings, first=TABLE)
    change = house.walk(Status.AUTHORIZED)
    for number, (spoiled, says) in enumerate(SPOILED, start=1):
        run = executing.start_production(**house.signing(change, "theo"), reason=f"try {number}")[0]
        with spoiled(house, change):
            factories.carry_out()
        sentence = house.refused(run)
        assert says in sentence and "hunter2" not in sentence
        assert house.fresh(change).status == Status.AUTHORIZED
    last: Execution = house.produce(change, reason="everything is mended")
    assert (last.state, last.attempt) == ("succeeded", len(SPOILED) + 1)
