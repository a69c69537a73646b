"""Which tables a statement touches, as far as its text tells: named relations, not what functions or triggers reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.parser import choice, kind_of, names, option, unwrap, walk

#: Relations that are no tables: their names would only look like tables in routing and collision checks.
_NOT_TABLES = ("OBJECT_INDEX", "OBJECT_SEQUENCE", "OBJECT_TYPE")
_RELATIONS = ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE")
#: Objects named table.object: the table is everything before the last part.
_ON_A_TABLE = ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE")


def tables(node: Any) -> tuple[str, ...]:
    """Give the names as written (folded as PostgreSQL folds them), in order of appearance, each once."""
    below = [(kind_of(found), found) for found in walk(node)]
    local = {found.ctename for kind, found in below if kind == "CommonTableExpr"}
    relations = [found for kind, found in below if kind == "RangeVar"]
    return tuple(dict.fromkeys(name for name in _named(node, relations) if name not in local))


def relation_name(node: Any) -> str:
    """Give a RangeVar's name, schema-qualified if it is written so."""
    return ".".join(part for part in (node.catalogname, node.schemaname, node.relname) if part)


def _named(node: Any, relations: list[Any]) -> Iterator[str]:
    kind = kind_of(node)
    if kind in ("DropStmt", "CommentStmt", "SecLabelStmt"):
        yield from _from_object_names(node, kind)
        return
    skipped = _skipped(node, kind)
    yield from (relation_name(found) for found in relations if found not in skipped)
    if kind in ("CreateSeqStmt", "AlterSeqStmt"):
        owner = option(node, "options", "owned_by")
        parts = names(owner.arg) if owner is not None else []
        if len(parts) > 1:
            yield ".".join(parts[:-1])


def _from_object_names(node: Any, kind: str) -> Iterator[str]:
    what = choice(node, "remove_type" if kind == "DropStmt" else "objtype")
    for item in node.objects if kind == "DropStmt" else [node.object]:
        parts = names(item)
        if what in _RELATIONS:
            yield ".".join(parts)
        elif what in _ON_A_TABLE and len(parts) > 1:
            yield ".".join(parts[:-1])


def _skipped(node: Any, kind: str) -> list[Any]:
    """Relations in the statement that are indexes, sequences or types."""
    if kind == "CompositeTypeStmt":
        return [node.typevar]
    if kind in ("CreateSeqStmt", "AlterSeqStmt"):
        return [node.sequence]
    if kind == "ReindexStmt" and choice(node, "kind") == "REINDEX_OBJECT_INDEX":
        return [node.relation]
    if kind == "AlterTableStmt" and choice(node, "objtype") in _NOT_TABLES:
        return [found for found in walk(node) if kind_of(found) == "RangeVar"]
    if kind == "RenameStmt" and choice(node, "rename_type") in _NOT_TABLES:
        return [node.relation]
    if kind == "AlterObjectSchemaStmt" and choice(node, "object_type") in _NOT_TABLES:
        return [node.relation]
    if kind == "GrantStmt" and choice(node, "objtype") == "OBJECT_SEQUENCE":
        return [unwrap(item) for item in node.objects]
    return []
