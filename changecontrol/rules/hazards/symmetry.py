"""Whether a rollback takes back what its migration made, as far as the two texts tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from changecontrol.rules.hazards.around import commands
from changecontrol.rules.hazards.making import made
from changecontrol.rules.hazards.rule import Hit, Rule
from changecontrol.rules.parser import choice, kind_of, names, unwrap

RULES = {
    "rollback-leaves-behind": Rule(
        "warning",
        "The migration makes {what} {name}, and the rollback does not name it: it would stay behind. The rehearsal"
        " compares object by object.",
        "Drop {name} in the rollback.",
    ),
}

_MEMBERS = ("column", "constraint", "trigger", "rule", "policy")
_KINDS = ("relation", "function", "type", *_MEMBERS)


def left_behind(forward: Sequence[Any], rollback: Sequence[Any]) -> Iterator[tuple[Any, Hit]]:
    """Yield the forward statement with a hit for everything that no statement of the rollback drops."""
    gone = {found for node in rollback for found in dropped(node)}
    cascades = any(kind_of(node) == "DropStmt" and choice(node, "behavior") == "DROP_CASCADE" for node in rollback)
    opaque = any(kind_of(node) in ("DoStmt", "CallStmt", "DropOwnedStmt", "RenameStmt") for node in rollback)
    new = {name for node in forward for kind, name in made(node) if kind == "relation"}
    if not rollback or cascades or opaque:
        return
    for node in forward:
        for kind, name in made(node):
            table = name.rpartition(".")[0] if kind in _MEMBERS else ""
            stays = kind in _KINDS and (kind, name) not in gone and table not in new
            follows = kind_of(node) == "IndexStmt" and node.relation.relname in new
            falls = table and ("relation", table) in gone
            column = kind in ("constraint",) and any(
                one[0] == "column" and one[1].startswith(f"{table}.") for one in gone
            )
            if stays and not follows and not falls and not column and not name.endswith("."):
                yield node, Hit("rollback-leaves-behind", {"what": kind, "name": name})


def dropped(node: Any) -> Iterator[tuple[str, str]]:
    """Everything a statement drops, named as made() names it."""
    kind = kind_of(node)
    if kind == "AlterTableStmt":
        table = node.relation.relname
        for action, command in commands(node):
            if action in ("AT_DropColumn", "AT_DropConstraint"):
                yield action.removeprefix("AT_Drop").lower(), f"{table}.{command.name}"
    if kind != "DropStmt":
        return
    what = choice(node, "remove_type").removeprefix("OBJECT_").lower()
    for item in node.objects:
        found = unwrap(item)
        inner = kind_of(found)
        parts = names(found.objname if inner == "ObjectWithArgs" else found.names if inner == "TypeName" else found)
        if what in ("trigger", "rule", "policy"):
            yield what, ".".join(parts[-2:])
        elif what in ("function", "procedure", "routine"):
            yield "function", parts[-1]
        elif what in ("type", "domain"):
            yield "type", parts[-1]
        elif parts:
            yield "relation", parts[-1]
