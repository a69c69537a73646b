"""A staging database that was restored or rebuilt is registered anew: the way back for changes without a rollback."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.urls import reverse
from psycopg.conninfo import conninfo_to_dict

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Errand, Execution, LedgerCopy, Signature, Target
from changecontrol.rules.gates import GatesUnmet
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.signing import DutyMissing
from changecontrol.services import attempts, drafting, errands, executing, ledger_copies, standing
from changecontrol.services.administering import ReasonMissing
from changecontrol.services.matrix import matrix
from tests.factories import PASSWORD, carry_out
from tests.services.house import House, now
from tests.web.visitors import client_of

pytestmark = pytest.mark.usefixtures("own_database")

TABLE = "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"
COLOR = "BEGIN;\nALTER TABLE thing ADD COLUMN color text;\nCOMMIT;\n"
ONE_WAY = "forward-fix only, the old release is gone"


@pytest.fixture
def house(servers: Servers, tmp_path: Path, settings: Any) -> House:
    """Migration 001 has a rollback; 002 is forward-fix only."""
    made = House(
        servers, tmp_path, settings, first=TABLE, **{"002_second": House.text("002", COLOR, ONE_WAY, needs="001")}
    )
    (made.folder / "rollback" / "002_rollback.sql").unlink()
    return made


def place(environment: str) -> Target:
    return Target.objects.select_related("environment").get(name=environment)


def server(house: House, *statements: str, environment: str = "staging") -> None:
    name = conninfo_to_dict(house.dsn(environment))["dbname"]
    role = conninfo_to_dict(house.dsn(environment))["user"]
    with psycopg.connect(house.servers.target(environment).dsn(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.format(name=f'"{name}"', role=f'"{role}"').encode())


def make_anew(house: House) -> None:
    server(house, "DROP DATABASE {name} WITH (FORCE)", "CREATE DATABASE {name} OWNER {role} TEMPLATE template0")


def backup(house: House) -> Callable[[], None]:
    """Keep the state of staging; returns what restores it."""
    kept = f'"kept_{secrets.token_hex(4)}"'
    copying = "CREATE DATABASE %s OWNER {role} TEMPLATE %s"
    server(house, copying % (kept, "{name}"))
    return lambda: server(house, "DROP DATABASE {name} WITH (FORCE)", copying % ("{name}", kept))


def rebuilt(house: House, environment: str = "staging", *, username: str = "theo", reason: str = "rebuilt") -> Errand:
    found = errands.rebuilt(
        target_id=place(environment).pk, signer=house.who(username), password=PASSWORD, reason=reason, now=now()
    )
    carry_out()
    found.refresh_from_db()
    return found


def adopt(house: House, upto: int) -> Errand:
    theo, target = house.who("theo"), place("staging")
    compared = errands.compare(target_id=target.pk, upto=upto, actor=theo, now=now())
    carry_out()
    adopted = errands.adopt(
        target_id=target.pk, errand_id=compared.pk, signer=theo, password=PASSWORD, reason="rebuilt by hand", now=now()
    )
    carry_out()
    adopted.refresh_from_db()
    return adopted


def cell(number: int) -> str:
    """Return how a migration stands on staging in the matrix."""
    found = matrix(now=now())
    at = [one.name for one in found.targets].index("staging")
    return next(row.cells[at].state for row in found.rows if row.number == number)


def on_staging(house: House, change: ChangeRequest) -> str:
    target, change = place("staging"), house.fresh(change)
    said = attempts.effect_on(change, target)
    assert said == standing.read(change).effect(target)
    return said


def test_a_change_without_rollback_leaves_staging_by_rebuilding_it(house: House) -> None:
    house.walk(Status.DEPLOYED)
    change = house.walk(Status.STAGED, number=2)
    run = Execution.objects.get(change=change, purpose="stage")
    wanted = "Restore or rebuild staging, have it registered anew, then go on"
    with pytest.raises(GatesUnmet, match=wanted):
        house.send_back(change)
    with pytest.raises(GatesUnmet, match=wanted):
        house.undo_staging(change)
    assert wanted in house.exits(change, "tess")["send_back"]

    make_anew(house)
    before = place("staging")
    assert before.uuid is not None
    done = rebuilt(house, reason="002 has to be thought over")
    assert (done.state, done.sentence) == ("done", "")
    after = place("staging")
    assert after.uuid != before.uuid and after.rebuilt_at == after.registered_at
    signature = Signature.objects.get(pk=done.signature_id)
    assert (signature.meaning, signature.reason) == ("ledger bootstrap", "002 has to be thought over")
    assert LedgerCopy.objects.filter(target_uuid=before.uuid).exists()  # what was copied stays
    assert not ledger_copies.of_now(after).exists()
    assert (cell(1), cell(2), on_staging(house, change)) == ("pending", "pending", "none")
    with pytest.raises(GatesUnmet, match="The run on staging has not succeeded"):
        house.journey.accept(house.fresh(change))

    house.sql("staging", TABLE)
    adopted = adopt(house, 1)
    assert (adopted.state, adopted.sentence, cell(1)) == ("done", "", "baseline")
    house.send_back(change)
    (house.folder / "002_second.sql").write_text(
        house.text("002", COLOR.replace("color text", "color varchar(40)"), ONE_WAY, needs="001")
    )
    change = house.fresh(change)
    drafting.revise(change_id=change.pk, actor=house.who("ada"), version=change.version, now=now())
    server(
        house,
        "DROP DATABASE {name} WITH (FORCE)",
        "CREATE DATABASE {name} OWNER {role} TEMPLATE template0",
        environment="development",
    )
    assert rebuilt(house, "development").state == "done"
    house.develop(ChangeRequest.objects.get(migration_number=1))
    house.journey.develop(house.fresh(change))
    house.journey.submit(house.fresh(change))
    house.journey.review(house.fresh(change))
    again = house.stage(change)
    assert (again.state, again.effect, again.sentence) == ("succeeded", "complete", "")
    assert (cell(2), house.fresh(change).status) == ("applied", Status.STAGED)
    run.refresh_from_db()
    assert (run.state, run.effect) == ("succeeded", "complete")  # history says what happened then
    assert run in standing.read(house.fresh(change)).executions


def test_a_restored_state_keeps_what_its_ledger_holds(house: House) -> None:
    first = house.walk(Status.DEPLOYED)
    restore = backup(house)
    change = house.walk(Status.STAGED, number=2)
    restore()
    done = rebuilt(house)
    assert (done.state, done.sentence) == ("done", "")
    assert (done.result or {})["rows"] == ledger_copies.of_now(place("staging")).count() > 0
    assert (on_staging(house, first), on_staging(house, change)) == ("complete", "none")
    assert (cell(1), cell(2)) == ("applied", "pending")
    house.send_back(change)
    # the same state cannot be given out twice as restored, and a later one is not one either
    assert "nothing was rebuilt" in rebuilt(house).sentence


def test_it_refuses_what_was_not_rebuilt(house: House) -> None:
    house.walk(Status.STAGED)
    before = place("staging")
    assert "nothing was rebuilt" in rebuilt(house).sentence
    house.sql("staging", "ALTER TABLE changecontrol.ledger DISABLE TRIGGER USER")
    house.sql("staging", "DELETE FROM changecontrol.ledger WHERE id = (SELECT max(id) FROM changecontrol.ledger)")
    assert "in the middle of the run" in rebuilt(house).sentence
    house.sql("staging", "DELETE FROM changecontrol.ledger WHERE id = (SELECT min(id) FROM changecontrol.ledger)")
    assert "no earlier state" in rebuilt(house).sentence
    after = place("staging")
    assert (after.uuid, after.registered_at, after.rebuilt_at) == (before.uuid, before.registered_at, None)


def test_it_is_asked_by_a_tech_lead_for_an_idle_database_before_production(house: House) -> None:
    change = house.walk(Status.APPROVED)
    with pytest.raises(errands.ProductionIsRestored, match="not built yet"):
        rebuilt(house, "production")
    with pytest.raises(DutyMissing):
        rebuilt(house, username="quin")
    with pytest.raises(ReasonMissing):
        rebuilt(house, reason=" ")
    (run,) = executing.start_staging(
        change_id=change.pk, actor=house.who("quin"), version=house.fresh(change).version, now=now()
    )
    with pytest.raises(errands.StillBusy, match=run.code):
        rebuilt(house)
    assert not Errand.objects.filter(kind=Errand.Kind.REGISTER_ANEW).exists()


def test_the_page_of_a_target_offers_it(house: House) -> None:
    staging, production = place("staging"), place("production")
    client = client_of("theo")
    assert b"Sign and register anew" in client.get(reverse("target", args=[staging.pk])).content
    assert b"Sign and register anew" not in client.get(reverse("target", args=[production.pk])).content
    given = {"what": "rebuilt", "reason": "made anew", "password": PASSWORD}
    assert client.post(reverse("ask-target", args=[staging.pk]), given).status_code == 302
    assert Errand.objects.get(kind=Errand.Kind.REGISTER_ANEW).target == staging
    refused = client.post(reverse("ask-target", args=[production.pk]), given)
    assert refused.status_code == 409 and b"production database is never simply registered anew" in refused.content
    client = client_of("quin")
    assert b"Sign and register anew" not in client.get(reverse("target", args=[staging.pk])).content
