"""Types and domains, in plain words."""

from __future__ import annotations

from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.words import (
    Sentence,
    Wording,
    cascades,
    if_there,
    listed,
    name,
    named,
    quoted,
    relation,
)
from changecontrol.rules.wording.written import expression, given, options, type_name


def enum(node: Any) -> Sentence | None:
    """CREATE TYPE … AS ENUM."""
    values = listed(quoted(value) for value in parser.names(node.vals))
    has = f"with the values {values}" if values else "without values"
    return Sentence(f"Creates the type {named(node.type_name)} {has}.", "schema")


_NEXT = {True: "behind", False: "before"}


def alter_enum(node: Any) -> Sentence | None:
    """ALTER TYPE … ADD VALUE and RENAME VALUE."""
    title = named(node.type_name)
    if node.old_val:
        old, new = quoted(node.old_val), quoted(node.new_val)
        return Sentence(f"Renames the value {old} of the type {title} to {new}, in every row that has it.", "schema")
    where = f", {_NEXT[node.new_val_is_after]} {quoted(node.new_val_neighbor)}" if node.new_val_neighbor else ""
    there = " (unless it is there already)" if node.skip_if_new_val_exists else ""
    return Sentence(
        f"Adds the value {quoted(node.new_val)} to the type {title}{where}{there}. It can never be removed again.",
        "schema",
    )


def composite(node: Any) -> Sentence | None:
    """CREATE TYPE of several fields."""
    fields = "; ".join(
        f"{name(each.colname)} ({type_name(each.type_name)})" for each in map(parser.unwrap, node.coldeflist)
    )
    return Sentence(f"Creates the type {relation(node.typevar)} made of {fields or 'no fields'}.", "schema")


def ranges(node: Any) -> Sentence | None:
    """CREATE TYPE … AS RANGE."""
    how = options(node.params, without=("subtype",))
    of = name(given(node, "params", "subtype"))
    return Sentence(
        f"Creates the type {named(node.type_name)} for ranges (from … to …) of {of}{f', with {how}' if how else ''}.",
        "schema",
    )


def alter_type(node: Any) -> Sentence | None:
    """ALTER TYPE … SET (…)."""
    return Sentence(f"Changes properties of the type {named(node.type_name)}: {options(node.options)}.", "schema")


def domain(node: Any) -> Sentence | None:
    """CREATE DOMAIN."""
    rules = [parser.unwrap(each) for each in node.constraints]
    text = f"Creates the domain {named(node.domainname)}, a {type_name(node.type_name)}"
    text += f" sorted by {named(node.coll_clause.collname)}" if node.HasField("coll_clause") else ""
    said = [part for part in map(_rule, rules) if part]
    return Sentence(f"{text}{', ' if said else ''}{', '.join(said)}.", "schema")


def _rule(rule: Any) -> str:
    kind = parser.choice(rule, "contype")
    if kind == "CONSTR_CHECK":
        return f"where {expression(rule.raw_expr)}"
    if kind == "CONSTR_DEFAULT":
        return f"{expression(rule.raw_expr)} unless given"
    return {"CONSTR_NOTNULL": "never empty", "CONSTR_NULL": "may be empty"}.get(kind, "")


def alter_domain(node: Any) -> Sentence | None:
    """ALTER DOMAIN."""
    title = f"the domain {named(node.type_name)}"
    if node.subtype == "X":
        return Sentence(f"Removes the rule {name(node.name)} from {title}{if_there(node)}.{cascades(node)}", "schema")
    if node.subtype == "V":
        return Sentence(f"Checks that every existing value of {title} obeys the rule {name(node.name)}.", "schema")
    if node.subtype == "T":
        if not node.HasField("def"):
            return Sentence(f"From then on, {title} has no default value.", "schema")
        said = expression(getattr(node, "def"))
        return Sentence(f"From then on, new values of {title} are {said} unless given.", "schema")
    if node.subtype == "N":
        return Sentence(f"Allows empty values of {title}.", "schema")
    every = "Existing values are read first, in every table, while writers wait."
    if node.subtype == "O":
        return Sentence(f"From then on, values of {title} may not be empty. {every}", "schema")
    if node.subtype != "C":
        return None
    rule = parser.unwrap(getattr(node, "def"))
    existing = "Existing values are not read." if rule.skip_validation else every
    check = "may not be empty"
    if parser.choice(rule, "contype") == "CONSTR_CHECK":
        check = f"must obey {expression(rule.raw_expr)}"
    ruled = f" (rule {name(rule.conname)})" if rule.conname else ""
    return Sentence(f"From then on, values of {title} {check}{ruled}. {existing}", "schema")


def sequence(node: Any) -> Sentence | None:
    """CREATE SEQUENCE."""
    there = " (unless it is there already)" if node.if_not_exists else ""
    how = options(node.options)
    return Sentence(
        f"Creates the sequence {relation(node.sequence)}, which hands out numbers{there}{f': {how}' if how else ''}.",
        "schema",
    )


def alter_sequence(node: Any) -> Sentence | None:
    """ALTER SEQUENCE."""
    again = parser.option(node, "options", "restart")
    also = " Numbers may be given a second time." if again is not None else ""
    return Sentence(
        f"Changes how the sequence {relation(node.sequence)} hands out numbers: {options(node.options)}"
        f"{if_there(node)}.{also}",
        "schema",
    )


WORDS: dict[str, Wording] = {
    "AlterDomainStmt": alter_domain,
    "AlterEnumStmt": alter_enum,
    "AlterSeqStmt": alter_sequence,
    "AlterTypeStmt": alter_type,
    "CompositeTypeStmt": composite,
    "CreateDomainStmt": domain,
    "CreateEnumStmt": enum,
    "CreateRangeStmt": ranges,
    "CreateSeqStmt": sequence,
}
