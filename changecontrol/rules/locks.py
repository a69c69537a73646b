"""How patient the runner may be with a statement, by the lock its kind takes (measured on PostgreSQL 14 to 18)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from changecontrol.rules.parser import choice, find, kind_of, switched_on, unwrap
from changecontrol.rules.plan import LockClass

STRONG, WRITE, PATIENT, NONE = LockClass.STRONG, LockClass.WRITE, LockClass.PATIENT, LockClass.NONE

#: ALTER TABLE actions that take SHARE UPDATE EXCLUSIVE only: readers and writers go on.
_PATIENT_ACTIONS = frozenset(
    {
        "AT_ValidateConstraint",
        "AT_SetStatistics",
        "AT_SetOptions",
        "AT_ResetOptions",
        "AT_SetRelOptions",
        "AT_ResetRelOptions",
        "AT_ClusterOn",
        "AT_DropCluster",
        "AT_DetachPartitionFinalize",
    }
)
_TABLE_OBJECTS = frozenset(
    {
        "OBJECT_TABLE",
        "OBJECT_VIEW",
        "OBJECT_MATVIEW",
        "OBJECT_FOREIGN_TABLE",
        "OBJECT_INDEX",
        "OBJECT_SEQUENCE",
        "OBJECT_COLUMN",
        "OBJECT_TABCONSTRAINT",
        "OBJECT_TRIGGER",
        "OBJECT_POLICY",
        "OBJECT_RULE",
    }
)
#: Kinds that lock no table against anybody who uses it.
_HARMLESS = frozenset(
    {
        "AlterDefaultPrivilegesStmt",
        "AlterEnumStmt",
        "AlterEventTrigStmt",
        "AlterFunctionStmt",
        "AlterRoleSetStmt",
        "AlterRoleStmt",
        "AlterStatsStmt",
        "CompositeTypeStmt",
        "ConstraintsSetStmt",
        "CreateCastStmt",
        "CreateConversionStmt",
        "CreateDomainStmt",
        "CreateEnumStmt",
        "CreateEventTrigStmt",
        "CreateExtensionStmt",
        "CreateFunctionStmt",
        "CreateRangeStmt",
        "CreateRoleStmt",
        "CreateSchemaStmt",
        "CreateSeqStmt",
        "CreateTableAsStmt",
        "DeclareCursorStmt",
        "DefineStmt",
        "DropRoleStmt",
        "FetchStmt",
        "GrantRoleStmt",
        "GrantStmt",
        "NotifyStmt",
        "VariableSetStmt",
        "VariableShowStmt",
    }
)


def lock_class(node: Any) -> LockClass:
    """Give the class of one statement. What is not known here is STRONG: careful, never surprising."""
    kind = kind_of(node)
    if kind in _HARMLESS:
        return NONE
    decide = _BY_KIND.get(kind)
    return decide(node) if decide else STRONG


def is_concurrent(node: Any) -> bool:
    """Whether the statement is written with CONCURRENTLY."""
    kind = kind_of(node)
    if kind == "ReindexStmt":
        return switched_on(node, "params", "concurrently")
    if kind == "AlterTableStmt":
        return any(found.concurrent for found in find(node, "PartitionCmd"))
    return bool(getattr(node, "concurrent", False))


def _alter_table(node: Any) -> LockClass:
    actions = {choice(unwrap(item), "subtype") for item in node.cmds}
    return PATIENT if is_concurrent(node) or actions <= _PATIENT_ACTIONS else STRONG


def _create_table(node: Any) -> LockClass:
    if node.HasField("partbound") or any(True for found in find(node, "Constraint") if found.HasField("pktable")):
        return STRONG  # the parent, or the table a foreign key points to, is locked against writers
    return PATIENT if node.inh_relations else NONE


def _unless_concurrent(node: Any) -> LockClass:
    return PATIENT if is_concurrent(node) else STRONG


def _drop(node: Any) -> LockClass:
    if node.concurrent:
        return PATIENT
    cascades = choice(node, "behavior") == "DROP_CASCADE"
    return STRONG if cascades or choice(node, "remove_type") in _TABLE_OBJECTS else NONE


def _vacuum(node: Any) -> LockClass:
    return STRONG if switched_on(node, "options", "full") else PATIENT


def _lock_table(node: Any) -> LockClass:
    if node.mode >= 5:  # SHARE and above conflict with writers
        return STRONG
    return {4: PATIENT, 3: WRITE, 2: WRITE}.get(node.mode, NONE)


def _rename(node: Any) -> LockClass:
    return STRONG if choice(node, "rename_type") in _TABLE_OBJECTS else NONE


def _by_object_type(node: Any) -> LockClass:
    return STRONG if choice(node, "object_type") in _TABLE_OBJECTS else NONE


def _comment(node: Any) -> LockClass:
    return PATIENT if choice(node, "objtype") in _TABLE_OBJECTS else NONE


def _select(node: Any) -> LockClass:
    writes = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "LockingClause")
    return WRITE if any(next(find(node, kind), None) is not None for kind in writes) else NONE


def _explain(node: Any) -> LockClass:
    return lock_class(unwrap(node.query)) if switched_on(node, "options", "analyze") else NONE


_BY_KIND: dict[str, Callable[[Any], LockClass]] = {
    "AlterObjectSchemaStmt": _by_object_type,
    "AlterOwnerStmt": _by_object_type,
    "AlterTableStmt": _alter_table,
    "CommentStmt": _comment,
    "CreateForeignTableStmt": lambda node: _create_table(node.base_stmt),
    "CreatePublicationStmt": lambda node: PATIENT,
    "CreateStatsStmt": lambda node: PATIENT,
    "CreateStmt": _create_table,
    "DeleteStmt": lambda node: WRITE,
    "DropStmt": _drop,
    "ExplainStmt": _explain,
    "IndexStmt": _unless_concurrent,
    "InsertStmt": lambda node: WRITE,
    "LockStmt": _lock_table,
    "MergeStmt": lambda node: WRITE,
    "RefreshMatViewStmt": _unless_concurrent,
    "ReindexStmt": _unless_concurrent,
    "RenameStmt": _rename,
    "SecLabelStmt": _comment,
    "SelectStmt": _select,
    "UpdateStmt": lambda node: WRITE,
    "VacuumStmt": _vacuum,
    "ViewStmt": lambda node: STRONG if node.replace else NONE,
}
