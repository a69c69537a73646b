"""What a statement does, as far as reviews are concerned: Statement and Policy to deeds, each with a phrase.

Errs on the side of more: what is not understood is the deed "other", and no deed is ever taken away by another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.plan import Statement
from changecontrol.rules.policy import Policy

#: Functions in a SELECT that are known to change nothing. Any other call may do anything.
HARMLESS = frozenset(
    re.findall(
        r"\w+",
        "array_agg avg bool_and bool_or clock_timestamp concat count current_setting format length lower max min now "
        "num_nonnulls num_nulls round string_agg sum to_char to_regclass to_regproc to_regprocedure upper version",
    )
)

_BY_KIND: dict[str, tuple[str, ...]] = {
    "AlterDefaultPrivilegesStmt": ("grant",),
    "AlterEventTrigStmt": ("trigger",),
    "AlterFunctionStmt": ("function",),
    "AlterOwnerStmt": ("grant",),
    "AlterPolicyStmt": ("row-security",),
    "AlterRoleSetStmt": ("role",),
    "AlterRoleStmt": ("role",),
    "AlterSeqStmt": ("other",),  # a restarted sequence may give numbers twice
    "CallStmt": ("procedural",),
    "ClusterStmt": ("rewrites",),
    "CommentStmt": ("comment",),
    "CompositeTypeStmt": ("new-table",),
    "CreateDomainStmt": ("new-table",),
    "CreateEnumStmt": ("new-table",),
    "CreateEventTrigStmt": ("trigger",),
    "CreateFunctionStmt": ("function",),
    "CreatePolicyStmt": ("row-security",),
    "CreateRoleStmt": ("role",),
    "CreateSchemaStmt": ("new-table",),
    "CreateSeqStmt": ("sequence",),
    "CreateStmt": ("new-table",),
    "CreateTrigStmt": ("trigger",),
    "DeleteStmt": ("deletes",),
    "DoStmt": ("procedural",),
    "DropOwnedStmt": ("drops", "grant"),
    "DropRoleStmt": ("role", "drops"),
    "GrantRoleStmt": ("role", "grant"),
    "GrantStmt": ("grant",),
    "IndexStmt": ("index",),
    "InsertStmt": ("inserts",),
    "ReassignOwnedStmt": ("grant",),
    "ReindexStmt": ("index",),
    "RuleStmt": ("rule",),
    "TruncateStmt": ("truncates",),
    "UpdateStmt": ("rewrites",),
    "ViewStmt": ("new-table",),
}

_DROPS = {
    "OBJECT_EVENT_TRIGGER": ("drops", "trigger"),
    "OBJECT_FUNCTION": ("drops", "function"),
    "OBJECT_INDEX": ("index",),
    "OBJECT_POLICY": ("drops", "row-security"),
    "OBJECT_PROCEDURE": ("drops", "function"),
    "OBJECT_RULE": ("drops", "rule"),
    "OBJECT_TRIGGER": ("drops", "trigger"),
}

_SETTINGS = {
    "role": "role",
    "row_security": "row-security",
    "session_authorization": "role",
    "session_replication_role": "trigger",
}

#: Types that the parser leaves as written and that carry no default of their own.
_BUILT_IN = frozenset(
    ("bytea", "cidr", "date", "inet", "json", "jsonb", "macaddr", "money", "oid", "text", "uuid", "xml")
)

_WRITES = ("DeleteStmt", "InsertStmt", "MergeStmt", "UpdateStmt")
_MERGES = {"CMD_DELETE": "deletes", "CMD_INSERT": "inserts", "CMD_UPDATE": "rewrites"}


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing a statement does: a name out of `policy.DEEDS`, and the phrase that goes behind "Statement 3"."""

    name: str
    phrase: str


def deeds(statement: Statement, policy: Policy) -> tuple[Deed, ...]:
    """Everything the statement does, the gravest first; never empty."""
    node = parser.parse_one(statement.sql)
    if node is None:
        return (Deed("other", "cannot be read by this program"),)
    tables = touched(node, statement)
    found = [*_protected(node, tables, policy), *_hashed(node, tables, policy)]
    names = list(dict.fromkeys(_names(node)))
    return tuple(found + [Deed(name, _PHRASES[name]) for name in names])


_PHRASES = {
    "trigger": "creates, changes, switches or drops a trigger",
    "rule": "creates, changes or drops a rewrite rule",
    "row-security": "changes row-level security",
    "grant": "changes who has which rights",
    "role": "changes a role",
    "deletes": "deletes rows",
    "truncates": "empties a table",
    "rewrites": "changes values in existing rows",
    "drops": "drops something",
    "function": "creates, changes or drops a function",
    "procedural": "runs code that decides for itself",
    "inserts": "adds rows",
    "reads": "only reads",
    "comment": "only describes something",
    "index": "builds or drops an index",
    "new-table": "creates something new beside the existing tables",
    "new-column": "adds a column without values",
    "sequence": "creates a sequence",
    "other": "does something that no rule names",
}


def touched(node: Any, statement: Statement) -> tuple[str, ...]:
    """Every table that the statement names anywhere, as written."""
    found = dict.fromkeys(statement.tables)
    for relation in parser.find(node, "RangeVar"):
        found[f"{relation.schemaname}.{relation.relname}" if relation.schemaname else relation.relname] = None
    if parser.kind_of(node) in ("DropStmt", "CommentStmt", "SecLabelStmt"):
        found.update(dict.fromkeys(_object_names(node)))
    return tuple(found)


def _object_names(node: Any) -> Iterator[str]:
    """Names below DROP, COMMENT and SECURITY LABEL: lists of strings whose last part may be a column or trigger."""
    for found in parser.find(node, "List"):
        parts = parser.names(found)
        yield ".".join(parts)
        if len(parts) > 1:
            yield ".".join(parts[:-1])


