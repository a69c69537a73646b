"""Static hazards: what the parse tree of a script shows before anything runs, one file per theme.

`find` gives hits with their statements; rules/judging.py makes findings of them and lets a rehearsal overrule them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from changecontrol.rules.context import Context, quoted
from changecontrol.rules.hazards import (
    across,
    code,
    columns,
    constraints,
    drops,
    indexes,
    making,
    nested,
    rows,
    security,
    session,
    storage,
    symmetry,
    tables,
    triggers,
    types,
)
from changecontrol.rules.hazards.around import UNKNOWN, Around
from changecontrol.rules.hazards.rule import Hit, Proof, Rule
from changecontrol.rules.parser import find as nodes
from changecontrol.rules.parser import kind_of, names, parse_one
from changecontrol.rules.plan import Direction, Script, Statement, StepKind
from changecontrol.rules.policy import Policy

__all__ = ["INSIDE", "RULES", "Context", "Hit", "Proof", "Rule", "find"]

_THEMES = (columns, types, constraints, indexes, drops, security, triggers, session, rows, tables, storage, code)
RULES: dict[str, Rule] = {name: rule for theme in (*_THEMES, across, symmetry) for name, rule in theme.RULES.items()}
#: What counts in the body of a function that nobody calls here: it runs later, past every reviewer.
_LATER = ("disable-trigger", "disable-rule", "replication-role", "row-security-setting", "truncate", "drop-policy",
          "disable-row-security", "grant-to-public", "drop-protected-table", "role-past-security",
          "dynamic-sql")  # fmt: skip
_DEPTH = 5
#: How the message of a finding begins whose statement stands in code.
INSIDE = "In "


@dataclass(frozen=True, slots=True)
class Placed:
    """A hit at its statement."""

    statement: Statement
    hit: Hit


def find(script: Script, *, policy: Policy, context: Context | None, forward: Script | None = None) -> list[Placed]:
    """Everything the rules find in one script, in file order. `forward` is the migration that a rollback takes back."""
    reader = _Reader(script, policy, context)
    if forward is not None:
        for statement in forward.statements:
            for node in reader.every_node(statement):
                reader.around.made.update(making.made(node))
    return reader.read()


def left_behind(forward: Script, rollback: Script) -> Iterator[Placed]:
    """What the rollback does not take back, at the statement of the migration that makes it."""
    trees = [(node, one) for one in forward.statements if (node := parse_one(one.sql)) is not None]
    back = [node for one in rollback.statements if (node := parse_one(one.sql)) is not None]
    made_by = {id(node): one for node, one in trees}
    for node, hit in symmetry.left_behind([node for node, _one in trees], back):
        yield Placed(made_by[id(node)], hit)


class _Reader:
    def __init__(self, script: Script, policy: Policy, context: Context | None) -> None:
        self.script = script
        self.around = Around(policy, context, rollback=script.direction is Direction.ROLLBACK)
        self.bodies: dict[str, tuple[str, str]] = {}
        self.found: list[Placed] = []

    def read(self) -> list[Placed]:
        """Walk the steps in order."""
        for statement in self.script.statements:
            node = parse_one(statement.sql)
            for inner in nodes(node, "CreateFunctionStmt") if node is not None else ():
                self.bodies[names(inner.funcname)[-1]] = nested.code(inner)
            for one in (node,) if node is not None else ():
                self.around.indexed.extend(making.indexed(one))
                self.around.keyed.update(making.keyed(one))
        for step in self.script.steps:
            held = across.Held()
            self.around.unvalidated = {}
            self.around.batched = step.kind is StepKind.BATCHED
            for statement in step.statements:
                self._statement(statement, held)
        return self.found

    def every_node(self, statement: Statement) -> Iterator[Any]:
        """A statement's tree and those inside its code."""
        node = parse_one(statement.sql)
        if node is None:
            return
        yield node
        if kind_of(node) == "DoStmt":
            yield from (inner.node for inner in nested.read(*nested.code(node)) or () if inner.node is not None)

    def _statement(self, statement: Statement, held: across.Held) -> None:
        self._keep(statement, tables.too_long(statement.sql))
        node = parse_one(statement.sql)
        if node is not None:
            self._node(statement, node, held, depth=0)

    def _node(self, statement: Statement, node: Any, held: across.Held, *, depth: int) -> None:
        for theme in _THEMES:
            self._keep(statement, theme.look(node, self.around))
        if not self.around.only_defined:
            self._keep(statement, held.look(node, statement.line, self.around))
        if depth < _DEPTH:
            self._inside(statement, node, held, depth)
        if not self.around.only_defined:
            making.note(node, self.around)

    def _inside(self, statement: Statement, node: Any, held: across.Held, depth: int) -> None:
        kind = kind_of(node)
        if kind == "DoStmt":
            self._code(statement, "the DO block", nested.code(node), held, depth)
        elif kind == "CreateFunctionStmt":
            name = quoted(*names(node.funcname))
            before, self.around.only_defined = self.around.only_defined, True
            self._code(statement, name, nested.code(node), held, depth)
            for found in (one for one in [node.sql_body] if node.HasField("sql_body")):
                self._inner(statement, found, name, held, depth)
            self.around.only_defined = before
        if kind in ("SelectStmt", "CallStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"):
            for call in nodes(node, "FuncCall"):
                self._called(statement, quoted(*names(call.funcname)), held, depth)

    def _called(self, statement: Statement, name: str, held: across.Held, depth: int) -> None:
        own = self.bodies.get(names_last(name))
        if own is not None:
            self._code(statement, f"{name}()", own, held, depth)
        elif self.around.context is not None and not name.startswith("pg_catalog."):
            for function in self.around.context.named_function(name):
                self._code(statement, f"{name}()", (function.language, function.body), held, depth)

    def _code(self, statement: Statement, name: str, code_of: tuple[str, str], held: across.Held, depth: int) -> None:
        language, body = code_of
        if not body:
            return
        inner = nested.read(language, body)
        if inner is None:
            if language not in ("c", "internal"):
                self._keep(statement, [Hit("opaque-language", {"name": f"{name} ({language})"})])
            return
        for one in inner:
            before = self.around.inside, self.around.looped
            self.around.inside = f"{INSIDE}{name}, line {one.line}: "
            self.around.looped = one.looped
            if one.node is None:
                self._keep(statement, [Hit("dynamic-sql")])
            else:
                self._node(statement, one.node, held, depth=depth + 1)
            self.around.inside, self.around.looped = before

    def _inner(self, statement: Statement, node: Any, name: str, held: across.Held, depth: int) -> None:
        before, self.around.inside = self.around.inside, f"{INSIDE}{name}: "
        for kind in ("UpdateStmt", "DeleteStmt", "InsertStmt", "TruncateStmt"):
            for found in nodes(node, kind):
                self._node(statement, found, held, depth=depth + 1)
        self.around.inside = before

    def _keep(self, statement: Statement, hits: Iterator[Hit] | Sequence[Hit]) -> None:
        for hit in hits:
            if self.around.only_defined and self.around.inside and hit.rule not in _LATER:
                continue
            said = {key: value.replace(UNKNOWN, "a name known at run time") for key, value in hit.names.items()}
            self.found.append(Placed(statement, replace(hit, names=said, inside=self.around.inside)))


def names_last(name: str) -> str:
    """The last part of a dotted name without quotes."""
    return name.rpartition(".")[2].strip('"')
