"""What a rule knows beyond its statement: what the file made before, the policy, the catalog if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from changecontrol.rules.context import Context, Table, last, parts, quoted, same
from changecontrol.rules.parser import choice, kind_of, unwrap
from changecontrol.rules.policy import Policy

#: Stands for a name that code puts together when it runs.
UNKNOWN = "name_known_at_run_time"


@dataclass(slots=True)
class Around:
    """The surroundings of one statement. `made` holds what this file (for a rollback: the migration) created before."""

    policy: Policy
    context: Context | None = None
    rollback: bool = False
    made: set[tuple[str, str]] = field(default_factory=set)
    indexed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # table, columns: anywhere in the file
    keyed: set[str] = field(default_factory=set)  # tables that get a primary key: anywhere in the file
    unvalidated: dict[str, str] = field(default_factory=dict)  # constraint added NOT VALID in this step, to its table
    not_null_checks: dict[str, tuple[str, str]] = field(default_factory=dict)  # constraint to table, column
    proven: set[tuple[str, str]] = field(default_factory=set)  # table, column a validated CHECK proves to hold no NULL
    only_defined: bool = False  # the body of a function that this script makes and does not call
    looped: bool = False
    batched: bool = False
    inside: str = ""

    def has_made(self, kind: str, name: str) -> bool:
        """Whether the file made this object itself."""
        return (kind, last(name)) in self.made

    def is_new(self, name: str) -> bool:
        """Whether the file made this relation itself: nobody uses it yet. One that was there before stays in use,
        whatever CREATE … IF NOT EXISTS says, and one of the same name in another schema is another one.
        """
        schema = parts(name)[-2:-1]
        there = self.context.full_name(name) if self.context else ""
        if not self.has_made("relation", name) or (there and (schema or there.startswith("public."))):
            return False
        homes = {home for kind, home in self.made if kind == "home" and home.endswith(f".{last(name)}")}
        return not schema or not homes or bool({f"{schema[0]}.{last(name)}", f".{last(name)}"} & homes)

    def member_is_new(self, kind: str, table: str, name: str) -> bool:
        """Whether the file made a column, constraint, trigger, policy or rule of a table itself."""
        return self.is_new(table) or (kind, f"{last(table)}.{name}") in self.made

    def table(self, name: str) -> Table | None:
        """The table as the catalog has it."""
        return self.context.table(name) if self.context else None

    def protects(self, name: str) -> bool:
        """Whether the policy protects this table."""
        return self.policy.protects(name.replace('"', ""))

    def hashes(self, table: str, column: str) -> bool:
        """Whether a hash covers this column."""
        return self.policy.hashes(table.replace('"', ""), column)

    def is_indexed(self, table: str, columns: tuple[str, ...]) -> bool | None:
        """Whether an index begins with these columns, in any order; None when nobody can know."""
        wanted, count = set(columns), len(columns)
        if any(same(one, table) and set(found[:count]) == wanted for one, found in self.indexed):
            return True
        known = self.table(table)
        if known is None:
            return False if self.is_new(table) else None
        usable = (index for index in known.indexes.values() if index.valid and not index.partial)
        return any(set(index.columns[:count]) == wanted for index in usable)


def relation(node: Any) -> str:
    """The name of a RangeVar as the catalog would write it."""
    return quoted(node.schemaname, node.relname)


def commands(node: Any) -> Iterator[tuple[str, Any]]:
    """The actions of an ALTER TABLE with their kinds."""
    if kind_of(node) == "AlterTableStmt":
        for item in node.cmds:
            command = unwrap(item)
            yield choice(command, "subtype"), command


def alters_table(node: Any) -> bool:
    """Whether this is ALTER TABLE on something that holds rows."""
    kinds = ("OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE")
    return kind_of(node) == "AlterTableStmt" and choice(node, "objtype") in kinds


def definition(command: Any) -> Any:
    """The `def` of an ALTER TABLE action."""
    return unwrap(getattr(command, "def"))
