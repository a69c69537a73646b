"""A rehearsal against predictions: which of them stand, and what it saw that nobody had predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from changecontrol.rules.context import Context, last, same
from changecontrol.rules.finding import SEVERITIES, Finding
from changecontrol.rules.hazards import INSIDE, RULES, Hit, Proof, catalog, seen
from changecontrol.rules.observed import BLOCKS_WRITERS, STRENGTH, Observed
from changecontrol.rules.policy import Policy

#: What a fact proves, and which predictions besides say the same of a statement.
_PROVES = {
    "rewrites-table": (Proof.REWRITE, Proof.SCAN, Proof.BUILD),
    "scan-under-lock": (Proof.SCAN, Proof.HELD),
    "index-build-under-lock": (Proof.BUILD, Proof.REWRITE),
    "rows-in-one-transaction": (Proof.ROWS, Proof.HELD),
    "two-tables-locked": (Proof.EXCLUSIVE,),
    "lock-held-meanwhile": (Proof.HELD,),
}
#: Predictions that need no proof and already say what such a fact would say again.
_SAYS_SO = {
    "rewrites-table": ("vacuum-full", "set-logged", "cluster", "refresh-materialized-view", "change-type-using",
                       "truncate"),
    "scan-under-lock": ("create-partition", "domain-check", "add-column-required", "change-type-using"),
    "index-build-under-lock": ("reindex", "cluster", "create-partition"),
    "rows-in-one-transaction": ("update-all", "delete-all", "insert-select", "update-many",
                                "backfill-in-one-transaction", "create-materialized-view"),
    "two-tables-locked": ("add-column-references", "drop-constraint", "detach-partition", "attach-partition",
                          "drop-table", "drop-protected-table", "create-partition", "truncate", "lock-table"),
    "protected-rows": ("drop-protected-table",),
    "forward-failed": ("index-concurrently-partitioned", "add-column-required", "enum-value-used"),
}  # fmt: skip
#: Rules that mean the same of one object.
_FAMILIES = (
    ("drop-table", "drop-protected-table", "drop-schema"), ("drop-trigger", "drop-protected-trigger"),
    ("replace-function", "alter-function"), ("enable-row-security", "disable-row-security"),
    ("alter-domain", "domain-check"), ("disable-trigger", "enable-trigger"), ("rename", "rename-table", "set-schema"),
    ("drop-generation", "drop-default"), ("restart-identity", "alter-sequence"), ("drop-column", "rename-column"),
    ("drop-constraint", "drop-column", "rename-detail"), ("drop-index", "rename-detail"),
    ("attach-partition", "create-partition"), ("drop-not-null", "drop-constraint"),
)  # fmt: skip


_UNREACHED = "The rehearsal did not come to this line; other rows may."


@dataclass(frozen=True, slots=True)
class Further:
    """One thing to add, at a statement."""

    hit: Hit
    at: Observed


class Overruling:
    """The rehearsal's facts, asked for each prediction in turn."""

    def __init__(
        self, observed: Sequence[Observed], changed: Mapping[str, Any], context: Context, policy: Policy
    ) -> None:
        self.observed, self.context = list(observed), context
        self.difference = catalog.Difference(changed, context, policy)
        self.compared = bool(changed)
        self.facts = seen.facts(self.observed, context=context, policy=policy)
        self._at = {(one.file, one.line, one.column): one for one in self.observed}
        self._said: dict[tuple[str, int, int], list[str]] = {}
        self._worse: dict[tuple[str, str, int, int], str] = {}

    def at(self, finding: Finding) -> Observed | None:
        """The statement that a finding is about, as it was observed."""
        return self._at.get((finding.file, finding.line, finding.column))

    def judge(self, finding: Finding) -> Finding | None:
        """The finding as it stands after the rehearsal, or None when it was a false alarm."""
        rule, one = RULES.get(finding.rule), self.at(finding)
        if rule is None or one is None or one.error or rule.proof is Proof.NONE:
            return finding
        if rule.proof is Proof.REPLACED:
            new = [other.name.partition("(")[0] for other in self.difference.extra]
            names = [name for name in new if last(name) in finding.message]
            return None if names and self.compared else finding
        if self._stands(rule.proof, one):
            return finding
        return self._unreached(finding, rule.proof, one)

    def _unreached(self, finding: Finding, proof: Proof, one: Observed) -> Finding | None:
        """A prediction about a line of code that the rehearsal looked at rows for and then passed by: on other rows it
        runs. What code decides by the catalog alone it decides on the target as on the copy.
        """
        if not finding.message.startswith(INSIDE) or one.kind not in seen.OPAQUE or not one.locks:
            return None
        needed = STRENGTH["ROW EXCLUSIVE"] if proof is Proof.ROWS else BLOCKS_WRITERS
        sofar = [each for each in self.observed if (each.file, each.step) == (one.file, one.step)]
        held = {
            name
            for each in sofar[: sofar.index(one) + 1]
            for name, mode in each.locks.items()
            if STRENGTH.get(mode, 0) >= needed
        }
        known = any(last(name) in finding.message for name in self.context.tables)
        if not known or any(last(name) in finding.message for name in held):
            return None
        return replace(finding, message=f"{finding.message} {_UNREACHED}")

    def _stands(self, proof: Proof, one: Observed) -> bool:
        mine = [fact.rule for fact in self.facts if fact.at is one]
        if proof is Proof.REWRITE:
            return bool(one.rewrites or one.indexes) or "scan-under-lock" in mine
        if proof is Proof.LOCK:
            return not one.exact or any(STRENGTH.get(mode, 0) >= BLOCKS_WRITERS for mode in one.locks.values())
        if proof is Proof.ROWS:
            return "rows-in-one-transaction" in mine or self._had_no_rows(one)
        if proof is Proof.HELD:
            return bool(
                {"rows-in-one-transaction", "scan-under-lock", "index-build-under-lock", "lock-held-meanwhile"}
                & set(mine)
            )
        return any(proof in _PROVES.get(rule, ()) for rule in mine)

    def _had_no_rows(self, one: Observed) -> bool:
        """Whether the copy was too empty to say how many rows a statement writes."""
        if any(one.rows.values()) or any(one.scans.values()):
            return False
        named = [table for name, table in self.context.tables.items() if name in one.locks or last(name) in one.sql]
        return not any(table.rows > 0 for table in named)

    def further(self, known: Sequence[Finding]) -> Iterator[Further]:
        """What the rehearsal shows beyond the predictions that stand; and notes what it confirms."""
        emptied = list(seen.emptied(self.observed, self.context))
        traces = list(self.difference.traces()) if self.compared else []
        touched = self.difference.touched
        locks = [*seen.unexplained_locks(self.observed, touched, self.context)] if self.compared else []
        for fact in (*self.facts, *emptied, *locks):
            if not self._told(fact, known):
                yield Further(Hit(fact.rule, fact.names), fact.at)
        for trace in traces:
            at = self._place(trace, known)
            if at is not None:
                yield Further(Hit(trace.rule, trace.names), at)
        yield from self._cascades(known)

    def _told(self, fact: seen.Fact, known: Sequence[Finding]) -> bool:
        """Whether a prediction at the same statement says it; then the prediction is confirmed by it."""
        here = [one for one in known if self.at(one) is fact.at]
        if fact.rule == "opaque-lock":
            return any(one.blocks and RULES.get(one.rule) is not None for one in here)
        proves = _PROVES.get(fact.rule, ())
        fitting = [
            one
            for one in here
            if one.rule == fact.rule
            or one.rule in _SAYS_SO.get(fact.rule, ())
            or (one.rule in RULES and RULES[one.rule].proof in proves)
        ]
        for one in fitting:
            place = (one.rule, one.file, one.line, one.column)
            self._worse[place] = _sentence(fact)
        return bool(fitting)

    def confirmed(self, found: Sequence[Finding]) -> list[Finding]:
        """The findings, with what the rehearsal saw written behind those that it confirms."""
        return [self._confirm(one) for one in found]

    def _confirm(self, one: Finding) -> Finding:
        said = self._worse.get((one.rule, one.file, one.line, one.column))
        if said is None or one.basis == "observed":
            return one
        proven = one.rule in RULES and RULES[one.rule].proof is not Proof.NONE
        blocks = one.blocks or not proven
        severity = one.severity if blocks else max(one.severity, "error", key=SEVERITIES.index)
        return replace(one, severity=severity, basis="observed", message=f"{one.message} {said}")

    def _place(self, trace: catalog.Trace, known: Sequence[Finding]) -> Observed | None:
        """The statement a catalog trace is told at; None when a finding already tells it, or it is no hazard here."""
        rules = {trace.rule, *(rule for family in _FAMILIES if trace.rule in family for rule in family)}
        if any(one.rule in rules and trace.about in one.message for one in known):
            return None
        done = [one for one in self.observed if not one.error]
        takes = [one for one in done if any(same(name, trace.table) for name in one.locks)] if trace.table else []
        if trace.rule == "drop-index" and not any(_strong(one, trace.table) for one in takes):
            return None
        orders = (
            [one for one in takes if one.kind in seen.OPAQUE],
            [one for one in done if trace.about in one.sql and one.kind in seen.OPAQUE],
            [one for one in done if one.kind in seen.OPAQUE] if not any(trace.about in one.sql for one in done) else [],
            [one for one in takes if trace.about in one.sql],
            [one for one in done if trace.about in one.sql],
            takes,
        )
        found = next((some for some in orders if some), done)
        if trace.rule == "detach-partition" and found and seen.concurrent(found[0]):
            return None
        return found[0] if found else None

    def _cascades(self, known: Sequence[Finding]) -> Iterator[Further]:
        for one in self.observed:
            what = [said.removeprefix("drop cascades to ") for said in one.says if said.startswith("drop cascades to ")]
            if not what:
                continue
            dropping = [each for each in known if self.at(each) is one and each.rule.startswith(("drop-", "truncate"))]
            for each in dropping:
                said = f"In the rehearsal {', '.join(what)} fell with it."
                self._worse[each.rule, each.file, each.line, each.column] = said
            if not dropping:
                yield Further(Hit("drop-cascade", {"what": ", ".join(what)}), one)


def _strong(one: Observed, table: str) -> bool:
    return any(same(name, table) and STRENGTH.get(mode, 0) >= BLOCKS_WRITERS for name, mode in one.locks.items())


def _sentence(fact: seen.Fact) -> str:
    """What the rehearsal saw, for a prediction that it confirms."""
    said = fact.names
    return {
        "rewrites-table": f"The rehearsal saw {said.get('table')} written anew.",
        "scan-under-lock": f"The rehearsal saw {said.get('count')} rows of {said.get('table')} read under the lock.",
        "index-build-under-lock": f"The rehearsal saw {said.get('name')} built under the lock.",
        "rows-in-one-transaction": f"The rehearsal saw {said.get('count')} rows of {said.get('table')} written.",
        "two-tables-locked": f"The rehearsal saw {said.get('table')} and {said.get('other')} locked together.",
        "protected-rows": f"The rehearsal saw rows of {said.get('table')} changed.",
        "lock-held-meanwhile": f"{said.get('what')} took place under the lock in the rehearsal.",
        "forward-failed": f"The rehearsal failed here: {said.get('error')}.",
    }.get(fact.rule, "The rehearsal saw it.")
