"""Functions, views, types and sequences that programs rely on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import last, quoted
from changecontrol.rules.hazards.around import Around, relation
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.parser import choice, find, kind_of, names, option, unwrap

RULES = {
    "replace-function": Rule(
        "error",
        "{name} does something else from this commit on, for everything that calls it, triggers included.",
        "Create {name} under a new name and let callers move to it; or say in the change what differs, with a verify"
        " script that calls it.",
        Proof.REPLACED,
    ),
    "replace-view": Rule(
        "error",
        "{name} shows something else from this commit on, and replacing it takes ACCESS EXCLUSIVE on it.",
        "Create a new view beside {name} and let programs move to it.",
        Proof.REPLACED,
    ),
    "alter-function": Rule("warning", "{name} behaves otherwise from this commit on, for everything that calls it."),
    "enum-add-value": Rule(
        "error",
        "{value} cannot be taken out of {name} again, and programs that do not know it fail when they read it.",
        "Release the version that knows {value} first, and declare the rollback forward-fix only.",
    ),
    "enum-value-used": Rule(
        "error",
        "{value} is added and used in one transaction: PostgreSQL refuses a value before it is committed.",
        "ALTER TYPE {name} ADD VALUE {value}; outside of BEGIN … COMMIT; it becomes a step of its own.",
    ),
    "domain-check": Rule(
        "error",
        "{what} for domain {name} is verified in every table that uses it, while SHARE keeps writers out of all of"
        " them.",
        "ALTER DOMAIN {name} ADD CONSTRAINT … CHECK (…) NOT VALID; in a later step ALTER DOMAIN {name} VALIDATE"
        " CONSTRAINT …;",
        Proof.LOCK,
    ),
    "alter-domain": Rule("error", "Columns of domain {name} take other values than before: {what}."),
    "alter-composite-type": Rule(
        "error",
        "Every column of type {name}, and every function that takes it, has another shape from this commit on.",
        "Create a new type and move to it.",
    ),
    "alter-sequence": Rule(
        "error",
        "Changing sequence {name} locks out whoever takes a number from it; a restart gives numbers twice.",
        "Leave the sequence alone.",
    ),
    "update-extension": Rule("warning", "{name} changes its functions and types to those of another version."),
    "dynamic-sql": Rule(
        "warning",
        "EXECUTE runs text that is put together when it runs, so no reviewer sees it here. The rehearsal shows what it"
        " does.",
        "Write the statement out.",
    ),
    "opaque-language": Rule("warning", "Code in {name} cannot be read here. The rehearsal shows what it does."),
}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find what is replaced or changed under the feet of those who use it."""
    kind = kind_of(node)
    if kind == "CreateFunctionStmt" and node.replace:
        name = quoted(*names(node.funcname))
        if not around.has_made("function", name) and _may_be_there(name, around):
            yield Hit("replace-function", {"name": name})
    elif kind == "AlterFunctionStmt":
        name = quoted(*names(node.func.objname))
        if not around.has_made("function", name):
            yield Hit("alter-function", {"name": name})
    elif kind == "ViewStmt" and node.replace:
        name = relation(node.view)
        if not around.is_new(name) and (around.context is None or around.table(name) is not None):
            yield Hit("replace-view", {"name": name, "table": name})
    elif kind == "AlterEnumStmt":
        name, value = quoted(*names(node.type_name)), f"'{node.new_val}'"
        if not around.has_made("type", name):
            yield Hit("enum-add-value", {"name": name, "value": value, "bare": node.new_val})
    elif kind == "AlterDomainStmt":
        yield from _domain(node, around)
    elif kind == "AlterTableStmt" and choice(node, "objtype") == "OBJECT_TYPE":
        yield Hit("alter-composite-type", {"name": relation(node.relation)})
    elif kind == "AlterSeqStmt":
        yield from _sequence(node, around)
    elif kind == "AlterExtensionStmt":
        yield Hit("update-extension", {"name": quoted(node.extname)})


def _may_be_there(name: str, around: Around) -> bool:
    return around.context is None or bool(around.context.named_function(name))


def _sequence(node: Any, around: Around) -> Iterator[Hit]:
    name = relation(node.sequence)
    only_owned = len(node.options) == 1 and option(node, "options", "owned_by") is not None
    if not around.is_new(name) and not only_owned:
        yield Hit("alter-sequence", {"name": name, "table": name})


def _domain(node: Any, around: Around) -> Iterator[Hit]:
    name = quoted(*names(node.type_name))
    if around.has_made("type", name):
        return
    what = node.subtype
    if what == "C" or "AddConstraint" in str(what):
        constraint = unwrap(getattr(node, "def"))
        if not constraint.skip_validation and _is_used(name, around):
            yield Hit("domain-check", {"name": name, "what": "A new CHECK"})
    elif what == "O" and _is_used(name, around):
        yield Hit("domain-check", {"name": name, "what": "NOT NULL"})
    elif what in ("N", "X", "T"):
        words = {"N": "NULL is allowed", "X": "a check is dropped", "T": "its default changes"}
        yield Hit("alter-domain", {"name": name, "what": words[what]})


def _is_used(name: str, around: Around) -> bool:
    if around.context is None:
        return True
    return any(tables for known, tables in around.context.domains.items() if last(known) == last(name))


def uses_value(node: Any, value: str) -> bool:
    """Whether a statement writes an enum's value as a constant."""
    return any(one.HasField("sval") and one.sval.sval == value for one in find(node, "A_Const"))
