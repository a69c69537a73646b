"""What writes whole tables anew: partitions, VACUUM FULL, tablespaces, materialized views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import quoted
from changecontrol.rules.hazards.around import Around, alters_table, commands, definition, relation
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.parser import choice, find, kind_of, switched_on

RULES = {
    "vacuum-full": Rule(
        "error",
        "VACUUM FULL writes {table} and its indexes anew while ACCESS EXCLUSIVE keeps everybody out.",
        "VACUUM {table}; gives the space back to the table without stopping anybody.",
    ),
    "set-logged": Rule(
        "error",
        "{what} writes {table} anew while ACCESS EXCLUSIVE keeps everybody out; an UNLOGGED table is empty after a"
        " crash.",
        "Create a new table and move the rows with a batched step.",
    ),
    "move-table": Rule(
        "error",
        "{what} writes {table} anew while ACCESS EXCLUSIVE keeps everybody out.",
        "Create a new table there and move the rows with a batched step.",
        Proof.REWRITE,
    ),
    "attach-partition": Rule(
        "error",
        "Attaching {other} reads all of it, and the DEFAULT partition of {table}, to see that every row belongs there,"
        " while both are locked against everybody.",
        "First ALTER TABLE {other} ADD CONSTRAINT … CHECK (the partition's bounds) NOT VALID, and VALIDATE it in a"
        " later step; the same, negated, for the DEFAULT partition. Then ATTACH needs no scan.",
        Proof.SCAN,
    ),
    "detach-partition": Rule(
        "error",
        "Detaching {other} locks {table}, {other} and the DEFAULT partition against everybody.",
        "ALTER TABLE {table} DETACH PARTITION {other} CONCURRENTLY; outside of BEGIN … COMMIT.",
    ),
    "no-inherit": Rule(
        "error",
        "{table} no longer belongs to {other}: queries on {other} miss its rows from here on, without an error.",
        "Release the version that reads {table} by its own name first, and say in the change who still needs the rows.",
    ),
    "create-partition": Rule(
        "error",
        "A new partition of {table} is created under ACCESS EXCLUSIVE on {table}, and the DEFAULT partition is read"
        " for rows that belong to it.",
        "CREATE TABLE {name} (LIKE {table} INCLUDING ALL); then ALTER TABLE {table} ATTACH PARTITION {name} …, which"
        " leaves {table} open to everybody.",
    ),
    "create-materialized-view": Rule(
        "error",
        "The query of {name} runs to its end inside this transaction, with whatever load it is on production.",
        "CREATE MATERIALIZED VIEW {name} AS … WITH NO DATA; CREATE UNIQUE INDEX on it; REFRESH it outside of working"
        " hours.",
    ),
    "refresh-materialized-view": Rule(
        "error",
        "REFRESH computes {name} anew while ACCESS EXCLUSIVE keeps every reader out.",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY {name}; needs a unique index on it.",
    ),
}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find what writes or reads whole tables."""
    kind = kind_of(node)
    if alters_table(node):
        yield from _altered(node, around)
    elif kind == "VacuumStmt" and switched_on(node, "options", "full"):
        tables = [relation(one) for one in find(node, "RangeVar")] or ["every table"]
        yield from (Hit("vacuum-full", {"table": table}) for table in tables if not around.is_new(table))
    elif kind == "CreateStmt" and node.HasField("partbound"):
        parent = next((relation(one) for item in node.inh_relations for one in find(item, "RangeVar")), "")
        if not around.is_new(parent):
            yield Hit("create-partition", {"table": parent, "name": relation(node.relation)})
    elif kind == "CreateTableAsStmt" and choice(node, "objtype") == "OBJECT_MATVIEW" and not node.into.skip_data:
        yield Hit("create-materialized-view", {"name": relation(node.into.rel), "table": relation(node.into.rel)})
    elif kind == "RefreshMatViewStmt" and not node.concurrent and not around.is_new(relation(node.relation)):
        yield Hit("refresh-materialized-view", {"name": relation(node.relation), "table": relation(node.relation)})


def _altered(node: Any, around: Around) -> Iterator[Hit]:
    table = relation(node.relation)
    if around.is_new(table):
        return
    for kind, command in commands(node):
        if kind in ("AT_SetLogged", "AT_SetUnLogged"):
            yield Hit(
                "set-logged", {"table": table, "what": "SET LOGGED" if kind == "AT_SetLogged" else "SET UNLOGGED"}
            )
        elif kind in ("AT_SetTableSpace", "AT_SetAccessMethod"):
            what = "SET TABLESPACE" if kind == "AT_SetTableSpace" else "SET ACCESS METHOD"
            yield Hit("move-table", {"table": table, "what": f"{what} {quoted(command.name)}"})
        elif kind == "AT_AttachPartition":
            other = relation(definition(command).name)
            if not around.is_new(other) or _has_default(table, around):
                yield Hit("attach-partition", {"table": table, "other": other})
        elif kind == "AT_DropInherit":
            yield Hit("no-inherit", {"table": table, "other": relation(definition(command))})
        elif kind == "AT_DetachPartition" and not definition(command).concurrent:
            yield Hit("detach-partition", {"table": table, "other": relation(definition(command).name)})


def _has_default(table: str, around: Around) -> bool:
    """Whether a DEFAULT partition may be read; without a catalog nobody knows."""
    if around.context is None:
        return True
    full = around.context.full_name(table)
    return any(one.parent == full and one.default_partition for one in around.context.tables.values())
