"""What fits no series, however well it is spelled: refused before files are written that could only fail."""

from __future__ import annotations

from typing import NoReturn

from changecontrol.rules.patterns import expressions, names
from changecontrol.rules.patterns.names import Name, Table
from changecontrol.rules.refusal import Refused

#: columns that every table has already
_SYSTEM = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


class KeyOfSeveral(Refused):
    """“{value}” are several columns, and batches walk along one. Name the first column of a unique index, or ctid to
    walk along the places of the rows. A table is split along one unique column only; with more, write it by hand.
    """


class KeyMoves(Refused):
    """{key} cannot be the key: it is a column that this series itself fills or takes away, so that rows could not be
    found by it all the time. Name another unique column, or ctid to walk along the places of the rows. Where {key} is
    the primary key, its constraint, its sequence and the foreign keys to it have to be moved by hand as well.
    """


class KeyIsPlace(Refused):
    """A table is split along a unique column whose value stays, and ctid is only the place of a row. Name the primary
    key.
    """


class SystemColumn(Refused):
    """Every table has a column {name} of its own already. Choose another name."""


def new_column(value: str) -> Name:
    """Read the name of a column that is added. Raises BadName or SystemColumn."""
    found = names.name(value, "a column")
    if found.text in _SYSTEM:
        raise SystemColumn(name=found.text)
    return found


def one_key(value: str) -> Name:
    """Read the column that batches walk along. Raises BadName or KeyOfSeveral."""
    if "," in value and '"' not in value:
        raise KeyOfSeveral(value=value)
    return names.name(value, "a key")


def key_stays(key: Name, *moving: Name) -> None:
    """Raise KeyMoves if the key is one of the columns that a series fills or takes away."""
    if key in moving:
        raise KeyMoves(key=key.text)


def made_of(value: str, what: str, table: Table, *, without: Name, needs: Name | None = None) -> str:
    """Check the expression that makes one column of others of its row. Raises BadExpression."""
    text = expressions.expression(value, what)
    own = ((), (table.name.text,), (table.schema.text, table.name.text) if table.schema else ())
    read = expressions.columns_of(text, what)
    for qualifier, column in read:
        if qualifier not in own:
            _refuse(value, what, f"name {column} alone, as a column of {table.name.text}.")
        if column == without.text:
            _refuse(value, what, f"it reads {column}, which it is to make.")
    if needs is not None and needs.text not in {column for _qualifier, column in read}:
        _refuse(value, what, f"it does not read {needs.text}, whose value it is to carry over.")
    if expressions.is_null(text):
        _refuse(value, what, "NULL is no value.")
    return text


def _refuse(value: str, what: str, why: str) -> NoReturn:
    raise expressions.BadExpression(value=value, what=what, why=why)
