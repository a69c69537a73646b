"""Changes that belong together keep their order on every target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Series
from changecontrol.rules import gates
from changecontrol.services import drafting, releasing, series
from changecontrol.services.facts import gather
from changecontrol.services.recording import acting
from tests import factories
from tests.services import rows
from tests.services.house import House
from tests.services.rows import NOW


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    return tmp_path


def place(folder: Path, number: str, said: str) -> None:
    """Write a place in a series into the header of a migration."""
    [path] = folder.glob(f"{number}_*.sql")
    lines = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith("-- Series")]
    path.write_text("".join([lines[0], *([f"-- Series: {said}\n"] if said else []), *lines[1:]]))


def opened(number: int) -> ChangeRequest:
    return drafting.open_change(migration_number=number, actor=rows.person("ada"), now=NOW)


def revise(change: ChangeRequest) -> None:
    drafting.revise(change_id=change.pk, actor=rows.person("ada"), version=change.version, now=NOW)
    change.refresh_from_db()


@pytest.mark.django_db
class TestLinking:
    def test_opening_a_member_makes_the_series_and_the_next_one_joins_it(self, folder: Path) -> None:
        place(folder, "001", "paint-things, 1 of 2")
        place(folder, "002", "paint-things, 2 of 2")
        first, second = opened(1), opened(2)
        found = Series.objects.get()
        assert (found.slug, found.title, found.length) == ("paint-things", "Paint things", 2)
        assert found.opened_by.username == "ada"
        assert [(one.series_id, one.series_position) for one in (first, second)] == [(found.pk, 1), (found.pk, 2)]
        assert opened(3).series is None

    def test_a_new_revision_moves_it_in_and_out(self, folder: Path) -> None:
        change = opened(1)
        place(folder, "001", "paint-things, 1 of 3")
        revise(change)
        assert (change.series and change.series.slug, change.series_position) == ("paint-things", 1)
        place(folder, "001", "paint-things, 2 of 4")
        revise(change)
        assert change.series_position == 2
        assert Series.objects.get().length == 4
        place(folder, "001", "")
        revise(change)
        assert change.series is None and change.series_position is None

    def test_a_place_has_one_migration(self, folder: Path) -> None:
        place(folder, "001", "paint-things, 1 of 2")
        place(folder, "002", "paint-things, 1 of 2")
        first = opened(1)
        with pytest.raises(series.PlaceTaken, match=f"{first.code} has place 1 of 2 of the series paint-things"):
            opened(2)
        assert ChangeRequest.objects.count() == 1

    def test_a_place_that_was_given_up_is_free(self, folder: Path) -> None:
        place(folder, "001", "paint-things, 1 of 2")
        place(folder, "002", "paint-things, 1 of 2")
        first = opened(1)
        with acting(rows.person("ada"), reason="no"):
            rows.move_to(first, "withdrawn", by=rows.person("ada"))
        assert opened(2).series_position == 1

    def test_a_series_does_not_get_shorter_than_its_members(self, folder: Path) -> None:
        place(folder, "001", "paint-things, 3 of 3")
        place(folder, "002", "paint-things, 1 of 2")
        first = opened(1)
        with pytest.raises(series.SeriesShorter, match=f"has 2 migrations, yet {first.code} has place 3"):
            opened(2)


def member(place: int, status: str = "approved", *, length: int = 3, **fields: Any) -> ChangeRequest:
    with acting("setup"):
        found, _ = Series.objects.get_or_create(
            slug="paint",
            defaults={"title": "Paint", "length": length, "opened_by": rows.person("ada"), "opened_at": NOW},
        )
    return rows.change(status, series=found, series_position=place, **fields)


def waits(change: ChangeRequest, kind: str = "") -> list[str]:
    return [one.sentence for one in gather(change=change, now=NOW, environment_kind=kind).waits_for]


@pytest.mark.django_db
class TestOrder:
    def test_a_member_waits_on_each_target_for_those_before_it(self, folder: Path) -> None:
        one, two = rows.target("staging-a", "staging"), rows.target("staging-b", "staging")
        first, second, third = (member(at) for at in (1, 2, 3))
        rows.execution(first, one, purpose="stage")
        assert waits(first) == []
        assert waits(second) == [f"{first.code}, 1 of 3 of the series paint, has to be complete on staging-b first."]
        rows.execution(first, two, purpose="stage")
        assert waits(second) == []
        assert waits(third) == [
            f"{second.code}, 2 of 3 of the series paint, has to be complete on staging-a, staging-b first."
        ]
        rows.execution(second, one, purpose="stage", effect="partial", state="failed")
        rows.execution(second, two, purpose="stage")
        assert waits(third) == [f"{second.code}, 2 of 3 of the series paint, has to be complete on staging-a first."]

    def test_the_gates_of_staging_and_production_say_so(self, folder: Path) -> None:
        rows.target("staging", "staging"), rows.target("production-eu", "production")
        first, second = member(1), member(2)
        sentence = f"{first.code}, 1 of 3 of the series paint, has to be complete on staging first."
        assert gates.Unmet(sentence, "QA") in gates.unmet("run_staging", gather(change=second, now=NOW))
        there = gather(change=second, now=NOW, environment_kind="production")
        sentence = sentence.replace("on staging", "on production-eu")
        assert gates.Unmet(sentence, "tech lead") in gates.unmet("run_production", there)

    def test_it_says_which_member_nobody_opened_yet(self, folder: Path) -> None:
        rows.target("staging", "staging")
        assert waits(member(2)) == ["A migration, 1 of 3 of the series paint, has to be complete on staging first."]
        place(folder, "001", "paint, 1 of 3")
        assert waits(ChangeRequest.objects.get()) == [
            "Migration 001, 1 of 3 of the series paint, has to be complete on staging first."
        ]

    def test_a_member_that_was_given_up_does_not_count(self, folder: Path) -> None:
        rows.target("staging", "staging")
        member(1, "rejected")
        again, second = member(1), member(2)
        assert waits(second) == [f"{again.code}, 1 of 3 of the series paint, has to be complete on staging first."]


def attest(target: Any, version: str, *, who: str = "quin", application: str = "app", note: str = "Deployed at noon."):  # type: ignore[no-untyped-def]
    return releasing.attest_release(
        target_id=target.pk, application=application, version=version, note=note, actor=rows.person(who), now=NOW
    )


@pytest.mark.django_db
class TestReleases:
    def test_a_run_waits_for_the_newest_attested_release(self, folder: Path) -> None:
        staging, production = rows.target("staging", "staging"), rows.target("production-eu", "production")
        change = rows.change("authorized", requires_release="app >= 4.2.0")
        sentence = "The release app >= 4.2.0 is not attested for production-eu."
        there = gather(change=change, now=NOW, environment_kind="production")
        assert gates.Unmet(sentence, "QA or tech lead") in gates.unmet("run_production", there)
        assert waits(change, "staging") == ["The release app >= 4.2.0 is not attested for staging."]
        assert waits(change, "development") == []
        attest(staging, "4.2")
        attest(production, "4.1.9")
        attest(production, "4.2", application="other")
        assert waits(change, "staging") == []
        assert waits(change) == [sentence]
        attest(production, "4.10")
        assert waits(change) == []
        attest(production, "4.1.9", who="theo", note="Taken back at one.")
        assert waits(change) == [sentence]

    def test_the_frozen_header_counts_whatever_the_documentation_says(self, folder: Path) -> None:
        rows.target("staging", "staging")
        place(folder, "001", "")
        [path] = folder.glob("001_*.sql")
        path.write_text("-- Requires-release: app >= 4.2\n" + path.read_text())
        change = opened(1)
        assert change.requires_release == "app >= 4.2"
        drafting.document(
            change_id=change.pk, actor=rows.person("ada"), version=change.version, fields={"requires_release": "none"},
            now=NOW,
        )  # fmt: skip
        change.refresh_from_db()
        assert waits(change) == ["The release app >= 4.2 is not attested for staging."]

    @pytest.mark.parametrize("who", ["ada", "tess", "cora", "olga", "ines", "mallory"])
    def test_only_qa_and_tech_leads_attest(self, who: str) -> None:
        with pytest.raises(releasing.OnlyAttesters):
            attest(rows.target("staging", "staging"), "4.2", who=who)

    def test_it_refuses_what_nobody_could_check(self) -> None:
        target = rows.target("staging", "staging")
        with pytest.raises(releasing.NoteMissing):
            attest(target, "4.2", note=" yes ")
        with pytest.raises(Exception, match="no release that can be compared"):
            attest(target, "newest")
        with pytest.raises(Exception, match="no name of an application"):
            attest(target, "4", application="")
        target.pk += 1000
        with pytest.raises(releasing.NoSuchTarget):
            attest(target, "4.2")
        assert not target.releases.exists()


def test_development_keeps_the_order_too_and_waits_for_no_release(
    servers: Servers, tmp_path: Path, settings: Any, own_database: str
) -> None:
    house = House(
        servers, tmp_path, settings, first="BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY, name text);\nCOMMIT;\n"
    )
    for number in (1, 2):
        place(house.folder, f"00{number}", f"paint-things, {number} of 2")
    [path] = house.folder.glob("002_*.sql")
    path.write_text(
        "-- Requires-release: app >= 4.2\n" + path.read_text().replace("Dependencies: 001", "Dependencies: none")
    )
    second = house.journey.open(2)
    first = house.journey.open(1)
    with pytest.raises(gates.GatesUnmet, match=f"{first.code}, 1 of 2 of the series paint-things, has to be complete"):
        house.develop(second)
    house.develop(first)
    assert house.develop(second).state == "succeeded"
    first = house.journey.fresh(first)
    assert first.series is not None
    assert series.members(first.series.pk) == {1: first, 2: second}
