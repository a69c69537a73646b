"""Browsers in which somebody has signed in."""

from __future__ import annotations

from django.test import Client

from changecontrol.models import Person
from changecontrol.services.recording import acting


def client_for(person: Person, *, enforce_csrf_checks: bool = False) -> Client:
    """Return a browser in which this person has signed in."""
    client = Client(enforce_csrf_checks=enforce_csrf_checks)
    with acting(person, reason="signed in"):
        client.force_login(person)
    return client


def client_of(username: str) -> Client:
    """Return a browser in which this person of the cast has signed in."""
    return client_for(Person.objects.get(username=username))
