"""Building, rebuilding and dropping indexes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import quoted
from changecontrol.rules.hazards.around import Around, relation
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.locks import is_concurrent
from changecontrol.rules.parser import choice, kind_of, names, unwrap

RULES = {
    "create-index": Rule(
        "error",
        "Building the index reads all of {table} while SHARE keeps every writer out.",
        "CREATE {unique}INDEX CONCURRENTLY {name} ON {table} ({columns}); outside of BEGIN … COMMIT.",
        Proof.BUILD,
    ),
    "index-if-not-exists": Rule(
        "error",
        "IF NOT EXISTS keeps an INVALID index of this name, left by a build that was cut off. The runner inspects and"
        " rebuilds by itself.",
        "CREATE {unique}INDEX CONCURRENTLY {name} ON {table} ({columns}); without IF NOT EXISTS.",
    ),
    "index-concurrently-partitioned": Rule(
        "error",
        "{table} is partitioned: PostgreSQL refuses to build an index on it concurrently, and the step fails.",
        "CREATE INDEX {name} ON ONLY {table} ({columns}); then CREATE INDEX CONCURRENTLY on each partition, and ALTER"
        " INDEX {name} ATTACH PARTITION … for each.",
    ),
    "drop-index": Rule(
        "error",
        "DROP INDEX takes ACCESS EXCLUSIVE on the table of {name}: behind one long reader everybody waits.",
        "DROP INDEX CONCURRENTLY {name}; outside of BEGIN … COMMIT.",
        Proof.LOCK,
    ),
    "reindex": Rule(
        "error",
        "REINDEX builds {name} anew while writers are kept out, and readers that would use the index.",
        "REINDEX {kind} CONCURRENTLY {name}; outside of BEGIN … COMMIT.",
    ),
    "cluster": Rule(
        "error",
        "CLUSTER writes {table} and all its indexes anew while ACCESS EXCLUSIVE keeps everybody out.",
        "Leave the order of rows alone; an index gives the order that a query needs.",
    ),
}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find what happens to indexes of tables that were there before."""
    kind = kind_of(node)
    if kind == "IndexStmt":
        yield from _created(node, around)
    elif kind == "DropStmt" and choice(node, "remove_type") == "OBJECT_INDEX" and not node.concurrent:
        for item in node.objects:
            name = quoted(*names(item))
            if not around.has_made("relation", name):
                yield Hit("drop-index", {"name": name, "table": _table_of(name, around)})
    elif kind == "ReindexStmt" and not is_concurrent(node):
        name = relation(node.relation) if node.HasField("relation") else node.name or "the database"
        what = choice(node, "kind").removeprefix("REINDEX_OBJECT_")
        if not around.is_new(name):
            yield Hit("reindex", {"name": name, "kind": what, "table": name})
    elif kind == "ClusterStmt":
        table = relation(node.relation) if node.HasField("relation") else "every clustered table"
        if not around.is_new(table):
            yield Hit("cluster", {"table": table})


def _created(node: Any, around: Around) -> Iterator[Hit]:
    table = relation(node.relation)
    columns = ", ".join(quoted(unwrap(item).name) or "(…)" for item in node.index_params)
    unique = "UNIQUE " if node.unique else ""
    said = {"table": table, "name": quoted(node.idxname), "columns": columns, "unique": unique}
    known = around.table(table)
    if node.concurrent:
        if node.if_not_exists:
            yield Hit("index-if-not-exists", said)
        if known is not None and known.kind == "p":
            yield Hit("index-concurrently-partitioned", said)
    elif not around.is_new(table) and node.relation.inh:
        yield Hit("create-index", said)


def _table_of(index: str, around: Around) -> str:
    if around.context is None:
        return ""
    wanted = index.split(".")[-1]
    return next((name for name, table in around.context.tables.items() if wanted in table.indexes), "")
