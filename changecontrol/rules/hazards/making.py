"""What a statement makes: kept so that a script may drop, fill and lock what nobody but itself knows yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.hazards.around import Around, commands, definition, relation
from changecontrol.rules.hazards.constraints import not_null_check
from changecontrol.rules.hazards.drops import detached
from changecontrol.rules.parser import choice, find, kind_of, names, unwrap

_CHANNELS = {"CreatePublicationStmt": "pubname", "CreateForeignServerStmt": "servername",
             "CreateFdwStmt": "fdwname"}  # fmt: skip
_TYPES = ("CreateEnumStmt", "CreateRangeStmt")


def note(node: Any, around: Around) -> None:
    """Keep what this statement makes, adds NOT VALID and validates."""
    around.made.update(made(node))
    for table, columns in indexed(node):
        around.indexed.append((table, columns))
    for name in detached(node):
        around.not_null_checks.pop(name, None)
    if kind_of(node) != "AlterTableStmt":
        return
    table = relation(node.relation)
    for kind, command in commands(node):
        if kind == "AT_AddConstraint":
            constraint = definition(command)
            column = not_null_check(constraint)
            if column:
                around.not_null_checks[constraint.conname] = (table, column)
            if constraint.skip_validation:
                around.unvalidated[constraint.conname] = table
            elif column:
                around.proven.add((table, column))
        elif kind == "AT_ValidateConstraint" and command.name in around.not_null_checks:
            around.proven.add(around.not_null_checks[command.name])


def made(node: Any) -> Iterator[tuple[str, str]]:
    """Everything a statement makes, as (kind, name): relations and code by their last name, members as table.name."""
    kind = kind_of(node)
    if kind == "CreateStmt":
        yield "relation", node.relation.relname
        yield "home", f"{node.relation.schemaname}.{node.relation.relname}"
    elif kind == "CreateForeignTableStmt":
        yield "relation", node.base_stmt.relation.relname
    elif kind == "CreateTableAsStmt":
        yield "relation", node.into.rel.relname
        yield "home", f"{node.into.rel.schemaname}.{node.into.rel.relname}"
    elif kind == "SelectStmt" and node.HasField("into_clause"):
        yield "relation", node.into_clause.rel.relname
    elif kind == "ViewStmt" and not node.replace:
        yield "relation", node.view.relname
    elif kind == "CreateSeqStmt":
        yield "relation", node.sequence.relname
    elif kind == "IndexStmt":
        yield "relation", node.idxname
    elif kind == "CreateSchemaStmt":
        yield "schema", node.schemaname
    elif kind == "CreateExtensionStmt":
        yield "extension", node.extname
    elif kind == "CreateFunctionStmt" and not node.replace:
        yield "function", names(node.funcname)[-1]
    elif kind in _CHANNELS:
        yield "channel", getattr(node, _CHANNELS[kind])
    elif kind in _TYPES:
        yield "type", names(node.type_name)[-1]
    elif kind == "CreateDomainStmt":
        yield "type", names(node.domainname)[-1]
    elif kind == "CompositeTypeStmt":
        yield "type", node.typevar.relname
    elif kind == "RenameStmt":
        yield "renamed", node.subname or (relation(node.relation) if node.HasField("relation") else "")
    else:
        yield from _members(node, kind)


def _members(node: Any, kind: str) -> Iterator[tuple[str, str]]:
    if kind == "CreateTrigStmt":
        yield "trigger", f"{node.relation.relname}.{node.trigname}"
    elif kind == "RuleStmt":
        yield "rule", f"{node.relation.relname}.{node.rulename}"
    elif kind == "CreatePolicyStmt":
        yield "policy", f"{node.table.relname}.{node.policy_name}"
    elif kind == "AlterTableStmt":
        table = node.relation.relname
        for action, command in commands(node):
            if action == "AT_AddColumn":
                column = definition(command)
                yield "column", f"{table}.{column.colname}"
                for item in column.constraints:
                    one = unwrap(item)
                    suffix = {"CONSTR_FOREIGN": "fkey", "CONSTR_CHECK": "check", "CONSTR_UNIQUE": "key"}
                    ending = suffix.get(choice(one, "contype"))
                    if one.conname or ending:
                        yield "constraint", f"{table}.{one.conname or f'{table}_{column.colname}_{ending}'}"
            elif action == "AT_AddConstraint":
                yield "constraint", f"{table}.{definition(command).conname}"
            elif action == "AT_SetNotNull":
                yield "not null", f"{relation(node.relation)}.{command.name}"
            elif action == "AT_ColumnDefault" and command.HasField("def"):
                yield "default", f"{relation(node.relation)}.{command.name}"
            elif action in ("AT_EnableRowSecurity", "AT_ForceRowSecurity"):
                yield "row security", relation(node.relation)


def keyed(node: Any) -> Iterator[str]:
    """The table that ALTER TABLE gives a primary key, as pg_dump writes it."""
    for kind, command in commands(node):
        if kind == "AT_AddConstraint" and choice(definition(command), "contype") == "CONSTR_PRIMARY":
            yield relation(node.relation)


def indexed(node: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The indexes a statement makes: table and columns."""
    kind = kind_of(node)
    if kind == "IndexStmt" and not node.HasField("where_clause"):
        yield relation(node.relation), tuple(unwrap(item).name for item in node.index_params)
    if kind not in ("CreateStmt", "AlterTableStmt"):
        return
    table = relation(node.relation)
    for column in find(node, "ColumnDef"):
        if any(choice(unwrap(one), "contype") in ("CONSTR_PRIMARY", "CONSTR_UNIQUE") for one in column.constraints):
            yield table, (column.colname,)
    for one in find(node, "Constraint"):
        if choice(one, "contype") in ("CONSTR_PRIMARY", "CONSTR_UNIQUE") and one.keys:
            yield table, tuple(names(one.keys))
