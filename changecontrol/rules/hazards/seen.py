"""What a rehearsal saw, as facts: rewrites, scans and builds under locks, many rows in one transaction, two tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from changecontrol.rules.context import Context, same
from changecontrol.rules.hazards.around import commands, definition, relation
from changecontrol.rules.hazards.rule import Proof, Rule
from changecontrol.rules.hazards.session import guarded
from changecontrol.rules.locks import is_concurrent
from changecontrol.rules.observed import BLOCKS_WRITERS, ROW_WRITES, STRENGTH, Observed
from changecontrol.rules.parser import parse_one, unwrap
from changecontrol.rules.policy import Policy

RULES = {
    "rewrites-table": Rule(
        "error",
        "{table} is written anew while ACCESS EXCLUSIVE keeps every reader and writer out.",
        "Bring the change in beside the old column or table, and fill it with a batched step.",
        Proof.REWRITE,
    ),
    "scan-under-lock": Rule(
        "error",
        "Every row of {table} is read while a lock keeps writers out.",
        "ADD CONSTRAINT … NOT VALID first, VALIDATE CONSTRAINT in a later step.",
        Proof.SCAN,
    ),
    "index-build-under-lock": Rule(
        "error",
        "{name} is built while a lock keeps writers out.",
        "CREATE INDEX CONCURRENTLY in a step of its own; a constraint takes it over with USING INDEX.",
        Proof.BUILD,
    ),
    "rows-in-one-transaction": Rule(
        "error",
        "{count} rows of {table} are written in one transaction, {share}; all of them stay locked until the commit.",
        "-- changecontrol: batch key=… size=1000 before the statement, in a step of its own.",
        Proof.ROWS,
    ),
    "forward-failed": Rule("error", "The rehearsal failed here: {error}.", "Correct the statement."),
    "opaque-lock": Rule(
        "error",
        "This code takes {mode} on {table}, and nothing in the catalog shows what for: everybody who needs the table"
        " waits until the commit.",
        "Write the statements out instead of running them from code.",
    ),
    "drop-cascade": Rule("error", "More falls than the statement names: {what}.", "Drop what depends on it by name."),
}

#: Statements that run code or query plans: what they lock and read is not told by their kind.
OPAQUE = ("DoStmt", "SelectStmt", "CallStmt", "ExplainStmt")
_VERIFIES = ("verifying table", "validating foreign key constraint")
_SAFE = {"session_replication_role": "origin", "row_security": "on"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the rehearsal saw at one statement."""

    rule: str
    at: Observed
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The relation it is about."""
        return self.names.get("table", "")


@dataclass(slots=True)
class _Transaction:
    """What a step has done so far."""

    locks: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # where each lock was taken
    rows: dict[str, int] = field(default_factory=dict)
    many: set[str] = field(default_factory=set)
    two: bool = False

    def blocks_writers(self, table: str) -> bool:
        return STRENGTH.get(self.locks.get(table, ""), 0) >= BLOCKS_WRITERS

    def strong(self) -> list[str]:
        return [table for table in self.locks if self.blocks_writers(table)]


def facts(observed: Sequence[Observed], *, context: Context, policy: Policy) -> list[Fact]:
    """Everything that execution alone shows, in order."""
    rows_limit = policy.limits.rows_in_one_transaction
    found: list[Fact] = []
    new: set[str] = set()
    steps: dict[tuple[str, int], _Transaction] = {}
    for whole in observed:
        one = _of_what_was_there(whole, context)
        new.update(one.new)
        step = steps.setdefault((one.file, one.step), _Transaction())
        for table, mode in one.locks.items():
            if STRENGTH.get(mode, 0) > STRENGTH.get(step.locks.get(table, ""), 0):
                step.locks[table] = mode
                step.lines[table] = one.line
        found += [replace(fact, at=whole) for fact in _of_statement(one, step, new, context, rows_limit)]
        found += [replace(fact, at=whole) for fact in _of_protected(one, new, context, policy)]
    return found


def _of_what_was_there(one: Observed, context: Context) -> Observed:
    """Leave out what the context does not know: for a rollback that is what its migration made."""
    if not context.tables:
        return one
    return replace(
        one,
        locks={name: mode for name, mode in one.locks.items() if name in context.tables},
        rewrites=tuple(name for name in one.rewrites if name in context.tables),
        scans={name: count for name, count in one.scans.items() if name in context.tables},
        rows={name: count for name, count in one.rows.items() if name in context.tables},
        replaced={name: count for name, count in one.replaced.items() if name in context.tables},
    )


def _of_statement(
    one: Observed, step: _Transaction, new: set[str], context: Context, rows_limit: int
) -> Iterator[Fact]:
    if one.error:
        yield Fact("forward-failed", one, {"error": one.error})
    yield from _of_files(one, step)
    yield from _of_scans(one, step, rows_limit, _checks_what_is_new(one, new, context))
    if not one.batched:
        yield from _of_rows(one, step, new, context, rows_limit)
    if not step.two:
        yield from _of_two(one, step, context)
    for name, value in one.settings.items():
        if guarded(name) and value != _SAFE.get(name):
            yield Fact(guarded(name), one, {"name": name})
    for said in one.says:
        if said.startswith("identifier ") and "truncated to" in said:
            name, _, cut = said.removeprefix("identifier ").partition(" will be truncated to ")
            yield Fact("identifier-too-long", one, {"name": name.strip('"'), "cut": cut.strip('"')})


def concurrent(one: Observed) -> bool:
    """Whether the statement says CONCURRENTLY."""
    node = parse_one(one.sql)
    return node is not None and is_concurrent(node)


def _of_files(one: Observed, step: _Transaction) -> Iterator[Fact]:
    if one.kind == "TruncateStmt":
        return
    for table in one.rewrites:
        yield Fact("rewrites-table", one, {"table": table})
    if one.indexes and not one.rewrites and step.strong() and not concurrent(one):
        yield Fact("index-build-under-lock", one, {"name": ", ".join(one.indexes), "table": step.strong()[0]})


def _checks_what_is_new(one: Observed, new: set[str], context: Context) -> bool:
    """Whether a check that read no row may be about a table of this script, which was empty."""
    node = parse_one(one.sql) if one.kind == "AlterTableStmt" else None
    return bool(new) if node is None else not context.full_name(relation(node.relation))


def _of_scans(one: Observed, step: _Transaction, rows_limit: int, empty: bool) -> Iterator[Fact]:
    if one.rewrites or concurrent(one):
        return
    verifies = any(said.startswith(_VERIFIES) for said in one.says)
    plain = one.kind not in OPAQUE and one.kind not in ROW_WRITES
    earlier = [name for name in step.strong() if name not in one.locks]
    for table, count in one.scans.items():
        if not step.blocks_writers(table) or count <= 0:
            if earlier and count > rows_limit and not one.indexes:
                yield Fact("lock-held-meanwhile", one, _meanwhile(f"Reading {count:,} rows of {table}", earlier, step))
                return
            continue
        if (plain and not one.indexes) or verifies or (count > rows_limit and not one.indexes):
            yield Fact("scan-under-lock", one, {"table": table, "count": f"{count:,}"})
            return
    if verifies and step.strong() and not any(one.scans.values()) and not empty:
        yield Fact("scan-under-lock", one, {"table": step.strong()[0], "count": "0"})


def _meanwhile(what: str, earlier: Sequence[str], step: _Transaction) -> dict[str, str]:
    exclusive = [name for name in earlier if step.locks[name] == "ACCESS EXCLUSIVE"]
    whom, table = ("everybody", exclusive[0]) if exclusive else ("writers", earlier[0])
    return {"table": table, "what": what, "whom": whom, "line": str(step.lines.get(table, 1))}


def _of_rows(one: Observed, step: _Transaction, new: set[str], context: Context, rows_limit: int) -> Iterator[Fact]:
    for table, count in one.rows.items():
        if table in new or count <= 0:
            continue
        step.rows[table] = step.rows.get(table, 0) + count
        whole = (
            number for name, number in one.scans.items() if name not in new and number >= known_rows(name, context)
        )
        read = max(whole, default=0)
        every = count > 1 and 0 < read <= count and one.kind != "CopyStmt" and not _limited(one)
        if (step.rows[table] > rows_limit or every) and table not in step.many:
            step.many.add(table)
            share = "as many as were read" if every else f"more than the limit of {rows_limit:,}"
            yield Fact(
                "rows-in-one-transaction", one, {"table": table, "count": f"{step.rows[table]:,}", "share": share}
            )


def _of_protected(one: Observed, new: set[str], context: Context, policy: Policy) -> Iterator[Fact]:
    """Records under regulation that were changed, on whatever way: a view, a trigger, a cascade, a partition, code."""
    for table in (name for name in one.replaced if name not in new):
        if any(policy.protects(name.replace('"', "")) for name in (table, *context.above(table))):
            yield Fact("protected-rows", one, {"table": table, "what": "This statement"})


def _limited(one: Observed) -> bool:
    """Whether an INSERT … SELECT says itself how many rows it takes."""
    node = parse_one(one.sql) if one.kind == "InsertStmt" else None
    return node is not None and node.HasField("select_stmt") and bool(unwrap(node.select_stmt).HasField("limit_count"))


def known_rows(table: str, context: Context) -> int:
    """How many rows a table had when the context was read; 0 when nobody knows."""
    known = context.tables.get(table)
    return known.rows if known else 0


def _of_two(one: Observed, step: _Transaction, context: Context) -> Iterator[Fact]:
    """Two tables locked in one transaction, one of them against everybody. Partitions count as their table."""
    held: dict[str, str] = {}
    attached = _attached(one, context)
    for name in step.strong():
        known = context.tables.get(name)
        if (known is not None and known.kind not in "rpm") or name == attached:
            continue
        root, mode = context.root(name), step.locks[name]
        if STRENGTH[mode] > STRENGTH.get(held.get(root, ""), 0):
            held[root] = mode
    exclusive = [name for name, mode in held.items() if mode == "ACCESS EXCLUSIVE"]
    if exclusive and len(held) > 1:
        step.two = True
        now = [context.root(name) for name in one.locks]
        other = next((name for name in held if name != exclusive[0] and name in now), "")
        other = other or next(name for name in held if name != exclusive[0])
        yield Fact("two-tables-locked", one, {"table": exclusive[0], "other": other})


def _attached(one: Observed, context: Context) -> str:
    """The table that becomes a partition here: one with its parent from now on."""
    node = parse_one(one.sql) if one.kind == "AlterTableStmt" else None
    if node is None:
        return ""
    found = (definition(command) for kind, command in commands(node) if kind == "AT_AttachPartition")
    return next((context.full_name(relation(one.name)) for one in found), "")


def unexplained_locks(observed: Sequence[Observed], touched: Sequence[str], context: Context) -> Iterator[Fact]:
    """Strong locks that code takes on relations of which the catalog difference shows nothing (`touched` names)."""
    for one in observed:
        if one.kind not in OPAQUE or one.rewrites or one.indexes:
            continue
        for table, mode in _of_what_was_there(one, context).locks.items():
            if STRENGTH.get(mode, 0) >= BLOCKS_WRITERS and not any(same(table, name) for name in touched):
                yield Fact("opaque-lock", one, {"table": table, "mode": mode})
                break


def emptied(observed: Sequence[Observed], context: Context) -> Iterator[Fact]:
    """Tables that were emptied: a new file that the server did not call a rewrite."""
    for one in observed:
        truncates = one.kind == "TruncateStmt"
        if truncates or (one.kind in OPAQUE and not any("rewriting table" in said for said in one.says)):
            for table in _of_what_was_there(one, context).rewrites:
                yield Fact("truncate", one, {"name": table, "table": table})
