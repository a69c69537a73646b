"""Adding, validating and dropping constraints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import last, quoted
from changecontrol.rules.hazards.around import Around, alters_table, commands, definition, relation
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.parser import choice, find, kind_of, names, unwrap

RULES = {
    "add-check": Rule(
        "error",
        "The new CHECK is verified for every row of {table} while ACCESS EXCLUSIVE keeps everybody out.",
        "ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (…) NOT VALID; in a later step ALTER TABLE {table} VALIDATE"
        " CONSTRAINT {name};",
        Proof.SCAN,
    ),
    "add-foreign-key": Rule(
        "error",
        "The foreign key is checked for every row of {table} while SHARE ROW EXCLUSIVE keeps writers out of {table} and"
        " of {other}.",
        "ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns}) REFERENCES {other} NOT VALID; in a later"
        " step ALTER TABLE {table} VALIDATE CONSTRAINT {name};",
        Proof.SCAN,
    ),
    "foreign-key-without-index": Rule(
        "error",
        "No index begins with {columns} of {table}: every UPDATE of a key and every DELETE in {other} reads all of"
        " {table}.",
        "CREATE INDEX CONCURRENTLY ON {table} ({columns}); before the foreign key.",
    ),
    "add-unique": Rule(
        "error",
        "{what} builds its index on {table} while ACCESS EXCLUSIVE keeps everybody out.",
        "CREATE UNIQUE INDEX CONCURRENTLY {name}_idx ON {table} ({columns}); ALTER TABLE {table} ADD CONSTRAINT {name}"
        " {what} USING INDEX {name}_idx;",
        Proof.BUILD,
    ),
    "add-exclusion": Rule(
        "error",
        "EXCLUDE builds its index on {table} while ACCESS EXCLUSIVE keeps everybody out; there is no way to build it"
        " beforehand.",
        "Create a new table with the constraint and move the rows with a batched step, or check with a trigger.",
        Proof.BUILD,
    ),
    "primary-key-scan": Rule(
        "error",
        "The index is there, but its columns may be NULL: making them NOT NULL reads every row of {table} while ACCESS"
        " EXCLUSIVE keeps everybody out.",
        "First ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT in a later step, SET NOT NULL;"
        " then ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX …;",
        Proof.SCAN,
    ),
    "drop-constraint": Rule(
        "error",
        "Without {name}, {table} takes values that it refused until now. A foreign key also locks the table it points"
        " to against everybody.",
        "Say in the change why the rule no longer holds; for a foreign key, set a window in which both tables may"
        " wait.",
    ),
    "constraint-not-enforced": Rule(
        "error",
        "{name} of {table} is no longer enforced, or never was: it only claims what nobody checks.",
        "ADD CONSTRAINT … NOT VALID enforces it for new rows; VALIDATE CONSTRAINT checks the old ones.",
    ),
    "validate-together": Rule(
        "error",
        "{name} is added NOT VALID and validated in one transaction: the scan of {table} happens under the strong lock"
        " that NOT VALID was to avoid.",
        "COMMIT; between them: ALTER TABLE {table} VALIDATE CONSTRAINT {name}; in a transaction of its own.",
        Proof.SCAN,
    ),
}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find what happens to constraints of tables that were there before, and foreign keys without an index anywhere."""
    if kind_of(node) == "CreateStmt":
        yield from _created(node, around)
    if not alters_table(node):
        return
    table = relation(node.relation)
    for kind, command in commands(node):
        if kind == "AT_AddConstraint":
            yield from _added(table, definition(command), around)
        elif kind == "AT_AddColumn":
            column = definition(command)
            for key in _foreign_keys(column.constraints):
                yield from unindexed(table, key, (column.colname,), around)
        elif kind == "AT_DropConstraint" and not around.member_is_new("constraint", table, command.name):
            yield Hit("drop-constraint", {"table": table, "name": quoted(command.name)})
        elif kind == "AT_ValidateConstraint" and around.unvalidated.get(command.name) == table:
            if not around.is_new(table):
                yield Hit("validate-together", {"table": table, "name": quoted(command.name)})
        elif kind == "AT_AlterConstraint":
            change = definition(command)
            if change.alter_enforceability and not change.is_enforced:
                yield Hit("constraint-not-enforced", {"table": table, "name": quoted(change.conname)})


