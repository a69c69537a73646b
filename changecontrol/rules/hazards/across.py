"""What no single statement shows: locks held while later statements of the same transaction run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from changecontrol.rules.context import same
from changecontrol.rules.hazards.around import Around, alters_table, commands, relation
from changecontrol.rules.hazards.code import uses_value
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.parser import choice, find, kind_of, names, unwrap

RULES = {
    "two-tables-locked": Rule(
        "error",
        "{table} is locked against everybody while this transaction also locks {other}. Whoever holds one and waits for"
        " the other deadlocks with it, and until the commit both stand still.",
        "One BEGIN … COMMIT for each table; the runner repeats a step whose lock is not free at once.",
        Proof.EXCLUSIVE,
    ),
    "lock-held-meanwhile": Rule(
        "error",
        "{what} runs while {table} is still locked against {whom}, since line {line}: they wait for all of it.",
        "COMMIT; before it, so that the lock is held for milliseconds; rows are written by a batched step.",
        Proof.HELD,
    ),
    "sleeps-under-lock": Rule(
        "error",
        "{what} waits while {table} is locked against {whom}, since line {line}: they wait as well.",
        "Remove it, or COMMIT; before it.",
    ),
}

_SLEEPING = "pg_sleep()"
#: ALTER TABLE actions that leave readers and writers alone.
_GENTLE = ("AT_ValidateConstraint", "AT_SetStatistics", "AT_SetOptions", "AT_ResetOptions", "AT_ClusterOn",
           "AT_DropCluster", "AT_AttachPartition", "AT_DetachPartitionFinalize")  # fmt: skip
_ONLY_WRITERS = ("AT_DisableTrig", "AT_EnableTrig", "AT_DisableTrigAll", "AT_EnableTrigAll", "AT_DisableTrigUser",
                 "AT_EnableTrigUser", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig")  # fmt: skip

#: A node with the line it stands on.
Placed = tuple[Any, int]


class Held:
    """The locks a transaction step holds, as its text says, and the enum values it adds."""

    def __init__(self) -> None:
        self.exclusive: dict[str, int] = {}  # table to line
        self.writers: dict[str, int] = {}
        self.values: dict[str, str] = {}
        self.told = False

    def look(self, node: Any, line: int, around: Around) -> Iterator[Hit]:
        """Find what this statement does while earlier ones hold their locks; then keep its own locks."""
        yield from self._meanwhile(node, around)
        for value, name in self.values.items():
            if uses_value(node, value):
                yield Hit("enum-value-used", {"name": name, "value": f"'{value}'"})
        if kind_of(node) == "AlterEnumStmt" and node.new_val and not node.old_val:
            self.values[node.new_val] = ".".join(names(node.type_name))
        for table, exclusive in locked(node):
            if around.is_new(table):
                continue
            yield from self._second(table, exclusive)
            (self.exclusive if exclusive else self.writers).setdefault(table, line)

    def _second(self, table: str, exclusive: bool) -> Iterator[Hit]:
        others = [one for one in self.exclusive if not same(one, table)]
        others = others or [one for one in self.writers if exclusive and not same(one, table)]
        if others and table not in self.exclusive and not self.told:
            self.told = True
            yield Hit("two-tables-locked", {"table": others[0], "other": table})

    def _meanwhile(self, node: Any, around: Around) -> Iterator[Hit]:
        table = next(iter(self.exclusive or self.writers), "")
        what = _takes_time(node, around) if table else ""
        if what:
            whom, lines = ("everybody", self.exclusive) if self.exclusive else ("writers", self.writers)
            rule = "sleeps-under-lock" if what is _SLEEPING else "lock-held-meanwhile"
            yield Hit(rule, {"table": table, "what": what, "whom": whom, "line": str(lines[table])})


def _takes_time(node: Any, around: Around) -> str:
    """What a statement does that grows with a table that was there before, in words; empty for none."""
    kind = kind_of(node)
    calls = find(node, "FuncCall") if kind in ("SelectStmt", "CallStmt") else ()
    if any(names(call.funcname)[-1].startswith("pg_sleep") for call in calls):
        return _SLEEPING
    for name, what in (("UpdateStmt", "UPDATE"), ("DeleteStmt", "DELETE"), ("MergeStmt", "MERGE")):
        for found in find(node, name) if kind in ("SelectStmt", "InsertStmt", name) else ():
            if not around.is_new(relation(found.relation)):
                return f"{what} of {relation(found.relation)}"
    if kind == "InsertStmt" and node.HasField("select_stmt"):
        sources = [relation(one) for one in find(unwrap(node.select_stmt), "RangeVar")]
        old = [one for one in sources if not around.is_new(one)]
        return f"INSERT … SELECT from {old[0]}" if old else ""
    if kind == "IndexStmt" and not around.is_new(relation(node.relation)):
        return f"Building an index on {relation(node.relation)}"
    if kind == "AlterTableStmt":
        for action, command in commands(node):
            if action == "AT_ValidateConstraint" and command.name not in around.unvalidated:
                return f"VALIDATE CONSTRAINT on {relation(node.relation)}"
    return ""


def locked(node: Any) -> Iterator[tuple[str, bool]]:
    """The tables a statement locks: True against everybody, False against writers."""
    kind = kind_of(node)
    if alters_table(node):
        yield from _altered(node)
    elif (kind == "IndexStmt" and not node.concurrent) or kind == "CreateTrigStmt":
        yield relation(node.relation), False
    elif kind in ("RuleStmt", "ClusterStmt") and node.HasField("relation"):
        yield relation(node.relation), True
    elif kind in ("CreatePolicyStmt", "AlterPolicyStmt"):
        yield relation(node.table), True
    elif kind == "TruncateStmt":
        yield from ((relation(one), True) for one in find(node, "RangeVar"))
    elif kind == "LockStmt" and node.mode >= 5:
        yield from ((relation(unwrap(one)), node.mode == 8) for one in node.relations)
    elif kind == "RenameStmt" and choice(node, "rename_type") in ("OBJECT_TABLE", "OBJECT_COLUMN"):
        yield relation(node.relation), True
    elif kind == "DropStmt":
        yield from _dropped(node)
    elif kind == "CreateStmt":
        if node.HasField("partbound"):
            yield from ((relation(one), True) for item in node.inh_relations for one in find(item, "RangeVar"))
        yield from ((relation(one.pktable), False) for one in find(node, "Constraint") if one.HasField("pktable"))


def _altered(node: Any) -> Iterator[tuple[str, bool]]:
    table = relation(node.relation)
    actions = [kind for kind, _command in commands(node)]
    keys = [one for one in find(node, "Constraint") if one.HasField("pktable")]
    only_keys = all(kind == "AT_AddConstraint" for kind in actions) and len(keys) == len(actions)
    if not all(kind in _GENTLE for kind in actions):
        yield table, not (only_keys or all(kind in _ONLY_WRITERS for kind in actions))
    yield from ((relation(one.pktable), False) for one in keys)


def _dropped(node: Any) -> Iterator[tuple[str, bool]]:
    what = choice(node, "remove_type")
    for item in node.objects:
        parts: Sequence[str] = names(item)
        if what == "OBJECT_TABLE":
            yield ".".join(parts), True
        elif what in ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE") and len(parts) > 1:
            yield ".".join(parts[:-1]), True
