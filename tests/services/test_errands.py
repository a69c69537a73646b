"""Errands: asked by pages, done by workers at real targets; what they refuse, and what a dead worker leaves."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from changecontrol.local.testing import Servers
from changecontrol.models import Errand, FailedSigning, Signature, Target
from changecontrol.rules.signing import AdministratorsSignNothing, DutyMissing
from changecontrol.services import ceremony, errands, people, sites
from changecontrol.services.errand_queue import claim
from changecontrol.services.recording import acting
from changecontrol.targets import ledger
from changecontrol.targets.connection import Where, connect
from tests.factories import PASSWORD, empty_database
from tests.services.places import NOW, Place, clock, done, named

pytestmark = pytest.mark.usefixtures("own_database")


@pytest.fixture
def place(own_database: str, servers: Servers, tmp_path: Path) -> Place:
    return Place(servers, tmp_path)


# --- register


def test_it_registers_a_target_with_a_signed_ledger(place: Place) -> None:
    errand = place.register()
    assert (errand.state, errand.sentence) == ("done", "")
    row, identity, signature = place.row, place.identity(), Signature.objects.get()
    assert identity is not None
    assert (identity.uuid, identity.environment) == (str(row.uuid), "staging")
    assert (identity.actor, identity.signed_by) == ("Theo Brandt", str(signature.pk))
    assert (signature.meaning, signature.target_id) == ("ledger bootstrap", row.pk)
    assert row.registered_at == NOW
    assert row.fingerprint and row.fingerprint["database"] == conninfo_to_dict(place.dsn)["dbname"]
    assert row.probe and row.probe["reachable"]
    assert row.history.first().history_user == named("theo")
    with pytest.raises(errands.AlreadyRegistered):
        place.register()


def test_it_signs_nothing_without_password_and_duty(place: Place) -> None:
    with pytest.raises(ceremony.WrongPassword):
        place.register(password="guess")
    assert FailedSigning.objects.filter(person=named("theo")).count() == 1
    with pytest.raises(DutyMissing):
        place.register(signer=named("ada"))
    with pytest.raises(AdministratorsSignNothing):
        place.register(signer=named("olga"))
    assert not Errand.objects.exists()
    assert place.identity() is None


def test_it_asks_only_once(place: Place) -> None:
    given = {"target_id": place.pk, "signer": named("theo"), "password": PASSWORD, "now": NOW}
    errands.register(**given)
    with pytest.raises(errands.AlreadyAsked, match="queue staging"):
        errands.register(**given)


def test_it_refuses_an_errand_that_nobody_signed(place: Place) -> None:
    with acting("setup"):
        made = Errand.objects.create(
            kind="register",
            target=place.row,
            requested_at=NOW,
            params={"uuid": str(uuid.uuid4()), "reference": place.row.reference, "environment": "staging"},
        )
    assert "Nobody signed" in done(made).sentence
    assert place.identity() is None


def test_it_refuses_when_the_target_was_changed_after_signing(place: Place) -> None:
    errand = errands.register(target_id=place.pk, signer=named("theo"), password=PASSWORD, now=NOW)
    with acting("setup"):
        Target.objects.filter(pk=place.pk).update(reference="env:ELSEWHERE")
    assert "changed after this was signed" in done(errand).sentence


def test_it_goes_on_with_the_identity_a_dead_worker_left(place: Place) -> None:
    first = errands.register(target_id=place.pk, signer=named("theo"), password=PASSWORD, now=NOW)
    with connect(Where(place.dsn), application_name="test") as session:  # it wrote the ledger, and died
        ledger.bootstrap(session, target_uuid=first.params["uuid"], environment="staging", actor="x")
    with acting("setup"):
        Errand.objects.filter(pk=first.pk).update(state="refused", sentence="our database was away")
    assert place.register().state == "done"
    assert str(place.row.uuid) == first.params["uuid"]


def test_it_refuses_a_database_that_another_installation_registered(place: Place) -> None:
    with connect(Where(place.dsn), application_name="test") as session:
        ledger.bootstrap(session, target_uuid=uuid.uuid4(), environment="production", actor="x")
    errand = place.register()
    assert errand.state == "refused"
    assert "already stamped as production target" in errand.sentence
    assert place.row.registered_at is None


def test_it_refuses_one_database_as_two_targets(place: Place, servers: Servers, tmp_path: Path) -> None:
    place.register()
    second = Place(servers, tmp_path, name="Second")
    second.file.write_text(place.dsn)
    assert "carries the identity of Diary" in second.register().sentence


def test_it_refuses_a_twin(place: Place, servers: Servers, tmp_path: Path) -> None:
    place.register()
    name = conninfo_to_dict(place.dsn)["dbname"]
    with psycopg.connect(servers.target("staging").dsn(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}_twin" TEMPLATE "{name}"'.encode())
    second = Place(servers, tmp_path, name="Copy")
    second.file.write_text(make_conninfo(place.dsn, dbname=f"{name}_twin"))
    errand = second.register()
    assert errand.state == "refused"
    assert "carries the identity of Diary" in errand.sentence
    assert second.row.uuid is None


def test_it_refuses_our_own_database(place: Place, servers: Servers, own_database: str) -> None:
    place.file.write_text(servers.database.owner_url.rsplit("/", 1)[0] + f"/{own_database}")
    assert "Change Control's own database" in place.register().sentence


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("postgresql://diary:hunter2@127.0.0.1:1/diary", "Diary does not answer: nothing listens at its address"),
        ("hunter2 is no conninfo", "not a connection string"),
        ("", "points to nothing on this worker"),
    ],
)
def test_it_says_what_is_wrong_and_never_the_string(place: Place, content: str, says: str) -> None:
    place.file.write_text(content)
    for errand in (place.register(), place.probe()):
        assert errand.state == "refused"
        assert says in errand.sentence
        assert "hunter2" not in str(Errand.objects.filter(pk=errand.pk).values()) + str(place.row.probe)
    assert place.row.probe and not place.row.probe["reachable"]
    assert place.row.registered_at is None


def test_it_says_that_the_password_is_wrong(place: Place) -> None:
    place.file.write_text(make_conninfo(place.dsn, password="hunter2"))
    assert "does not accept the password" in place.register().sentence


# --- point elsewhere


def point(place: Place, reference: str) -> Errand:
    errand = sites.point_target(
        target_id=place.pk, reference=reference, set_role="", actor=named("olga"), reason="moved", now=NOW
    )
    assert errand is not None
    return done(errand)


def test_it_takes_a_new_reference_to_the_same_database(place: Place, tmp_path: Path) -> None:
    place.register()
    (tmp_path / "moved").write_text(place.dsn)
    assert point(place, f"file:{tmp_path / 'moved'}").state == "done"
    assert place.row.reference == f"file:{tmp_path / 'moved'}"
    assert place.row.history.first().history_change_reason == "moved"


def test_it_refuses_a_new_reference_to_another_database(place: Place, servers: Servers, tmp_path: Path) -> None:
    place.register()
    (tmp_path / "other").write_text(empty_database(servers, "staging"))
    errand = point(place, f"file:{tmp_path / 'other'}")
    assert (errand.state, "is not the database it was registered as" in errand.sentence) == ("refused", True)
    assert place.row.reference == f"file:{place.file}"


# --- probe


def test_it_probes_a_registered_target(place: Place) -> None:
    place.register()
    with psycopg.connect(place.dsn, application_name="a long report") as connection:
        connection.execute("SELECT 1")
        errand = place.probe()
    assert errand.state == "done"
    seen, row = errand.result or {}, place.row
    assert row.probe == seen
    assert row.probed_at == NOW
    assert seen["sessions"] >= 1
    assert seen["size_bytes"] > 1_000_000
    assert seen["version"].startswith("18")
    assert seen["ledger"] == {"exists": True, "agrees": True, "rows": 0, "sentences": []}
    assert (seen["fingerprint_differences"], seen["findings"], seen["in_recovery"]) == ([], [], False)


def test_a_probe_tells_that_the_ledger_is_gone(place: Place) -> None:
    place.register()
    place.execute("DROP SCHEMA changecontrol CASCADE")
    seen = place.probe().result or {}
    assert not seen["ledger"]["agrees"]
    assert "has no ledger" in " ".join(seen["findings"])


def test_two_clicks_are_one_probe_and_nobody_without_a_duty_asks(place: Place) -> None:
    first = errands.probe(target_id=place.pk, actor=named("ada"), now=NOW)
    assert errands.probe(target_id=place.pk, actor=named("quin"), now=NOW) == first
    with pytest.raises(errands.NoDuty):
        errands.probe(target_id=place.pk, actor=named("mallory"), now=NOW)


# --- the queue


def test_a_redelivered_or_hand_made_message_does_nothing(place: Place) -> None:
    errand = place.register()
    before = Errand.objects.filter(pk=errand.pk).values().get()
    errands.run(errand_id=errand.pk, clock=clock, worker="test:2")
    errands.run(errand_id=999_999, clock=clock, worker="test:2")
    assert Errand.objects.filter(pk=errand.pk).values().get() == before


def test_a_worker_that_lost_its_claim_writes_nothing(place: Place) -> None:
    asked = errands.probe(target_id=place.pk, actor=named("ada"), now=NOW)
    slow = claim(errand_id=asked.pk, now=NOW)
    assert slow is not None
    assert claim(errand_id=asked.pk, now=NOW) is None
    later = NOW + timedelta(minutes=6)
    assert errands.sweep_errands(NOW + timedelta(minutes=4)) == 0
    assert errands.sweep_errands(later, queue="production") == 0
    assert errands.sweep_errands(later, queue="staging") == 1
    assert done(asked).state == "done"
    assert errands.errand_queue.finish(slow, now=later, sentence="I am late") is False
    asked.refresh_from_db()
    assert (asked.state, asked.sentence) == ("done", "")


def test_the_sweep_rings_again_for_what_nobody_heard(place: Place) -> None:
    errands.probe(target_id=place.pk, actor=named("ada"), now=NOW)
    assert errands.sweep_errands(NOW + timedelta(seconds=1)) == 0
    assert errands.sweep_errands(NOW + timedelta(minutes=1)) == 1


def test_it_asks_nothing_of_a_retired_target(place: Place) -> None:
    asked = errands.probe(target_id=place.pk, actor=named("ada"), now=NOW)
    sites.retire_target(target_id=place.pk, actor=named("olga"), reason="replaced", now=NOW)
    assert "is retired" in done(asked).sentence
    with pytest.raises(errands.Retired):
        place.register()


def test_it_refuses_what_a_deactivated_signer_left_behind(place: Place) -> None:
    errand = errands.register(target_id=place.pk, signer=named("theo"), password=PASSWORD, now=NOW)
    people.deactivate(person_id=named("theo").pk, actor=named("olga"), reason="left", now=NOW)
    assert "Nobody signed" in done(errand).sentence
