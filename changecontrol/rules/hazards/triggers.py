"""Triggers and rules: what the database does by itself, and what keeps the audit trail whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from changecontrol.rules.context import quoted
from changecontrol.rules.hazards.around import Around, alters_table, commands, relation
from changecontrol.rules.hazards.rule import Hit, Rule
from changecontrol.rules.parser import choice, kind_of, names

RULES = {
    "disable-trigger": Rule(
        "critical",
        "{what} on {table} no longer runs: rows written meanwhile lack what it does, such as an audit entry, and"
        " nothing shows which.",
        "Remove the line. Write the change so that the trigger may run, in batches if it is slow.",
    ),
    "disable-rule": Rule(
        "critical",
        "Rule {name} on {table} no longer applies: what it redirected or refused happens from here on.",
        "Remove the line.",
    ),
    "drop-trigger": Rule(
        "error",
        "Trigger {name} no longer runs on {table}, and dropping it takes ACCESS EXCLUSIVE.",
        "Say in the change what takes over what {name} does; replace it with CREATE OR REPLACE TRIGGER where it only"
        " changes.",
    ),
    "drop-protected-trigger": Rule(
        "critical",
        "{table} holds records under regulation, and trigger {name} no longer guards them.",
        "Keep {name}, or create what replaces it before it in the same transaction.",
    ),
    "drop-rule": Rule(
        "critical",
        "Without rule {name}, {table} takes what it redirected or refused until now.",
        "Keep {name}, or create what replaces it before it in the same transaction.",
    ),
    "create-trigger": Rule(
        "error",
        "From here on {name} runs for every row that anybody writes to {table}: it makes each write slower, and can"
        " refuse or change it. Creating it keeps writers out.",
        "Try it under the load of production first, and say in the change what it does for whom.",
    ),
    "create-rule": Rule(
        "error",
        "From here on the server rewrites statements on {table} behind everybody's back: a write can be swallowed"
        " without an error.",
        "Use a trigger that raises an error, or a grant, instead of rule {name}.",
    ),
    "enable-trigger": Rule(
        "warning",
        "Trigger {name} of {table} runs from here on, and not while rows are replicated; one that was ALWAYS is"
        " weakened.",
        "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};",
    ),
    "event-trigger": Rule(
        "error",
        "Event trigger {name} runs for everybody's DDL in this database, or no longer does.",
        "Say in the change why it is needed; it runs for the steps behind it as well.",
    ),
}

_OFF = {
    "AT_DisableTrig": "Trigger {0}",
    "AT_DisableTrigAll": "Every trigger, foreign keys included,",
    "AT_DisableTrigUser": "Every trigger",
    "AT_EnableReplicaTrig": "Trigger {0}, which now waits for replication,",
}


def look(node: Any, around: Around) -> Iterator[Hit]:
    """Find triggers and rules that are made, switched or dropped on relations that were there before."""
    kind = kind_of(node)
    if alters_table(node):
        yield from _switched(node, around)
    elif kind == "CreateTrigStmt":
        table = relation(node.relation)
        if not around.is_new(table) and not around.member_is_new("trigger", table, node.trigname):
            yield Hit("create-trigger", {"table": table, "name": quoted(node.trigname)})
    elif kind == "RuleStmt":
        table = relation(node.relation)
        if not around.is_new(table):
            yield Hit("create-rule", {"table": table, "name": quoted(node.rulename)})
    elif kind == "DropStmt":
        yield from _dropped(node, around)
    elif kind in ("CreateEventTrigStmt", "AlterEventTrigStmt"):
        severity = "critical" if kind == "AlterEventTrigStmt" and node.tgenabled in ("D", "R") else ""
        yield Hit("event-trigger", {"name": quoted(node.trigname)}, severity=severity)


def _switched(node: Any, around: Around) -> Iterator[Hit]:
    table = relation(node.relation)
    if around.is_new(table):
        return
    for kind, command in commands(node):
        said = {"table": table, "name": quoted(command.name)}
        if kind in _OFF:
            yield Hit("disable-trigger", {**said, "what": _OFF[kind].format(said["name"])})
        elif kind in ("AT_DisableRule", "AT_EnableReplicaRule"):
            yield Hit("disable-rule", said)
        elif kind in ("AT_EnableTrig", "AT_EnableTrigAll", "AT_EnableTrigUser"):
            yield Hit("enable-trigger", {**said, "name": said["name"] or "…"})


def _dropped(node: Any, around: Around) -> Iterator[Hit]:
    what = choice(node, "remove_type")
    if what == "OBJECT_EVENT_TRIGGER":
        yield from (Hit("event-trigger", {"name": quoted(*names(item))}) for item in node.objects)
    if what not in ("OBJECT_TRIGGER", "OBJECT_RULE"):
        return
    for item in node.objects:
        *place, name = names(item)
        table = quoted(*place)
        said = {"table": table, "name": quoted(name)}
        if around.member_is_new("trigger" if what == "OBJECT_TRIGGER" else "rule", table, name):
            continue
        if what == "OBJECT_RULE":
            yield Hit("drop-rule", said)
        else:
            yield Hit("drop-protected-trigger" if around.protects(table) else "drop-trigger", said)
