"""ALTER TABLE … CONSTRAINT, triggers, rewrite rules and row-level security, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from changecontrol.rules import parser
from changecontrol.rules.wording.columns import clash, deferral, keys, reference
from changecontrol.rules.wording.words import name
from changecontrol.rules.wording.written import expression

Worded = tuple[str, str]  # text, kind

FIXED: dict[str, Worded] = {
    "AT_EnableRowSecurity": ("Switches row-level security on for {table}: who has no policy sees no row.", "access"),
    "AT_DisableRowSecurity": ("Switches row-level security off for {table}: who may read it sees every row.", "access"),
    "AT_ForceRowSecurity": ("Makes row-level security of {table} hold for its owner as well.", "access"),
    "AT_NoForceRowSecurity": ("Frees the owner of {table} from its row-level security.", "access"),
    "AT_EnableTrig": ("Switches the trigger {name} on {table} on, in its ordinary mode.", "access"),
    "AT_EnableAlwaysTrig": ("Makes the trigger {name} on {table} fire in every session.", "access"),
    "AT_EnableReplicaTrig": ("Makes the trigger {name} on {table} fire in replication sessions only.", "access"),
    "AT_DisableTrig": ("Switches the trigger {name} on {table} off.", "access"),
    "AT_EnableTrigAll": ("Switches all triggers on {table} on, in their ordinary mode.", "access"),
    "AT_DisableTrigAll": ("Switches all triggers on {table} off, also those that keep references whole.", "access"),
    "AT_EnableTrigUser": ("Switches all triggers of users on {table} on, in their ordinary mode.", "access"),
    "AT_DisableTrigUser": ("Switches all triggers of users on {table} off.", "access"),
    "AT_EnableRule": ("Switches the rewrite rule {name} on {table} on.", "access"),
    "AT_EnableAlwaysRule": ("Makes the rewrite rule {name} on {table} hold in every session.", "access"),
    "AT_EnableReplicaRule": ("Makes the rewrite rule {name} on {table} hold in replication sessions only.", "access"),
    "AT_DisableRule": ("Switches the rewrite rule {name} on {table} off.", "access"),
    "AT_ValidateConstraint": (
        "Checks that every existing row of {table} obeys the rule {name}, while people keep working.",
        "schema",
    ),
    "AT_DropConstraint": (
        "Removes the rule {name} from {table}; rows that break it are accepted from then on.",
        "schema",
    ),
}


def _constraint(command: Any, table: str) -> Worded:
    rule = parser.unwrap(getattr(command, "def"))
    kind = parser.choice(rule, "contype")
    title = f" (rule {name(rule.conname)})" if rule.conname else ""
    if kind in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
        return _key(rule, table, title) + deferral(rule), "schema"
    if not rule.is_enforced and kind in ("CONSTR_CHECK", "CONSTR_FOREIGN"):
        what = reference(rule) if kind == "CONSTR_FOREIGN" else expression(rule.raw_expr)
        return f"Writes down for {table} that {what}{title}, without enforcing it. No row is read or refused.", "schema"
    waiting = "writers wait" if kind == "CONSTR_FOREIGN" else "everybody waits"
    existing = f"Existing rows are read first, while {waiting}."
    if rule.skip_validation:
        existing = "Existing rows are not read."
    if kind == "CONSTR_FOREIGN":
        text = f"From then on, in {table}, {reference(rule)}{title}. {existing}"
    elif kind == "CONSTR_NOTNULL":
        text = f"From then on, refuses rows of {table} without a value in {keys(rule)}{title}. {existing}"
    elif kind == "CONSTR_EXCLUSION":
        text = f"From then on, refuses rows of {table} that clash with another one, that is {clash(rule)}{title}."
        text += " Builds an index while everybody waits."
    else:
        text = f"From then on, refuses rows of {table} {_unless(rule)}{title}. {existing}"
    return text + deferral(rule), "schema"


def _key(rule: Any, table: str, title: str) -> str:
    what = "the primary key of" if parser.choice(rule, "contype") == "CONSTR_PRIMARY" else "unique within"
    nulls = ", empty values included" if rule.nulls_not_distinct else ""
    if rule.indexname:
        index = name(rule.indexname)
        return f"Makes the columns of the index {index} {what} {table}{title}; the index is there already."
    return f"Makes {keys(rule)} {what} {table}{nulls}{title}; builds an index while everybody waits."


def _unless(rule: Any) -> str:
    """Say a plain IS NOT NULL in words, anything else as it is written."""
    test = parser.unwrap(rule.raw_expr)
    if parser.kind_of(test) == "NullTest" and parser.choice(test, "nulltesttype") == "IS_NOT_NULL":
        column = parser.unwrap(test.arg)
        if parser.kind_of(column) == "ColumnRef" and len(column.fields) == 1:
            return f"without a value in {name(*parser.names(column.fields))}"
    return f"unless {expression(rule.raw_expr)}"


def _changed(command: Any, table: str) -> Worded:
    rule = parser.unwrap(getattr(command, "def"))
    said = []
    if rule.alter_enforceability:
        said.append("enforced; existing rows are read first" if rule.is_enforced else "no longer enforced")
    if rule.alter_deferrability:
        when = "at commit" if rule.initdeferred else "at once, or at commit where a transaction asks for that"
        said.append(f"checked {when if rule.deferrable else 'at once'}")
    if rule.alter_inheritability:
        said.append("not handed on to child tables" if rule.noinherit else "handed on to child tables")
    return f"Changes the rule {name(rule.conname)} of {table}: from then on it is {', '.join(said)}.", "schema"


PARTS: dict[str, Callable[[Any, str], Worded]] = {
    "AT_AddConstraint": _constraint,
    "AT_AlterConstraint": _changed,
}
