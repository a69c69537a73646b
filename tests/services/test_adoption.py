"""Adoption: a database that was migrated by hand is compared, signed for, and gets its baseline."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from changecontrol.local.testing import Servers
from changecontrol.models import LedgerCopy, Signature
from changecontrol.services import errands, ledger_copies
from changecontrol.targets import ledger
from tests.services.places import NOW, Place, named

pytestmark = pytest.mark.usefixtures("own_database")


@pytest.fixture
def place(own_database: str, servers: Servers, tmp_path: Path) -> Place:
    return Place(servers, tmp_path)


def by_hand(place: Place, *numbers: int) -> None:
    """What the strategy document did: psql, one file after the other."""
    folder = Path(__file__).parents[2] / "migrations_repo"
    for number in numbers:
        (path,) = folder.glob(f"{number:03d}_*.sql")
        place.execute(path.read_text())


def test_it_adopts_a_database_that_equals_its_migrations(place: Place) -> None:
    by_hand(place, 1, 2)
    place.register()
    comparison = place.compare(2)
    assert (comparison.state, comparison.sentence) == ("done", "")
    result = comparison.result or {}
    assert (result["verdict"], result["said"], result["upto"]) == ("exact", [], 2)
    adopted = place.adopt(comparison)
    assert (adopted.state, adopted.sentence) == ("done", "")
    rows = place.rows()
    assert [(row.kind, row.migration, row.direction) for row in rows] == [("baseline", n, "forward") for n in (1, 2)]
    assert [row.script_digest for row in rows] == [one["script_digest"] for one in result["migrations"]]
    signature = Signature.objects.get(meaning="adoption")
    assert {row.signature_ids for row in rows} == {(str(signature.pk),)}
    assert {row.content_digest for row in rows} == {signature.content_digest}
    assert ledger.net(rows, migration=2).effect == "complete"
    assert LedgerCopy.objects.filter(target=place.row, kind="baseline").count() == 2
    assert ledger_copies.differences(place.row, rows) == []
    assert place.row.catalog_digest == result["catalog_digest"]
    with pytest.raises(errands.AlreadyInUse):
        place.adopt(comparison)


def test_it_shows_differences_and_signs_them(place: Place) -> None:
    by_hand(place, 1)
    place.execute("CREATE TABLE leftover (id int)")
    place.register()
    comparison = place.compare(1)
    result = comparison.result or {}
    assert result["verdict"] == "differs"
    assert any("leftover" in name for name in result["extra"])
    assert place.adopt(comparison).state == "done"
    assert "leftover" in Signature.objects.get(meaning="adoption").context


def test_it_refuses_to_adopt_what_moved_since(place: Place) -> None:
    by_hand(place, 1)
    place.register()
    comparison = place.compare(1)
    place.execute("CREATE TABLE later (id int)")
    assert "no longer the one that was compared" in place.adopt(comparison).sentence
    assert place.rows() == []
    with pytest.raises(errands.NothingToAdopt, match="older than a day"):
        place.adopt(comparison, now=NOW + timedelta(hours=25))
    place.compare(1)
    with pytest.raises(errands.NothingToAdopt, match="another one was made since"):
        place.adopt(comparison)


def test_it_refuses_a_comparison_that_cannot_be_made(place: Place, servers: Servers, tmp_path: Path) -> None:
    with pytest.raises(errands.NotRegistered):
        place.compare(1)
    place.register()
    with pytest.raises(errands.NumberUnknown):
        place.compare(0)
    with pytest.raises(errands.NoDuty):
        errands.compare(target_id=place.pk, upto=1, actor=named("ada"), now=NOW)
    refused = place.compare(900)
    assert "The migrations folder has no" in refused.sentence
    with pytest.raises(errands.NothingToAdopt, match="not finished"):
        place.adopt(refused)
    production = Place(servers, tmp_path, kind="production", name="Live")
    production.register()
    assert "no server for sandboxes is configured" in production.compare(1).sentence


# --- copies of ledgers


def test_it_sees_every_disagreement_of_ledger_and_copies(place: Place) -> None:
    by_hand(place, 1)
    place.register()
    place.adopt(place.compare(1))
    row, (kept,) = place.row, place.rows()
    assert ledger_copies.copy(target=row, rows=[kept]) == 0
    place.execute("ALTER TABLE changecontrol.ledger DISABLE TRIGGER USER")
    place.execute("UPDATE changecontrol.ledger SET script_digest = 'forged'")
    assert ledger_copies.differences(row, place.rows()) == [
        "Row 1 of the ledger on Diary (baseline of migration 001_initial_schema) has another script_digest."
    ]
    place.execute("DELETE FROM changecontrol.ledger")
    assert ledger_copies.differences(row, place.rows())[0].endswith("is gone.")
    place.execute(
        "INSERT INTO changecontrol.ledger (kind, change_code, migration, migration_name, direction, step, steps,"
        " pass_no, script_digest, content_digest, execution_id, attempt, fence, actor, signature_ids, client_at,"
        " tool_version) VALUES ('done', 'CR-0666', 1, '', 'forward', 1, 1, 1, '', '', 'by hand', 1, 99, 'Mallory',"
        " '{}', now(), '')"
    )
    assert "was not written by this installation" in ledger_copies.differences(row, place.rows())[-1]
