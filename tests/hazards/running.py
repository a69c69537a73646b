"""Run a case, or any SQL, on a copy under the probe, and give what the rules make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from changecontrol import linting
from changecontrol.rules import judging
from changecontrol.rules.context import Context
from changecontrol.rules.finding import Finding
from changecontrol.rules.observed import Observed
from changecontrol.rules.policy import Policy
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.targets import context as contexts
from changecontrol.targets import snapshot
from changecontrol.targets.connection import Where
from tests.targets import observing, stage

FILE = "002_example.sql"


@dataclass(frozen=True)
class Judged:
    """What became of one text."""

    refused: str = ""
    static: Sequence[Finding] = ()
    squawk: Sequence[Finding] = ()
    final: Sequence[Finding] = ()
    observed: Sequence[Observed] = ()
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def alarms(self) -> list[Finding]:
        """What blocks in the end."""
        return [one for one in self.final if one.blocks]

    @property
    def rules(self) -> set[str]:
        """The rules that alarm in the end."""
        return {one.rule for one in self.alarms}


def parsed(sql: str) -> Script | Refused:
    """The script of a text, or why it is refused."""
    try:
        return stage.script(sql, file=FILE)
    except Refused as refusal:
        return refusal


def judge(where: Where, sql: str, *, policy: Policy | None = None, squawk: Sequence[Finding] | None = None) -> Judged:
    """Parse, predict, run and judge on a database of its own."""
    policy = policy or Policy()
    script = parsed(sql)
    linted = list(squawk) if squawk is not None else linting.squawk({FILE: sql.encode()})
    if isinstance(script, Refused):
        return Judged(refused=type(script).__name__, squawk=linted)
    context, before = look(where)
    predicted = judging.static(script, None, policy=policy)
    with_context = judging.static(script, None, policy=policy, context=context)
    _outcome, observed = observing.rehearsed(where, sql)
    _context, after = look(where)
    changed: dict[str, Any] = {}
    if not any(one.error for one in observed):
        changed = dict(snapshot.differences(before, after).to_json())
        names = {*changed["missing"], *changed["extra"], *changed["changed"], *changed["order_only"]}
        changed["definitions"] = {n: [before.objects.get(n, ""), after.objects.get(n, "")] for n in sorted(names)}
    final = judging.final(with_context, linted, observed=observed, changed=changed, context=context, policy=policy)
    return Judged("", predicted, linted, final, observed, changed)


def look(where: Where) -> tuple[Context, snapshot.Catalog]:
    """The context and the catalog of a database."""
    with psycopg.connect(where.dsn, autocommit=True) as conn:
        return contexts.read(conn), snapshot.catalog(conn)
