"""What the catalog shows after a script that its text did not: code and EXECUTE leave no other trace.

`changed` is snapshot.Differences.to_json of before → after, and under "definitions" {name: [before, after]}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from changecontrol.rules.context import Context, last, same
from changecontrol.rules.hazards import catalog_changes
from changecontrol.rules.hazards.catalog_objects import RELATIONS, Object, Trace, objects
from changecontrol.rules.policy import Policy

__all__ = ["Difference", "Object", "Trace"]

_DROPS = {
    "table": "drop-table", "foreign table": "drop-table", "view": "drop-view", "materialized view": "drop-view",
    "sequence": "drop-sequence", "enum": "drop-type", "domain": "drop-type", "range": "drop-type",
    "type": "drop-type", "composite type": "drop-type", "function": "drop-function", "procedure": "drop-function",
    "aggregate": "drop-function", "schema": "drop-schema", "extension": "drop-extension", "column": "drop-column",
    "trigger": "drop-trigger", "rule": "drop-rule", "policy": "drop-policy", "constraint": "drop-constraint",
    "event trigger": "event-trigger", "index": "drop-index",
}  # fmt: skip


class Difference:
    """The whole difference with what belongs together taken out: members of whole tables, and renamed things."""

    def __init__(self, changed: Mapping[str, Any], context: Context, policy: Policy) -> None:
        definitions = changed.get("definitions", {})
        self.context, self.policy = context, policy
        self.missing = objects(changed.get("missing", ()), definitions)
        self.extra = objects(changed.get("extra", ()), definitions)
        self.changed = objects([*changed.get("changed", ()), *changed.get("order_only", ())], definitions)
        self.gone = [one.name for one in self.missing if one.kind in RELATIONS]
        self.new = [one.name for one in self.extra if one.kind in RELATIONS]
        self.renamed = list(self._renamed())

    @property
    def touched(self) -> list[str]:
        """Every relation of which something is missing, new or changed."""
        found = [one.table or one.name for one in (*self.missing, *self.extra, *self.changed)]
        found += [
            _indexed_table(one.before or one.after) for one in (*self.missing, *self.extra) if one.kind == "index"
        ]
        return [name for name in found if name]

    def traces(self) -> Iterator[Trace]:
        """Everything the difference shows, renames first."""
        renamed = {id(one) for pair in self.renamed for one in pair}
        yield from (_rename(old, new) for old, new in self.renamed if old.kind not in ("index", "constraint"))
        moved = {old.name for old, _new in self.renamed if old.kind in RELATIONS}
        moved |= {new.name for _old, new in self.renamed if new.kind in RELATIONS}
        for one in self.missing:
            if (
                id(one) not in renamed
                and one.table not in moved
                and (one.kind in RELATIONS or one.table not in self.gone)
                and not self._goes_with_its_column(one)
            ):
                yield from self._gone(one)
        for one in self.extra:
            if id(one) not in renamed and one.table not in moved:
                yield from self._new(one)
        for one in self.changed:
            yield from catalog_changes.altered(one, self)

    def _renamed(self) -> Iterator[tuple[Object, Object]]:
        """Pairs of a missing and a new object that are the same but for the name."""
        left = list(self.extra)
        for old in self.missing:
            for new in left:
                if old.kind == new.kind and _nameless(old) == _nameless(new) and _same_place(old, new):
                    left.remove(new)
                    yield old, new
                    break

    def _gone(self, one: Object) -> Iterator[Trace]:
        rule, said = _DROPS[one.kind], {"table": one.table, "name": one.name, "column": one.name, "what": one.kind}
        about = last(one.name.partition("(")[0])
        if one.kind == "constraint":
            if one.table.startswith("domain "):
                rule, said = "alter-domain", {"name": one.table[7:], "what": f"{one.name} is dropped"}
            elif one.before.startswith("NOT NULL"):
                column = one.before.split()[2] if len(one.before.split()) > 2 else one.name
                rule, said, about = "drop-not-null", {**said, "column": column, "plain": column}, column
        elif one.kind == "column" and (self.is_kind(one.table, "v") or self.is_kind(one.table, "m")):
            return
        elif one.kind == "table" and self.policy.protects(one.name.replace('"', "")):
            rule = "drop-protected-table"
        elif one.kind == "trigger" and self.policy.protects(one.table.replace('"', "")):
            rule = "drop-protected-trigger"
        elif one.kind == "index":
            table = _indexed_table(one.before) or self._table_of(one.name)
            if table in self.gone:
                return
            yield Trace(rule, about, {**said, "table": table}, table)
            return
        yield Trace(rule, about, said, one.table)

    def _goes_with_its_column(self, one: Object) -> bool:
        """A constraint of a column that is gone as well: dropping the column is what has to be judged."""
        words = set(re.findall(r"\w+", one.before)) if one.kind == "constraint" else set()
        return any(
            other.kind == "column" and other.table == one.table and last(other.name) in words for other in self.missing
        )

    def _new(self, one: Object) -> Iterator[Trace]:
        yield from catalog_changes.added(one, self)

    def is_kind(self, table: str, kind: str) -> bool:
        """Whether a relation that was there before is of this kind."""
        known = self.context.table(table)
        return known is not None and known.kind == kind

    def _table_of(self, index: str) -> str:
        return next((name for name, table in self.context.tables.items() if last(index) in table.indexes), "")


def _indexed_table(definition: str) -> str:
    match = re.search(r" ON (?:ONLY )?((?:\"(?:[^\"]|\"\")*\"|[^\s\"]+)+) USING ", definition)
    return match[1] if match else ""


def _nameless(one: Object) -> str:
    """A definition without the object's own name."""
    text = re.sub(rf"(?<![\w.\"]){re.escape(last(one.name))}(?![\w\"])", "?", one.before or one.after)
    return text.replace(one.name, "?")


def _same_place(old: Object, new: Object) -> bool:
    if old.kind in ("column", "trigger", "rule", "policy", "constraint"):
        return same(old.table, new.table)
    return old.kind != "schema" and bool(old.before)


def _rename(old: Object, new: Object) -> Trace:
    said = {"table": old.table, "name": old.name, "column": old.name, "new": new.name}
    rule = {"column": "rename-column", "table": "rename-table"}.get(old.kind, "rename")
    if old.kind in ("trigger", "policy", "rule"):
        rule = "rename-detail"
    return Trace(rule, last(new.name.partition("(")[0]), said, old.table)
