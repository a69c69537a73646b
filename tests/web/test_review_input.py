"""What no page of ours ever sends: a sentence or a "not found", never an error of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from changecontrol.models import ChangeRequest, Execution, Person
from tests import factories
from tests.services import rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(tmp_path: Path, settings: Any) -> ChangeRequest:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    return factories.journey().open(1)


@pytest.mark.parametrize(
    "address",
    [
        "/changes/?q=%00",
        "/changes/?status=%00",
        "/runs/?state=%00",
        "/runs/?q=a%00b",
    ],
)
def test_it_answers_a_search_for_a_nul_byte(address: str) -> None:
    answer = client_of("ada").get(address)
    assert answer.status_code == 400
    assert "NUL" in answer.content.decode()


@pytest.mark.parametrize("address", ["/changes/CR%00/", "/runs/E%00/", "/evidence/%00/", "/incidents/%00/"])
def test_it_finds_nothing_at_an_address_with_a_nul_byte(address: str) -> None:
    assert client_of("ada").get(address).status_code == 404


def test_it_refuses_a_form_with_a_nul_byte(draft: ChangeRequest) -> None:
    where = reverse("change-documentation", args=[draft.code])
    answer = client_of("ada").post(where, {"version": draft.version, "title": "a\x00b"})
    assert answer.status_code == 400
    assert "NUL" in answer.content.decode()
    draft.refresh_from_db()
    assert "\x00" not in draft.title


@pytest.mark.parametrize("address", ["/changes/?person=%C2%B2", "/changes/?page=%C2%B2"])
def test_it_reads_only_plain_digits_as_a_number(address: str) -> None:
    assert client_of("ada").get(address).status_code == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"target": "999999"}, 409),
        ({"target": "99999999999999999999"}, 409),
        ({}, 409),
        ({"target": "here"}, 409),
        ({"target": "DEVELOPMENT", "direction": "sideways"}, 409),
    ],
)
def test_it_refuses_a_run_on_a_target_there_is_not(draft: ChangeRequest, given: dict[str, str], status: int) -> None:
    if given.get("target") == "DEVELOPMENT":
        given = given | {"target": str(rows.target("development", "development").pk)}
    where = reverse("act", args=[draft.code, "start_development"])
    assert client_of("ada").post(where, given).status_code == status
    assert not Execution.objects.exists()


@pytest.mark.parametrize("what", ["", "delete", "password\x7f"])
def test_it_refuses_what_cannot_be_done_to_an_account(what: str) -> None:
    ada = Person.objects.get(username="ada")
    where = reverse("change-person", args=[ada.pk])
    answer = client_of("olga").post(where, {"what": what, "reason": "because", "duty": "QA"})
    assert answer.status_code == 409
    assert ada.duties == {"author"}


@pytest.mark.parametrize("name", ["people", "change-sites"])
def test_it_answers_an_inspector_who_writes_with_a_missing_duty(name: str) -> None:
    answer = client_of("ines").post(reverse(name), {"username": "eve", "printed_name": "Eve", "reason": "why not"})
    assert answer.status_code == 403
