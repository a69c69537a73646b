"""Rehearsals through the verbs: asked for, made by a worker on a copy, stored, asked by the gates, uploaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Errand, Rehearsal, Target
from changecontrol.rules.gates import GatesUnmet
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.manifest import digest
from changecontrol.services import (
    certifying,
    checklist_facts,
    errand_queue,
    executing,
    expecting,
    facts,
    freezing,
    proving,
    rehearsing,
)
from changecontrol.services.recording import acting
from changecontrol.targets.connection import Where, connect
from tests import factories
from tests.services.house import House, now

pytestmark = pytest.mark.usefixtures("own_database")
TABLE = "BEGIN;\nCREATE TABLE IF NOT EXISTS thing (id bigint PRIMARY KEY, name text);\nCOMMIT;\n"
DROP_TABLE = "-- Rollback: 001 - first\nBEGIN;\nDROP TABLE thing;\nCOMMIT;\n"
ADD_NAME = "BEGIN;\nALTER TABLE thing ADD COLUMN name text;\nCOMMIT;\n"
DROP_NAME = "-- Rollback: 001 - first\nBEGIN;\nALTER TABLE thing DROP COLUMN name;\nCOMMIT;\n"
COMMENTED = TABLE.replace("COMMIT;", "COMMENT ON SCHEMA public IS 'Things.';\nCOMMIT;")


@pytest.fixture
def build(servers: Servers, tmp_path: Path, settings: Any) -> Callable[..., House]:
    def make(**options: Any) -> House:
        settings.SANDBOX_REFERENCE = f"file:{tmp_path / 'sandbox'}"
        (tmp_path / "sandbox").write_text(servers.target("development").dsn(), encoding="utf-8")
        house = House(servers, tmp_path, settings, **{"first": TABLE, "rollback": DROP_TABLE, **options})
        house.journey.certify = house.journey._certify
        return house

    return make


def rehearse(house: House, change: ChangeRequest, **more: Any) -> Errand:
    errand = rehearsing.request(change_id=change.pk, actor=house.who("ada"), now=now(), **more)
    factories.carry_out()
    errand.refresh_from_db()
    return errand


def sandboxes(servers: Servers) -> list[str]:
    with connect(Where(servers.target("development").dsn()), application_name="test") as session:
        rows = session.execute("SELECT datname FROM pg_database WHERE datname LIKE 'cc_sandbox_%'").fetchall()
    return [name for (name,) in rows]


def test_a_worker_rehearses_it_on_a_copy_of_production(build: Callable[..., House], servers: Servers) -> None:
    house = build()
    change = house.journey.open(1)
    assert "The script has not been rehearsed" in " ".join(submit_gate(house, change))
    errand = rehearse(house, change)
    assert (errand.state, errand.sentence) == ("done", "")
    made = Rehearsal.objects.get()
    assert (made.code, made.verdict, made.passed, made.lossless) == ("R-0001", "exact", True, made.lossless)
    assert (made.target.name, made.basis, made.asked_by) == ("production", "schema", house.who("ada"))
    assert made.certificate_digest == digest(made.certificate.encode())
    shown = rehearsing.certificate(made)
    assert shown["script_digest"] == change.revision.script_digest == made.script_digest
    assert [one["kind"] for one in shown["statements"]] == ["CreateStmt"]
    assert shown["basis"]["major"] == Target.objects.get(name="production").fingerprint["major"]
    assert made.catalog_before == Target.objects.get(name="production").catalog_digest != ""
    assert sandboxes(servers) == []
    assert submit_gate(house, change) == []


def submit_gate(house: House, change: ChangeRequest) -> list[str]:
    return list(facts.gather(change=house.fresh(change), now=now()).rehearsal_submit)


def test_two_clicks_are_one_rehearsal_and_only_signers_ask(build: Callable[..., House]) -> None:
    house = build()
    change = house.journey.open(1)
    asked = [rehearsing.request(change_id=change.pk, actor=house.who("tess"), now=now()) for _ in range(2)]
    assert asked[0] == asked[1] == rehearsing.waiting(change)
    for username in ("mallory", "olga", "ines"):
        with pytest.raises(rehearsing.OnlySigners):
            rehearsing.request(change_id=change.pk, actor=house.who(username), now=now())
    with pytest.raises(rehearsing.NoSuchBasis, match="“thin air” is nothing"):
        rehearsing.request(change_id=change.pk, actor=house.who("ada"), now=now(), basis="thin air")
    with pytest.raises(rehearsing.NotUsable, match="is not registered or not in use"):
        rehearsing.request(change_id=change.pk, actor=house.who("ada"), now=now(), target_id=999)


def test_a_rollback_that_forgets_something_cannot_be_submitted(build: Callable[..., House]) -> None:
    house = build(first=COMMENTED)
    change = house.journey.open(1)
    rehearse(house, change)
    made = Rehearsal.objects.get()
    assert (made.verdict, made.passed) == ("differs", False)
    assert "schema public" in made.sentence
    with pytest.raises(GatesUnmet, match=r"The rehearsal R-0001 did not pass: .*schema public"):
        house.journey.certify = lambda change: None
        house.journey.submit(change)


def test_it_is_asked_again_before_production(build: Callable[..., House]) -> None:
    house = build()
    change = house.walk(Status.AUTHORIZED)
    house.sql("production", "CREATE TABLE stranger (id int)")
    run = start(house, change)
    assert run.state == "failed" and "is not the one that CR-0001 was rehearsed on" in run.sentence
    assert house.done("production") == []
    house.sql("production", "DROP TABLE stranger")
    run = start(house, change, reason="the stranger is gone")
    assert (run.state, run.effect) == ("succeeded", "complete")
    assert Target.objects.get(name="production").catalog_digest != Rehearsal.objects.get().catalog_before


def start(house: House, change: ChangeRequest, reason: str = "") -> Any:
    runs = executing.start_production(**house.signing(change, "theo"), reason=reason)
    return house.carried_out(*runs)[0]


def test_an_old_one_no_longer_counts(build: Callable[..., House]) -> None:
    house = build()
    change = house.walk(Status.ACCEPTED)
    later = now() + timedelta(days=31)
    found = facts.gather(change=house.fresh(change), now=later).rehearsal_production
    assert found == ("The rehearsal R-0001 is 31 days old; older than 30 days no longer counts.",)
    with override_settings(REHEARSAL_DAYS=40):
        assert facts.gather(change=house.fresh(change), now=later).rehearsal_production == ()
    assert [one.name for one in rehearsing.places()] == ["production", "staging", "development"]


def test_one_that_was_cut_begins_again_and_leaves_no_copy(build: Callable[..., House], servers: Servers) -> None:
    house = build()
    change = house.journey.open(1)
    errand = rehearsing.request(change_id=change.pk, actor=house.who("ada"), now=now())
    with connect(Where(servers.target("development").dsn()), application_name="test") as session:
        session.execute("CREATE DATABASE cc_sandbox_1_left_0a0a0a0a")
    taken = errand_queue.claim(errand_id=errand.pk, now=now() - timedelta(minutes=2))
    assert taken is not None
    errand_queue.sweep_errands(now())
    factories.carry_out()
    errand.refresh_from_db()
    assert (errand.state, Rehearsal.objects.count()) == ("done", 1)
    assert sandboxes(servers) == []


def test_what_was_made_elsewhere_is_shown_and_counts_for_no_gate(build: Callable[..., House]) -> None:
    house = build()
    change = house.journey.open(1)
    one = {"script_digest": change.revision.script_digest, "verdict": "exact", "lossless": True, "findings": []}
    data = json.dumps({"migrations": [{"script_digest": "0" * 64, "verdict": "exact"}, one]}).encode()
    made = rehearsing.upload(change_id=change.pk, data=data, actor=house.who("ada"), now=now())
    assert (made.basis, made.verdict, made.passed) == ("upload", "exact", False)
    assert rehearsing.newest(change) is None and rehearsing.all_of(change) == [made]
    assert submit_gate(house, change) != []
    checked = checklist_facts.evaluate(house.fresh(change), now=now())
    assert checked["tested_locally"] and checked["rollback_tested_locally"]
    for wrong, refusal in (
        (b"\xff", rehearsing.NotReadable),
        (b"[]", rehearsing.NotReadable),
        (b'{"migrations": []}', rehearsing.OtherScript),
        (json.dumps({"migrations": [{**one, "verdict": "fine"}]}).encode(), certifying.StrangeVerdict),
    ):
        with pytest.raises(refusal):
            rehearsing.upload(change_id=change.pk, data=wrong, actor=house.who("ada"), now=now())
    with pytest.raises(rehearsing.OnlyAuthors):
        rehearsing.upload(change_id=change.pk, data=data, actor=house.who("tess"), now=now())


def test_a_copy_has_the_rows_of_its_target(build: Callable[..., House]) -> None:
    house = build(first=ADD_NAME, rollback=DROP_NAME)
    house.sql("production", "CREATE TABLE thing AS SELECT generate_series(1, 7) AS id")
    change = house.journey.open(1)
    errand = rehearse(house, change, basis="copy")
    assert (errand.state, errand.sentence) == ("done", "")
    shown = rehearsing.certificate(Rehearsal.objects.get())
    assert shown["basis"]["rows"]["public.thing"] == [7, "copied"]
    assert shown["sizes"]["public.thing"][1] > 0


def test_a_statement_may_take_what_its_rehearsal_lets_expect(build: Callable[..., House]) -> None:
    house = build()
    change = house.walk(Status.DEPLOYED)
    run = change.executions.get(purpose="deploy")
    found = expecting.milliseconds(run, "forward")
    shown = rehearsing.certificate(Rehearsal.objects.order_by("-pk")[0])["statements"]
    assert found == {one["statement"]: float(one["ms"]) for one in shown}
    assert set(expecting.milliseconds(run, "rollback")) == {1}


def test_an_old_one_that_fits_does_not_lend_its_schema_to_a_fresh_one(build: Callable[..., House]) -> None:
    house = build()
    change = house.walk(Status.ACCEPTED)
    old = Rehearsal.objects.get()
    later = now() + timedelta(days=31)
    with acting("setup"):
        Rehearsal.objects.create(
            code="R-0900",
            change=change,
            revision=old.revision,
            script_digest=old.script_digest,
            verdict="exact",
            passed=True,
            basis="schema",
            catalog_before="0" * 64,
            certificate="{}",
            certificate_digest="0" * 64,
            rehearsed_at=later,
        )
    found = facts.gather(change=house.fresh(change), now=later).rehearsal_production
    assert found == ("The schema of production differs from the one this was rehearsed on. Rehearse it again.",)
    # while the old one was young, its schema counted
    assert facts.gather(change=house.fresh(change), now=now()).rehearsal_production == ()


def test_the_policy_of_the_folder_makes_rehearsals_stricter(build: Callable[..., House], settings: Any) -> None:
    house = build()
    (settings.REPOSITORY / "changecontrol.toml").write_text(
        "[limits]\nrehearsal_minutes = 2\nsandbox_bytes = 5_000_000\ncertificate_days = 3\n"
    )
    limits = proving.limits_of(freezing.repository().policy())
    assert (limits.seconds, limits.bytes) == (120, 5_000_000)
    with override_settings(REHEARSAL_SECONDS=60.0, REHEARSAL_BYTES=1000):
        limits = proving.limits_of(freezing.repository().policy())
        assert (limits.seconds, limits.bytes) == (60, 1000)
    change = house.walk(Status.ACCEPTED)
    assert Rehearsal.objects.get().counts_days == 3
    found = facts.gather(change=house.fresh(change), now=now() + timedelta(days=4)).rehearsal_production
    assert found == ("The rehearsal R-0001 is 4 days old; older than 3 days no longer counts.",)
