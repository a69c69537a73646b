"""Leaving backwards or sideways: send back, recall, withdraw, reject, restage, superseding (design 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Incident, Signature
from changecontrol.rules.gates import GatesUnmet
from changecontrol.rules.lifecycle import Move, Status
from changecontrol.services import closing, drafting, executing, moving, reviewing
from tests.services.house import House, now

pytestmark = pytest.mark.usefixtures("own_database")
TABLE = "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"


@pytest.fixture
def house(servers: Servers, tmp_path: Path, settings: Any) -> House:
    return House(servers, tmp_path, settings, first=TABLE)


def counting(change: ChangeRequest) -> set[str]:
    return set(
        Signature.objects.filter(change=change, content_digest=change.content_digest).values_list("meaning", flat=True)
    )


def test_it_is_sent_back_once_staging_is_as_it_was(house: House) -> None:
    change = house.walk(Status.STAGED)
    with pytest.raises(
        GatesUnmet, match=f"staging still holds steps of {change.code}. Start the staging rollback first"
    ):
        house.send_back(change)
    with pytest.raises(GatesUnmet, match="Start the staging rollback first"):
        reviewing.withdraw(**house.leaving(change, "ada"))
    with pytest.raises(moving.ReasonMissing):
        executing.undo_staging(**house.leaving(change, "quin", reason=" "))
    run = house.undo_staging(change)
    assert (run.state, run.effect, house.fresh(change).status) == ("succeeded", "none", Status.STAGED)
    assert house.sql("staging", "SELECT to_regclass('thing')") == [(None,)]
    with pytest.raises(executing.NothingToRollBack):
        house.undo_staging(change)
    with pytest.raises(GatesUnmet, match="The run on staging has not succeeded"):
        house.journey.accept(change)  # what is not on staging any more cannot be accepted

    old = change.content_digest
    house.send_back(change)
    change = house.fresh(change)
    assert (change.status, change.content_digest) == (Status.DRAFT, old)
    (house.folder / "001_first.sql").write_text(house.text("001", TABLE.replace("id int", "id bigint")))
    drafting.revise(change_id=change.pk, actor=house.who("ada"), version=change.version, now=now())
    change = house.fresh(change)
    assert change.content_digest == "" and change.revision and change.revision.number == 2
    house.develop_anew(change)
    change = house.journey.submit(change)
    assert change.status == Status.IN_REVIEW and change.content_digest != old
    assert counting(change) == {"authorship"}  # the signatures over the old content are void
    for step in (house.journey.review, house.journey.stage, house.journey.accept, house.journey.authorize):
        change = step(change)
    change = house.journey.deploy(change)
    assert change.status == Status.DEPLOYED
    kind = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'thing'::regclass AND attname = 'id'"
    assert house.sql("production", kind) == house.sql("staging", kind) == [("bigint",)]


def test_what_comes_back_unchanged_keeps_its_signatures(house: House) -> None:
    change = house.walk(Status.STAGED)
    house.undo_staging(change)
    house.send_back(change)
    change = house.journey.submit(house.fresh(change))
    # equal content has the equal digest: every review counts still, so nothing is missing and it is approved by itself
    assert change.status == Status.APPROVED
    assert {"authorship", "technical review", "compliance review"} <= counting(change)
    assert house.stage(change).state == "succeeded"
    change = house.journey.authorize(house.journey.accept(house.fresh(change)))
    assert change.status == Status.AUTHORIZED


def test_it_is_staged_again_with_unchanged_content(house: House) -> None:
    change = house.walk(Status.STAGED)
    with pytest.raises(moving.NotYourMove, match="Only a QA or a tech lead"):
        reviewing.restage(**house.leaving(change, "ada"))
    with pytest.raises(moving.ReasonMissing):
        reviewing.restage(**house.leaving(change, "quin", reason=""))
    reviewing.restage(**house.leaving(change, "quin", reason="staging was refreshed"))
    change = house.fresh(change)
    assert change.status == Status.APPROVED
    assert {"authorship", "technical review", "compliance review"} <= counting(change)
    assert "has not succeeded" not in house.exits(change, "quin")["start_staging"]
    run = house.stage(change)
    assert (run.state, run.effect, run.attempt) == ("succeeded", "complete", 2)
    assert [one["phase"] for one in (run.outcome or {})["passes"]] == [
        "clearing",
        "forward",
        "rollback",
        "forward again",
    ]
    change = house.journey.accept(house.fresh(change))
    with pytest.raises(moving.IllegalMove):
        reviewing.restage(**house.leaving(change, "quin"))


def test_a_closed_change_is_reversed_by_a_new_one(house: House) -> None:
    change = house.walk(Status.DEPLOYED)
    (house.folder / "002_second.sql").write_text(house.text("002", "BEGIN;\nDROP TABLE thing;\nCOMMIT;\n", needs="001"))
    (house.folder / "rollback" / "002_rollback.sql").write_text("-- Rollback: 002 - second\n" + TABLE)
    given = {"migration_number": 2, "actor": house.who("ada"), "now": now()}
    with pytest.raises(drafting.StillOpen, match=f"{change.code} is still deployed"):
        drafting.open_change(**given, supersedes=change.code)
    with pytest.raises(drafting.NoSuchChange):
        drafting.open_change(**given, supersedes="CR-9999")
    house.journey.tick(change, Move.CLOSE)
    closing.close_watch(**house.signing(change, "quin"), verdict="within", note="calm")
    for verb in (reviewing.withdraw, reviewing.recall, reviewing.restage):
        with pytest.raises(moving.IllegalMove, match="is closed"):
            verb(**house.leaving(change, "theo"))
    reverse = drafting.open_change(**given, supersedes=change.code.lower())
    assert reverse.supersedes_id == change.pk
    fields = {"impact": "One table.", "impact_level": "low", "risk": "None seen.", "mitigation": "None needed."}
    fields |= {"risk_severity": "1", "risk_probability": "1", "risk_detectability": "1", "compliance_impact": "None."}
    fields |= {"pull_request_url": "https://git.example.org/2"}
    drafting.document(change_id=reverse.pk, actor=house.who("ada"), version=reverse.version, fields=fields, now=now())
    house.journey.develop(house.fresh(reverse))
    reverse = house.journey.review(house.journey.submit(house.fresh(reverse)))
    for step in (house.journey.stage, house.journey.accept, house.journey.authorize, house.journey.deploy):
        reverse = step(reverse)
    assert reverse.status == Status.DEPLOYED
    assert house.sql("production", "SELECT to_regclass('thing')") == [(None,)]
    assert house.fresh(change).status == Status.CLOSED and not Incident.objects.exists()
