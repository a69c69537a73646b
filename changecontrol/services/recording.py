"""acting(): who writes, under which duty, and why. The only way to write; PostgreSQL refuses the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from changecontrol.models import Person
from changecontrol.models.history import Actor, current_actor

#: named system actors; everything else is a person
MIGRATE = "migrate"
SWEEP = "sweep"
WORKER = "worker"
ANONYMOUS = "anonymous sign-in"
SETUP = "setup"


def as_actor(actor: Person | str | Actor, *, duty: str = "", reason: str = "") -> Actor:
    """Return the Actor for a person or the name of a system actor."""
    if isinstance(actor, Actor):
        return actor
    if isinstance(actor, Person):
        return Actor(person_id=actor.pk, name=actor.printed_name, duty=duty, reason=reason)
    return Actor(person_id=None, name=actor, duty=duty, reason=reason)


@contextmanager
def acting(actor: Person | str | Actor, *, duty: str = "", reason: str = "", durable: bool = False) -> Iterator[Actor]:
    """Open a transaction in which `actor` writes, and name it to PostgreSQL and to the histories.

    Every table of ours refuses a statement in a transaction that names no actor (21 CFR 11.10(e)). The setting is local
    to the transaction, so a pooled or reused connection can never carry it over. `durable` makes sure that the write
    is committed when the block ends, whatever the caller does next.
    """
    who = as_actor(actor, duty=duty, reason=reason)
    token = current_actor.set(who)
    try:
        with transaction.atomic(durable=durable):
            named = json.dumps({"id": who.person_id, "name": who.name, "duty": who.duty, "reason": who.reason})
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('changecontrol.actor', %s, true)", [named])
            yield who
            if token.old_value is not token.MISSING and token.old_value is not None:
                _rename(token.old_value)
    finally:
        current_actor.reset(token)


def _rename(outer: Actor) -> None:
    """Name the outer actor again when an inner acting() inside the same transaction ends."""
    named = json.dumps({"id": outer.person_id, "name": outer.name, "duty": outer.duty, "reason": outer.reason})
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('changecontrol.actor', %s, true)", [named])
