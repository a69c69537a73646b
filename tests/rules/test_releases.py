"""Which release a migration waits for."""

from __future__ import annotations

import pytest

from changecontrol.rules import releases
from changecontrol.rules.releases import Requirement


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("app >= 4.2.0", [("app", "4.2.0")]),
        ("app>=4", [("app", "4")]),
        ("diary-app >= v2.10, api >= 3.", [("diary-app", "2.10"), ("api", "3")]),
    ],
)
def test_it_reads_what_is_required(text: str, found: list[tuple[str, str]]) -> None:
    assert releases.parse(text) == tuple(Requirement(*one) for one in found)


@pytest.mark.parametrize("text", ["", "none", "app", "app > 4", "app >= soon", "app >= 4,", ">= 4", "app >= 4.2-rc1"])
def test_it_reads_nothing_else(text: str) -> None:
    assert releases.parse(text) is None


@pytest.mark.parametrize("version", ["4.2", "4.2.0", "4.2.1", "4.10", "5", "v4.2"])
def test_a_newer_or_equal_release_will_do(version: str) -> None:
    assert Requirement("app", "4.2.0").met_by(version)


@pytest.mark.parametrize("version", ["4.1.9", "4", "", "4.2.0-rc1", "new"])
def test_an_older_release_or_one_that_cannot_be_compared_will_not(version: str) -> None:
    assert not Requirement("app", "4.2.0").met_by(version)


def test_what_people_attest_is_checked() -> None:
    assert releases.check(" app ", " v4.2 ") == Requirement("app", "4.2")
    with pytest.raises(releases.BadApplication, match="“my app” is no name"):
        releases.check("my app", "4")
    with pytest.raises(releases.BadVersion, match="“latest” is no release"):
        releases.check("app", "latest")
