"""Dropping, emptying, renaming and moving whole objects; what falls with them is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import quoted, same
from changecontrol.rules.hazards.around import Around, alters_table, commands, relation
from changecontrol.rules.hazards.rule import Hit, Rule
from changecontrol.rules.parser import choice, find, kind_of, names, unwrap

_FIRST = "Release the version that no longer uses {name} first, and drop it in a migration of its own."

RULES = {
    "drop-table": Rule(
        "error",
        "{name} and all its rows are gone, and every program that names it fails at once.",
        "Release the version that no longer uses {name}, keep its rows where the regulation asks for them, and drop it"
        " in a migration of its own.",
    ),
    "drop-protected-table": Rule(
        "critical",
        "{name} holds records under regulation, and they are gone.",
        "Keep {name}. Records are archived by their retention rule, not dropped by a migration.",
    ),
    "drop-view": Rule("error", "{name} is gone, and every query that reads it fails at once.", _FIRST),
    "drop-function": Rule("error", "{name} is gone, and whatever calls it fails when it runs.", _FIRST),
    "drop-sequence": Rule("error", "{name} and the number it had reached are gone.", _FIRST),
    "drop-type": Rule("error", "{name} is gone; whatever still has values of it cannot be read.", _FIRST),
    "drop-schema": Rule("error", "{name} is gone, and with CASCADE everything in it.", "Drop its objects one by one."),
    "drop-extension": Rule("error", "{name} is gone, with its functions, types and operators.", _FIRST),
    "drop-object": Rule("warning", "{what} {name} is dropped.", _FIRST),
    "drop-channel": Rule(
        "error",
        "{what} {name} is gone: whoever gets rows through it gets none from here on.",
        "Ask who still receives them, and take them off first.",
    ),
    "drop-owned": Rule(
        "critical",
        "DROP OWNED drops every object of {name} in this database, and its rights; the file does not say which.",
        "Drop the objects one by one, so that a reviewer sees them.",
    ),
    "truncate": Rule(
        "critical",
        "TRUNCATE empties {name} at once: no trigger for deleted rows runs, and nothing but a backup brings them back.",
        "Remove it. If rows must go, a batched DELETE with a WHERE names them and leaves a trace.",
    ),
    "rename-table": Rule(
        "error",
        "The moment {name} is called {new}, every program that names it fails.",
        "ALTER TABLE … RENAME together with CREATE VIEW {name} AS SELECT * FROM {new}; in one transaction, or a new"
        " table.",
    ),
    "rename-column": Rule(
        "error",
        "The moment {column} of {table} is called {new}, every program that names it fails.",
        "ALTER TABLE {table} ADD COLUMN {new} …; a trigger keeps both in step, a batched step fills it; release the"
        " version that uses {new}; drop {column} later.",
    ),
    "rename": Rule(
        "error",
        "The moment {name} is called {new}, whatever still uses the old name fails.",
        "Create {new} beside it, release the version that uses it, and drop the old one later.",
    ),
    "rename-detail": Rule("warning", "{name} is called {new} from here on; scripts that name it must follow."),
    "set-schema": Rule(
        "error",
        "The moment {name} stands in schema {new}, every program that finds it by its search_path fails.",
        "Create it in {new}, leave a view behind, and drop the old one later.",
    ),
}

_DROPS = {
    "OBJECT_TABLE": "drop-table", "OBJECT_FOREIGN_TABLE": "drop-table", "OBJECT_MATVIEW": "drop-view",
    "OBJECT_VIEW": "drop-view", "OBJECT_FUNCTION": "drop-function", "OBJECT_PROCEDURE": "drop-function",
    "OBJECT_ROUTINE": "drop-function", "OBJECT_AGGREGATE": "drop-function", "OBJECT_SEQUENCE": "drop-sequence",
    "OBJECT_TYPE": "drop-type", "OBJECT_DOMAIN": "drop-type", "OBJECT_SCHEMA": "drop-schema",
    "OBJECT_EXTENSION": "drop-extension", "OBJECT_PUBLICATION": "drop-channel",
    "OBJECT_FOREIGN_SERVER": "drop-channel", "OBJECT_FDW": "drop-channel",
}  # fmt: skip
_ELSEWHERE = ("OBJECT_INDEX", "OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY", "OBJECT_EVENT_TRIGGER")
_DETAILS = ("OBJECT_INDEX", "OBJECT_TABCONSTRAINT", "OBJECT_DOMCONSTRAINT", "OBJECT_POLICY", "OBJECT_TRIGGER",
            "OBJECT_RULE", "OBJECT_STATISTIC_EXT", "OBJECT_ROLE", "OBJECT_PUBLICATION")  # fmt: skip


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find objects that go away or get another name."""
    kind = kind_of(node)
    if kind == "DropStmt":
        yield from _dropped(node, around)
    elif kind == "DropOwnedStmt":
        yield Hit("drop-owned", {"name": ", ".join(unwrap(role).rolename for role in node.roles)})
    elif kind == "TruncateStmt":
        for found in find(node, "RangeVar"):
            if not around.is_new(relation(found)):
                yield Hit(
                    "truncate",
                    {"name": relation(found), "table": relation(found)},
                    note=_falls(node, relation(found), around),
                )
    elif kind == "RenameStmt":
        yield from _renamed(node, around)
    elif kind == "AlterObjectSchemaStmt":
        name = relation(node.relation) if node.HasField("relation") else _object_name(node.object)
        if not around.is_new(name):
            yield Hit("set-schema", {"name": name, "table": name, "new": quoted(node.newschema)})


