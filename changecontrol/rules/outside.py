"""The locks of statements that run outside a transaction, from the manual: an observer may be too slow to see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from changecontrol.rules.locks import is_concurrent
from changecontrol.rules.parser import choice, find, kind_of, names, parse_one, switched_on, unwrap

_POLITE, _SHARE, _EXCLUSIVE = "SHARE UPDATE EXCLUSIVE", "SHARE", "ACCESS EXCLUSIVE"


@dataclass(frozen=True, slots=True)
class Certain:
    """A lock that a statement takes. `parts` name its table, or with `by_index` one of its indexes; () means every
    table of the database.
    """

    parts: tuple[str, ...]
    mode: str
    by_index: bool = False


def certain(sql: str) -> tuple[Certain, ...]:
    """Every lock that the text alone tells; () for a statement that is not known here."""
    node = parse_one(sql)
    if node is None:
        return ()
    match kind_of(node):
        case "IndexStmt":
            return (Certain(_parts(node.relation), _POLITE),)
        case "DropStmt":
            return tuple(Certain(tuple(names(item)), _POLITE, by_index=True) for item in node.objects)
        case "ReindexStmt":
            return _reindex(node)
        case "VacuumStmt":
            return _vacuum(node)
        case "AlterTableStmt":
            return _detach(node)
        case "InsertStmt" | "UpdateStmt" | "DeleteStmt":  # batched: many transactions
            return (Certain(_parts(node.relation), "ROW EXCLUSIVE"),)
    return ()


def of_rebuilt(sql: str) -> str:
    """The lock on a table whose index the statement has built anew."""
    node = parse_one(sql)
    return _POLITE if node is not None and is_concurrent(node) else _SHARE


def _parts(relation: Any) -> tuple[str, ...]:
    return tuple(part for part in (relation.schemaname, relation.relname) if part)


def _reindex(node: Any) -> tuple[Certain, ...]:
    kind = choice(node, "kind")
    if kind not in ("REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"):
        return ()  # which tables these are is seen by what was rebuilt
    mode = _POLITE if is_concurrent(node) else _SHARE
    return (Certain(_parts(node.relation), mode, by_index=kind == "REINDEX_OBJECT_INDEX"),)


def _vacuum(node: Any) -> tuple[Certain, ...]:
    mode = _EXCLUSIVE if switched_on(node, "options", "full") else _POLITE
    relations = [unwrap(item).relation for item in node.rels]
    return tuple(Certain(_parts(relation), mode) for relation in relations) or (Certain((), mode),)


def _detach(node: Any) -> tuple[Certain, ...]:
    """The second of its two transactions locks the partition as a whole, after its users are gone."""
    parent = Certain(_parts(node.relation), _POLITE)
    return parent, *(Certain(_parts(found.name), _EXCLUSIVE) for found in find(node, "PartitionCmd"))
