"""A new installation gets its first administrator on the command line, once."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from changecontrol.models import Person
from changecontrol.services import ceremony
from changecontrol.services.recording import SETUP, acting

pytestmark = pytest.mark.django_db


def first(**options: str) -> str:
    said = StringIO()
    call_command("first_administrator", "ruth", name="Ruth Okafor", stdout=said, **options)
    return said.getvalue()


def test_it_makes_the_first_administrator() -> None:
    with acting(SETUP):
        Person.objects.get(username="olga").groups.clear()
    said = first()
    ruth = Person.objects.get(username="ruth")
    assert ruth.duties == {"administrator"}
    password = said.split("shown only now: ")[1].split("\n")[0]
    assert ceremony.identify(ruth, password, what="a test", now=ruth.joined_at) == ruth
    assert ruth.duty_changes.get().reason == "first administrator of the installation"


def test_it_refuses_a_second_one() -> None:
    with pytest.raises(CommandError, match="already has an administrator"):
        first()
    assert not Person.objects.filter(username="ruth").exists()


def test_it_refuses_an_address_that_is_none() -> None:
    with acting(SETUP):
        Person.objects.get(username="olga").groups.clear()
    with pytest.raises(CommandError, match="address"):
        first(email="not an address")