def _dropped(node: Any, around: Around) -> Iterator[Hit]:
    what = choice(node, "remove_type")
    if what in _ELSEWHERE:
        return
    rule = _DROPS.get(what, "drop-object")
    made = {"drop-function": "function", "drop-type": "type", "drop-schema": "schema", "drop-extension": "extension",
            "drop-channel": "channel"}  # fmt: skip
    for item in node.objects:
        name = _object_name(item)
        if around.has_made(made.get(rule, "relation"), name):
            continue
        chosen = "drop-protected-table" if rule == "drop-table" and around.protects(name) else rule
        words = what.removeprefix("OBJECT_").replace("_", " ")
        yield Hit(chosen, {"name": name, "table": name, "what": words}, note=_falls(node, name, around))


def _object_name(item: Any) -> str:
    node = unwrap(item)
    if kind_of(node) == "ObjectWithArgs":
        return quoted(*names(node.objname))
    if kind_of(node) == "TypeName":
        return quoted(*names(node.names))
    return quoted(*names(node))


def _falls(node: Any, name: str, around: Around) -> str:
    """Name what CASCADE takes along, as far as the catalog tells."""
    if choice(node, "behavior") != "DROP_CASCADE":
        return ""
    if around.context is None:
        return "CASCADE takes along whatever depends on it, and the file does not say what."
    known = around.table(name)
    found = [f"view {view}" for view in known.views] if known else []
    for table, one in around.context.tables.items():
        found += [
            f"constraint {quoted(key)} on {table}"
            for key, constraint in one.constraints.items()
            if constraint.refers and same(constraint.refers, name) and not same(table, name)
        ]
        found += [f"partition {table}"] * bool(one.parent and same(one.parent, name))
    return f"CASCADE takes along {', '.join(sorted(found))}." if found else "CASCADE finds nothing that depends on it."


def _renamed(node: Any, around: Around) -> Iterator[Hit]:
    what, new = choice(node, "rename_type"), quoted(node.newname)
    table = relation(node.relation) if node.HasField("relation") else _object_name(node.object)
    if around.is_new(table) or (around.rollback and ("renamed", node.newname) in around.made):
        return
    if what == "OBJECT_COLUMN" and choice(node, "relation_type") != "OBJECT_VIEW":
        if not around.member_is_new("column", table, node.subname):
            yield Hit("rename-column", {"table": table, "column": quoted(node.subname), "new": new})
    elif what in ("OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"):
        yield Hit("rename-table", {"name": table, "table": table, "new": new})
    elif what in _DETAILS:
        yield Hit("rename-detail", {"name": quoted(node.subname) or table, "new": new})
    else:
        yield Hit("rename", {"name": quoted(node.subname) or table, "new": new})


def detached(node: Any) -> Iterator[str]:
    """Constraints that an ALTER TABLE drops, by name."""
    if alters_table(node):
        yield from (command.name for kind, command in commands(node) if kind == "AT_DropConstraint")
