"""What a database holds, as plain values: what rules ask beyond the text of a script. Read by targets/context.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')


def quoted(*parts: str) -> str:
    """Write a name the way format('%I.%I') does; empty parts are left out."""
    return ".".join(part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts if part)


def parts(name: str) -> tuple[str, ...]:
    """Take a written name apart: public."My Table" is public, My Table."""
    return tuple(
        match.group(2) if match.group(2) is not None else match.group(1).replace('""', '"')
        for match in _PART.finditer(name)
    )


def last(name: str) -> str:
    """The last part of a written name."""
    found = parts(name)
    return found[-1] if found else ""


def same(one: str, other: str) -> bool:
    """Whether two names of relations may mean the same: one without schema could be in any."""
    a, b = parts(one), parts(other)
    if not a or not b or a[-1] != b[-1]:
        return False
    return len(a) < 2 or len(b) < 2 or a[-2] == b[-2]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `type` as format_type gives it; `domain` is the domain's name when it is one."""

    type: str
    not_null: bool = False
    default: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a table. `kind` is pg_constraint.contype; `refers` the table a foreign key points to."""

    kind: str
    definition: str
    columns: tuple[str, ...] = ()
    validated: bool = True
    refers: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An index; an expression among its columns is an empty name."""

    columns: tuple[str, ...]
    unique: bool = False
    valid: bool = True
    partial: bool = False
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A relation. `kind` is pg_class.relkind; `parent` the partitioned table it belongs to, `inherits` the table whose
    child it is without being a partition. Rows are an estimate.
    """

    kind: str = "r"
    rows: int = 0
    bytes: int = 0
    owner: str = ""
    parent: str = ""
    default_partition: bool = False
    row_security: bool = False
    forced: bool = False
    inherits: str = ""
    columns: Mapping[str, Column] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    triggers: Mapping[str, str] = field(default_factory=dict)  # name to pg_trigger.tgenabled
    views: tuple[str, ...] = ()  # views and materialized views that read it


@dataclass(frozen=True, slots=True)
class Function:
    """A function or procedure; `volatility` is i, s or v."""

    language: str
    body: str
    volatility: str = "v"


@dataclass(frozen=True, slots=True)
class Context:
    """Everything by its name, written as format('%I.%I') does. Functions are by name without arguments."""

    server_major: int = 0
    tables: Mapping[str, Table] = field(default_factory=dict)
    functions: Mapping[str, tuple[Function, ...]] = field(default_factory=dict)
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the tables that use it
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def table(self, name: str) -> Table | None:
        """The relation of this name; a name without schema prefers public."""
        found = self.full_name(name)
        return self.tables[found] if found else None

    def full_name(self, name: str) -> str:
        """The qualified name of a relation; empty when there is none."""
        if name in self.tables:
            return name
        fitting = [known for known in self.tables if same(known, name)]
        return next((known for known in fitting if known.startswith("public.")), fitting[0] if fitting else "")

    def root(self, name: str) -> str:
        """The uppermost table a partition or child belongs to, or the relation itself: one ALTER TABLE locks them all,
        from the root down.
        """
        for _ in range(32):
            table = self.tables.get(name)
            above = table and (table.parent or table.inherits)
            if not above:
                break
            name = above
        return name

    def above(self, name: str) -> list[str]:
        """A relation and every table it is a partition or child of."""
        found = [self.full_name(name)]
        while len(found) < 32 and (table := self.tables.get(found[-1])) and (table.parent or table.inherits):
            found.append(table.parent or table.inherits)
        return found

    def named_function(self, name: str) -> tuple[Function, ...]:
        """The functions of this name, in any schema when none is given."""
        return tuple(one for known, many in self.functions.items() if same(known, name) for one in many)
