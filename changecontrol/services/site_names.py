"""Names of environments and targets: readable, and one for each for ever."""

from __future__ import annotations

from typing import TypeVar

from django.db import IntegrityError, transaction

from changecontrol.models import Environment, Target
from changecontrol.rules.refusal import Refused

Row = TypeVar("Row", Environment, Target)


class NameMissing(Refused):
    """The name of the {what} must have 1 to 60 printable characters."""


class NameInUse(Refused):
    """The name {name} belongs to another {what}. Choose another name; those of retired ones stay taken."""


def readable(name: str, what: str) -> str:
    """Return the name in its one spelling, or raise NameMissing."""
    said = " ".join(name.split())
    if not 0 < len(said) <= 60 or not said.isprintable():
        raise NameMissing(what=what)
    return said


def ensure_free(model: type[Environment] | type[Target], name: str, what: str, *, but: int = 0) -> None:
    """Raise NameInUse if another row has this name, whatever its case."""
    if model._default_manager.filter(name__iexact=name).exclude(pk=but).exists():
        raise NameInUse(what=what, name=name)


def saved(row: Row, what: str) -> Row:
    """Save the row; somebody who took the name in the same instant is refused like everybody else."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise NameInUse(what=what, name=row.name) from None
    return row
