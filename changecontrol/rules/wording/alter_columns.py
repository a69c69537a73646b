"""ALTER TABLE … COLUMN in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.columns import column, numbered
from changecontrol.rules.wording.words import name, named
from changecontrol.rules.wording.written import expression, options, type_name, value

Worded = tuple[str, str]  # text, kind

FIXED: dict[str, Worded] = {
    "AT_SetNotNull": (
        "From then on, refuses rows of {table} without a value in {name}. Existing rows are read first, with everybody "
        "waiting, unless a validated check already proves it.",
        "schema",
    ),
    "AT_DropNotNull": ("Allows rows of {table} without a value in {name}.", "schema"),
    "AT_DropIdentity": ("Stops numbering {name} of {table} automatically.", "schema"),
    "AT_DropExpression": ("Stops computing {name} of {table}; the values it has stay.", "schema"),
}


def _add(command: Any, table: str) -> Worded:
    """ADD COLUMN that may give existing rows a value or check them."""
    inner = parser.unwrap(getattr(command, "def"))
    rules = {parser.choice(each, "contype"): each for each in map(parser.unwrap, inner.constraints)}
    there = ", unless there already" if command.missing_ok else ""
    text = f"Adds the column {column(inner)} to {table}{there}."
    default = rules.get("CONSTR_DEFAULT")
    if default is not None:
        text += f" Existing rows get {expression(default.raw_expr)}."
        computed = any(parser.find(default.raw_expr, "FuncCall"))
        text += " Every existing row may be written anew." if computed else ""
    elif "CONSTR_IDENTITY" in rules or "serial" in type_name(inner.type_name):
        text += " Existing rows are numbered too, so the whole table is written anew while everybody waits."
    elif "CONSTR_GENERATED" in rules and rules["CONSTR_GENERATED"].generated_kind != "v":
        text += " The whole table is written anew while everybody waits."
    elif not rules:
        text += " Whether existing rows get a value depends on that type."
    valued = default is not None or "CONSTR_IDENTITY" in rules or "serial" in type_name(inner.type_name)
    return text, "data" if valued else "schema"


def _default(command: Any, table: str) -> Worded:
    if not command.HasField("def"):
        return f"New rows of {table} get no value in {name(command.name)} of their own accord any more.", "schema"
    said = expression(getattr(command, "def"))
    return (
        f"From then on, new rows of {table} get {said} in {name(command.name)} unless they bring a value. "
        "No existing row is changed.",
        "schema",
    )


def _retype(command: Any, table: str) -> Worded:
    inner = parser.unwrap(getattr(command, "def"))
    text = f"Changes the type of {name(command.name)} in {table} to {type_name(inner.type_name)}"
    text += f", sorted by {named(inner.coll_clause.collname)}" if inner.HasField("coll_clause") else ""
    if inner.HasField("raw_default"):
        return (
            f"{text}, computing each value as {expression(inner.raw_default)}. Every row is written anew while "
            "everybody waits.",
            "data",
        )
    return f"{text}. Unless both types are stored alike, every row is written anew while everybody waits.", "data"


def _computed(command: Any, table: str) -> Worded:
    said = expression(getattr(command, "def"))
    return (
        f"Computes {name(command.name)} of {table} as {said} from then on, in existing rows as well; every row may be "
        "written anew while everybody waits.",
        "data",
    )


def _statistics(command: Any, table: str) -> Worded:
    target = value(getattr(command, "def")) if command.HasField("def") else ""
    what = name(command.name) if command.name else f"the column number {command.num}"
    level = f" (level {target})" if target not in ("", "-1") else " (the usual level)"
    return f"Changes how closely the query planner looks at {what} of {table}{level}. No row is changed.", "other"


def _options(command: Any, table: str) -> Worded:
    said = options(parser.unwrap(getattr(command, "def")).items)
    return f"Tells the query planner about {name(command.name)} of {table}: {said}. No row is changed.", "other"


def _no_options(command: Any, table: str) -> Worded:
    said = options(parser.unwrap(getattr(command, "def")).items)
    return f"Takes back what the query planner was told about {name(command.name)} of {table}: {said}.", "other"


def _storage(command: Any, table: str) -> Worded:
    how = name(value(getattr(command, "def")).lower())
    return f"Stores large values of {name(command.name)} in {table} in the way {how} from then on.", "other"


def _compression(command: Any, table: str) -> Worded:
    how = name(value(getattr(command, "def")))
    return f"Compresses new large values of {name(command.name)} in {table} by {how} from then on.", "other"


def _foreign(command: Any, table: str) -> Worded:
    said = options(parser.unwrap(getattr(command, "def")).items)
    return f"Changes how {name(command.name)} of {table} is read from the foreign server: {said}.", "schema"


def _number(command: Any, table: str) -> Worded:
    said = numbered(parser.unwrap(getattr(command, "def")))
    return f"From then on, {name(command.name)} of {table} is {said}. No existing row is changed.", "schema"


def _renumber(command: Any, table: str) -> Worded:
    inner = parser.unwrap(getattr(command, "def")).items
    said = options(inner, without=("generated",))
    kind = next((value(parser.unwrap(each).arg) for each in inner if parser.unwrap(each).defname == "generated"), "")
    words = {"97": "refusing given numbers", "100": "unless a number is given"}.get(kind, "")
    parts = [part for part in (words, f"with {said}" if said else "") if part]
    return f"Changes how {name(command.name)} of {table} is numbered from then on: {', '.join(parts)}.", "schema"


PARTS: dict[str, Callable[[Any, str], Worded]] = {
    "AT_AddColumn": _add,
    "AT_AddIdentity": _number,
    "AT_AlterColumnGenericOptions": _foreign,
    "AT_AlterColumnType": _retype,
    "AT_ColumnDefault": _default,
    "AT_ResetOptions": _no_options,
    "AT_SetCompression": _compression,
    "AT_SetExpression": _computed,
    "AT_SetIdentity": _renumber,
    "AT_SetOptions": _options,
    "AT_SetStatistics": _statistics,
    "AT_SetStorage": _storage,
}
