"""The columns that move to a table of their own, as people write them: types, NOT NULL, DEFAULT."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from changecontrol.rules.parser import choice, kind_of, parse_one, unwrap
from changecontrol.rules.patterns import expressions, names
from changecontrol.rules.patterns.names import Name
from changecontrol.rules.refusal import Refused

_HEAD = "CREATE TABLE x (\n"


class BadColumns(Refused):
    """“{value}” are no columns with types. Write them as in CREATE TABLE, with NOT NULL and DEFAULT where they have
    them and no other constraint: note text, score integer NOT NULL DEFAULT 0. Others are added by hand.
    """


class ColumnTwice(Refused):
    """{column} is named twice. Name each column that moves once."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A column that moves, as it is now."""

    name: Name
    type: str
    required: bool = False
    default: str = ""

    @property
    def sql(self) -> str:
        """The column in CREATE TABLE."""
        default = f" DEFAULT {self.default}" if self.default else ""
        return f"{self.name.sql} {self.type}{default}{' NOT NULL' if self.required else ''}"


def read(value: str) -> tuple[Moved, ...]:
    """Read the columns. Raises BadColumns, ColumnTwice, or what names and expressions refuse."""
    node = parse_one(f"{_HEAD}{value}\n)") if not re.search(r"--|/\*", value) else None
    items = [unwrap(item) for item in node.table_elts] if node is not None and kind_of(node) == "CreateStmt" else []
    if not items or any(kind_of(one) != "ColumnDef" for one in items):
        raise BadColumns(value=value)
    data = f"{_HEAD}{value}".encode()
    ends = [*(one.location for one in items[1:]), len(data)]
    found: list[Moved] = []
    for item, end in zip(items, ends, strict=True):
        one = _column(value, item, data[:end].rstrip().removesuffix(b","))
        if any(one.name == other.name for other in found):
            raise ColumnTwice(column=one.name.text)
        found.append(one)
    return tuple(found)


def _column(value: str, item: Any, data: bytes) -> Moved:
    """Read one column; `data` ends with it, and the places of the tree count within it."""
    if item.location < len(_HEAD):
        raise BadColumns(value=value)
    constraints = [unwrap(one) for one in item.constraints]
    kinds = [choice(one, "contype") for one in constraints]
    if len(set(kinds)) != len(kinds) or not set(kinds) <= {"CONSTR_NOTNULL", "CONSTR_DEFAULT"}:
        raise BadColumns(value=value)
    starts = [*sorted(one.location for one in constraints), len(data)]
    type_ = data[item.type_name.location : starts[0]].decode()
    default = ""
    for kind, one in zip(kinds, constraints, strict=True):
        if kind == "CONSTR_DEFAULT":
            written = data[one.location : starts[starts.index(one.location) + 1]].decode()
            default = expressions.constant(re.sub(r"^DEFAULT\b", "", written.strip(), flags=re.I), "a default")
    return Moved(Name(item.colname), names.type_name(type_), "CONSTR_NOTNULL" in kinds, default)