def _protected(node: Any, tables: tuple[str, ...], policy: Policy) -> Iterator[Deed]:
    for table in tables:
        if policy.protects(table):
            yield Deed("protected-table", f"touches `{table}`, a protected table")
            return
    for text in _bodies(node):
        words = set(re.findall(r"\w+", text))
        for name in policy.protected_tables:
            if name.rpartition(".")[2] in words:
                yield Deed("protected-table", f"names `{name}`, a protected table, in its code")
                return


def _bodies(node: Any) -> Iterator[str]:
    """Code given as text: the bodies of functions and DO blocks, and names hidden in string constants there."""
    for found in parser.find(node, "DefElem"):
        if found.defname == "as":
            yield from (string.sval for string in parser.find(found, "String"))


def _hashed(node: Any, tables: tuple[str, ...], policy: Policy) -> Iterator[Deed]:
    if parser.kind_of(node) in ("SelectStmt", "DoStmt", "CreateFunctionStmt", "CreatePolicyStmt", "GrantStmt"):
        return
    for column in dict.fromkeys(_columns(node)):
        for table in tables or ("",):
            if policy.hashes(table, column):
                yield Deed("hashed-column", f"touches `{column}`, a column that a hash or signature depends on")
                return


def _columns(node: Any) -> Iterator[str]:
    """Columns that are written, altered, described or named anew; not those that are only read."""
    kind = parser.kind_of(node)
    if kind == "RenameStmt":
        yield from (node.subname, node.newname)
    if kind == "CommentStmt" and parser.choice(node, "objtype") == "OBJECT_COLUMN":
        yield parser.names(node.object)[-1]
    for found in parser.walk(node):
        inner = parser.kind_of(found)
        if inner == "AlterTableCmd":
            yield found.name
        elif inner == "ColumnDef":
            yield found.colname
        elif inner == "UpdateStmt":
            yield from (parser.unwrap(target).name for target in found.target_list)


def _names(node: Any) -> Iterator[str]:
    kind = parser.kind_of(node)
    if kind == "SelectStmt":
        yield from _select(node)
    elif kind == "AlterTableStmt":
        for command in parser.find(node, "AlterTableCmd"):
            yield from _alter(command)
    elif kind == "DropStmt":
        yield from _DROPS.get(parser.choice(node, "remove_type"), ("drops",))
    elif kind == "VariableSetStmt":
        yield _SETTINGS.get(node.name.lower(), "other")
    elif kind == "RenameStmt" and parser.choice(node, "rename_type") in ("OBJECT_TRIGGER", "OBJECT_POLICY"):
        yield "trigger" if parser.choice(node, "rename_type") == "OBJECT_TRIGGER" else "row-security"
    elif kind == "CopyStmt" and node.is_from:
        yield "inserts"
    elif kind == "VacuumStmt" and parser.switched_on(node, "options", "full"):
        yield "rewrites"
    elif kind != "MergeStmt":
        yield from _BY_KIND.get(kind, ("other",))
    yield from _within(node)


def _within(node: Any) -> Iterator[str]:
    """What hides inside: writing WITH queries, ON CONFLICT, MERGE branches, elements of CREATE SCHEMA, triggers."""
    for found in parser.walk(node):
        kind = parser.kind_of(found)
        if found is not node:
            yield from _BY_KIND.get(kind, ())
        if kind == "MergeWhenClause":
            yield _MERGES.get(parser.choice(found, "command_type"), "other")
        elif kind == "OnConflictClause" and parser.choice(found, "action") == "ONCONFLICT_UPDATE":
            yield "rewrites"
        elif kind == "CreateFunctionStmt" and _returns_trigger(found):
            yield "trigger"
        elif (kind == "CreateStmt" and found.inh_relations) or (kind == "ViewStmt" and found.replace):
            yield "other"


def _returns_trigger(node: Any) -> bool:
    return bool(node.return_type.names) and parser.names(node.return_type.names)[-1] in ("trigger", "event_trigger")


def _select(node: Any) -> Iterator[str]:
    if node.HasField("into_clause"):
        yield "new-table"
    yield "reads" if reads_only(node) else "other"


def reads_only(node: Any) -> bool:
    """Whether a SELECT writes nothing: no INTO, no row locks, no writing WITH, no function that we do not know."""
    calls = {parser.names(call.funcname)[-1] for call in parser.find(node, "FuncCall")}
    writes = any(parser.kind_of(each) in ("IntoClause", "LockingClause", *_WRITES) for each in parser.walk(node))
    return calls <= HARMLESS and not writes


def _alter(command: Any) -> Iterator[str]:
    kind = parser.choice(command, "subtype")
    if "Trig" in kind:
        yield "trigger"
    elif "RowSecurity" in kind:
        yield "row-security"
    elif kind.endswith("Rule"):
        yield "rule"
    elif kind == "AT_ChangeOwner":
        yield "grant"
    elif kind == "AT_DropColumn":
        yield "drops"
    elif kind == "AT_AlterColumnType":
        yield "rewrites"
    elif kind == "AT_AddColumn":
        yield "rewrites" if gives_values(command) else "new-column"
    else:
        yield "other"


def gives_values(command: Any) -> bool:
    """Whether an ADD COLUMN may give existing rows a value or check them: default, identity, constraint, or a type
    that is not built in, behind which a domain with a default or serial may stand.
    """
    column = parser.unwrap(getattr(command, "def"))
    written = parser.names(column.type_name.names)
    return bool(column.constraints) or not (written[0] == "pg_catalog" or written[-1] in _BUILT_IN)
