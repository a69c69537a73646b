"""ALTER TABLE and its kin in plain words: one sentence per subcommand, joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.deeds import gives_values
from changecontrol.rules.wording import alter_columns, alter_rules, alter_table
from changecontrol.rules.wording.columns import column
from changecontrol.rules.wording.things import noun
from changecontrol.rules.wording.words import (
    CASCADES,
    Sentence,
    Wording,
    counted,
    listed,
    name,
    relation,
)
from changecontrol.rules.wording.written import type_name

Worded = tuple[str, str]  # text, kind

_ONE: dict[str, Callable[[Any, str], Worded]] = {**alter_columns.PARTS, **alter_rules.PARTS, **alter_table.PARTS}
_FIXED: dict[str, Worded] = {**alter_columns.FIXED, **alter_rules.FIXED, **alter_table.FIXED}
#: Kinds of things whose name needs its noun said with it.
_TABLES = ("OBJECT_TABLE", "OBJECT_TYPE")


def alter(node: Any) -> Sentence | None:
    """Put a whole ALTER TABLE, INDEX, VIEW, SEQUENCE or TYPE into words; None when a part of it is not known."""
    kind = parser.choice(node, "objtype")
    table = relation(node.relation)
    said = list(_grouped([parser.unwrap(command) for command in node.cmds], _subject(table, kind), kind))
    if not said or any(part is None for part in said):
        return None
    parts = [part for part in said if part is not None]
    kinds = [group for _text, group in parts]
    group = next((each for each in ("access", "data", "schema") if each in kinds), "other")
    missing = f" Nothing happens if {table} is not there." if node.missing_ok else ""
    return Sentence(" ".join(text for text, _kind in parts) + missing, group)


def _subject(table: str, kind: str) -> str:
    return table if kind in _TABLES else f"the {noun(kind)} {table}"


def _grouped(commands: list[Any], table: str, of: str) -> Iterator[Worded | None]:
    """Say several empty columns, dropped columns or switched triggers at once; the rest one by one, in order."""
    groups = _FIELDS if of == "OBJECT_TYPE" else _GROUPS
    at = 0
    while at < len(commands):
        kind = _group(commands[at], groups, of)
        end = at + 1
        while kind and end < len(commands) and _group(commands[end], groups, of) == kind:
            end += 1
        group = commands[at:end]
        yield groups[kind](group, table) if kind else _one(group[0], table, of)
        at = end


def _group(command: Any, groups: dict[str, Callable[[list[Any], str], Worded]], of: str) -> str:
    kind = parser.choice(command, "subtype")
    if kind == "AT_AddColumn" and of != "OBJECT_TYPE":
        return "" if gives_values(command) else kind
    return kind if kind in groups else ""


def _one(command: Any, table: str, of: str) -> Worded | None:
    kind = parser.choice(command, "subtype")
    there = " Nothing happens if it is not there." if command.missing_ok else ""
    also = CASCADES if _cascades(command) else ""
    if kind in _FIXED:
        text, group = _FIXED[kind]
        text = text.format(table=table, name=name(command.name))
        return text + there + also, group
    words = _ONE.get(kind)
    if words is None:
        return None
    text, group = words(command, table)
    return text + also, group


def _cascades(command: Any) -> bool:
    return parser.choice(command, "behavior") == "DROP_CASCADE"


def _add_empty(commands: list[Any], table: str) -> Worded:
    columns = listed(column(parser.unwrap(getattr(command, "def"))) for command in commands)
    many = "an empty column" if len(commands) == 1 else f"{counted(len(commands), 'empty column')}:"
    there = ", unless there already" if any(command.missing_ok for command in commands) else ""
    return f"Adds {many} {columns} to {table}{there}. No existing row is changed or read.", "schema"


def _drop(commands: list[Any], table: str) -> Worded:
    names = listed(name(command.name) for command in commands)
    one = len(commands) == 1
    there = ", if there" if any(command.missing_ok for command in commands) else ""
    also = CASCADES if any(map(_cascades, commands)) else ""
    text = f"Removes the column{'' if one else 's'} {names} from {table}, with everything stored in "
    return f"{text}{'it' if one else 'them'}{there}.{also}", "data"


def _always(commands: list[Any], table: str) -> Worded:
    names = listed(name(command.name) for command in commands)
    return (
        f"Makes the trigger{'' if len(commands) == 1 else 's'} {names} on {table} fire in every session, "
        "also in one that switches ordinary triggers off.",
        "access",
    )


def _add_fields(commands: list[Any], table: str) -> Worded:
    fields = listed(column(parser.unwrap(getattr(command, "def"))) for command in commands)
    also = " Tables made of this type get it too." if any(map(_cascades, commands)) else ""
    return f"Adds the field{'' if len(commands) == 1 else 's'} {fields} to the type {table}.{also}", "schema"


def _retype_fields(commands: list[Any], table: str) -> Worded:
    fields = listed(
        f"{name(each.name)} to {type_name(parser.unwrap(getattr(each, 'def')).type_name)}" for each in commands
    )
    also = " Tables made of this type change too." if any(map(_cascades, commands)) else ""
    return (
        f"Changes the type of the field{'' if len(commands) == 1 else 's'} {fields} in the type {table}.{also}",
        "data",
    )


def _drop_fields(commands: list[Any], table: str) -> Worded:
    names = listed(name(command.name) for command in commands)
    there = ", if there" if any(command.missing_ok for command in commands) else ""
    also = " Tables made of this type lose it too." if any(map(_cascades, commands)) else ""
    text = f"Removes the field{'' if len(commands) == 1 else 's'} {names} from the type {table}"
    return f"{text}, with what is stored in values of that type{there}.{also}", "data"


_GROUPS: dict[str, Callable[[list[Any], str], Worded]] = {
    "AT_AddColumn": _add_empty,
    "AT_DropColumn": _drop,
    "AT_EnableAlwaysTrig": _always,
}
_FIELDS: dict[str, Callable[[list[Any], str], Worded]] = {
    "AT_AddColumn": _add_fields,
    "AT_AlterColumnType": _retype_fields,
    "AT_DropColumn": _drop_fields,
}

WORDS: dict[str, Wording] = {"AlterTableStmt": alter}