def _created(node: Any, around: Around) -> Iterator[Hit]:
    table = relation(node.relation)
    for item in node.table_elts:
        element = unwrap(item)
        if kind_of(element) == "ColumnDef":
            for key in _foreign_keys(element.constraints):
                yield from unindexed(table, key, (element.colname,), around, new=True)
        elif kind_of(element) == "Constraint" and choice(element, "contype") == "CONSTR_FOREIGN":
            yield from unindexed(table, element, tuple(names(element.fk_attrs)), around, new=True)


def _foreign_keys(constraints: Any) -> list[Any]:
    found = [unwrap(item) for item in constraints]
    return [one for one in found if choice(one, "contype") == "CONSTR_FOREIGN"]


def unindexed(table: str, key: Any, columns: tuple[str, ...], around: Around, *, new: bool = False) -> Iterator[Hit]:
    """Say that no index helps a foreign key; only a warning where the catalog is not known."""
    indexed = around.is_indexed(table, columns)
    if indexed:
        return
    said = {"table": table, "columns": ", ".join(map(quoted, columns)), "other": relation(key.pktable)}
    yield Hit("foreign-key-without-index", said, severity="warning" if indexed is None and not new else "")


def _added(table: str, constraint: Any, around: Around) -> Iterator[Hit]:
    kind = choice(constraint, "contype")
    columns = tuple(names(constraint.fk_attrs)) or tuple(names(constraint.keys))
    said = {
        "table": table,
        "name": quoted(constraint.conname) or f"{last(table)}_{kind.removeprefix('CONSTR_').lower()}",
        "columns": ", ".join(map(quoted, columns)),
    }
    if kind == "CONSTR_FOREIGN":
        yield from unindexed(table, constraint, columns, around)
    if around.is_new(table):
        return
    checked = not constraint.skip_validation
    if kind == "CONSTR_FOREIGN" and checked:
        yield Hit("add-foreign-key", {**said, "other": relation(constraint.pktable)})
    elif kind == "CONSTR_CHECK":
        if not constraint.is_enforced:
            yield Hit("constraint-not-enforced", said, severity="warning")
        elif checked:
            yield Hit("add-check", said)
    elif kind == "CONSTR_NOTNULL" and checked:
        yield Hit("set-not-null", {**said, "column": said["columns"], "plain": columns[0] if columns else ""})
    elif kind == "CONSTR_EXCLUSION":
        yield Hit("add-exclusion", said)
    elif kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY") and not constraint.indexname:
        yield Hit("add-unique", {**said, "what": "UNIQUE" if kind == "CONSTR_UNIQUE" else "PRIMARY KEY"})
    elif kind == "CONSTR_PRIMARY" and not _never_null(table, constraint.indexname, around):
        yield Hit("primary-key-scan", said, severity="" if around.context else "warning")


def _never_null(table: str, index: str, around: Around) -> bool:
    known = around.table(table)
    if known is None:
        return False
    columns = next((one.columns for name, one in known.indexes.items() if last(name) == index), ())
    return bool(columns) and all(column in known.columns and known.columns[column].not_null for column in columns)


def not_null_check(constraint: Any) -> str:
    """The column of CHECK (column IS NOT NULL), or nothing."""
    expression = unwrap(constraint.raw_expr) if constraint.HasField("raw_expr") else None
    if expression is None or kind_of(expression) != "NullTest" or choice(expression, "nulltesttype") != "IS_NOT_NULL":
        return ""
    column = next(find(expression.arg, "ColumnRef"), None)
    return names(column.fields)[-1] if column is not None else ""
