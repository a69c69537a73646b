"""Whether a batched step may begin, and whether it is finished: nothing is called done that is still to do."""

from __future__ import annotations

from changecontrol.rules import batches
from changecontrol.rules.directives import CTID
from changecontrol.rules.script import Batch, LockClass, Step
from changecontrol.targets import ranges, wire
from changecontrol.targets.outcome import Failure
from changecontrol.targets.running import Halt, Run

_PASSES = 3  # users write meanwhile: a second pass takes what came behind the first one's back
_PASSES_CTID = 6  # rows that users change move: the last passes take them in one snapshot

_INDEXED_SQL = """
SELECT EXISTS (
  SELECT FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
  WHERE x.indrelid = ANY (%s::oid[]) AND a.attname = %s AND x.indisvalid AND x.indpred IS NULL)
"""

_NULLABLE_SQL = """
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = ANY (%s::oid[]) AND attname = %s AND NOT attnotnull)
"""

# A policy that shows this role every row makes up for all that show it some; a restrictive one takes rows away again.
_HIDDEN_SQL = """
SELECT current_user FROM root WHERE row_security_active(root.oid) AND (
  NOT EXISTS (SELECT FROM policies WHERE polpermissive AND pg_get_expr(polqual, polrelid) = 'true')
  OR EXISTS (SELECT FROM policies WHERE NOT polpermissive))
"""
_POLICIES_SQL = """
WITH root AS (
  SELECT oid FROM unnest(%(tables)s::oid[]) AS of_tree (oid)
  WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = oid AND inhparent = ANY (%(tables)s::oid[]))
), policies AS (
  SELECT p.* FROM pg_policy p JOIN root ON polrelid = root.oid WHERE polcmd IN ('*', 'r')
  AND (0 = ANY (polroles) OR EXISTS (SELECT FROM unnest(polroles) AS r WHERE pg_has_role(r, 'USAGE'))))
"""


def examine(run: Run, step: Step, batch: Batch, oids: list[int]) -> None:
    """Look before the first batch: whether the key leads an index; along ctid, whether the WHERE tells what is done.

    `oids`: the table and its partitions. Raises Halt.
    """
    _require_sight(run, step, batch, oids)
    if batch.key == CTID:
        if _where_is_blind(run, step, batch):
            text = (
                "The WHERE does not tell finished rows from open ones, and a changed row moves to another place: "
                "batches along ctid would change it twice. Say in WHERE what is left to do, or name a key."
            )
            raise Halt("failed", failure(step, text))
        return
    _require_keys(run, step, batch, oids)
    row = run.session.execute(_INDEXED_SQL, (oids, batch.key)).fetchone()
    if oids and row and not row[0]:
        text = (
            f"No index of {batch.table} begins with {batch.key}, so that every batch reads the whole table. Without a "
            "key the batches walk along the places of the rows."
        )
        run.watch.emit("notice", text, severity="WARNING")


def _require_sight(run: Run, step: Step, batch: Batch, oids: list[int]) -> None:
    """Whoever sees a part of the rows only would fill that part, and find nothing left to do."""
    if not oids:
        return
    row = run.session.execute((_POLICIES_SQL + _HIDDEN_SQL).encode(), {"tables": oids}).fetchone()
    if row:
        text = (
            f"Row-level security of {batch.table} hides rows from {row[0]}, and the batches would pass over them. Run "
            "as a role with BYPASSRLS, or give this one a policy USING (true)."
        )
        raise Halt("failed", failure(step, text))


def _require_keys(run: Run, step: Step, batch: Batch, oids: list[int]) -> None:
    """Rows without a key lie in no range: a copy, or a WHERE that cannot tell, would leave them out unsaid."""
    row = run.session.execute(_NULLABLE_SQL, (oids, batch.key)).fetchone()
    if (oids and row and not row[0]) or not batch.keyless_sql:
        return
    if found := run.retrying(step, lambda attempt: count(run, batch.keyless_sql)):
        text = (
            f"{found} rows of {batch.table} that match the WHERE have no key: {batch.key} is empty, and no batch would "
            f"reach them. Add {batch.key} IS NOT NULL to the WHERE if they are to stay as they are, or choose another "
            "key."
        )
        raise Halt("failed", failure(step, text))


def left(run: Run, step: Step, batch: Batch, passes: int, pass_rows: int) -> int:
    """How many rows are left for one more pass; 0 when the step is finished. Raises Halt when it would not help."""
    statement = step.statements[0]
    copies = statement.kind == "InsertStmt"
    if copies and (not pass_rows or batches.copies_blindly(batch)):
        return 0  # the source rows still match afterwards; every key was walked once
    found = run.retrying(step, lambda attempt: count(run, batch.count_sql))
    if found == 0:
        return 0
    along_ctid = batch.key == CTID
    if pass_rows and not along_ctid and _where_is_blind(run, step, batch):
        if copies:
            return 0
        run.watch.emit("notice", _once(pass_rows, found), severity="WARNING")
        return 0
    if (pass_rows or (along_ctid and passes == 1)) and passes < (_PASSES_CTID if along_ctid else _PASSES):
        text = f"{found} rows came to match meanwhile: one more pass."
        run.watch.emit("progress", text, total=found, phase=f"pass {passes + 1}")
        return found
    text = (
        f"{found} rows of {batch.table} still match the WHERE after {passes} passes. A rule, a trigger, "
        "a policy or a NULL key keeps them from being changed. What was committed stays; look at these rows first."
    )
    raise Halt("failed", failure(step, text))


def _once(changed: int, found: int) -> str:
    """What can be said after a walk whose WHERE still matches what it has changed."""
    told = "The WHERE does not tell finished rows from open ones: "
    if found <= changed:
        return f"{told}every row was changed once, no further pass."
    return (
        f"{told}{changed} were changed, {found} match now, and no further pass could tell which. Rows that came "
        "meanwhile were left, or a rule, a trigger or a policy keeps some from being changed."
    )


def require_nothing_left(run: Run, step: Step, batch: Batch, lower: str | None, upper: str) -> None:
    """A range that still holds matching rows, none of which changed: a rule or trigger swallows the statement."""
    found = int(run.send(batch.range_count_sql, params=(lower, upper)).values[0][0] or 0)
    if found:
        reason = "A rule, a trigger or a policy on the table swallows the statement."
        if step.statements[0].kind == "InsertStmt":
            reason = "ON CONFLICT, or a rule or trigger of the table that is filled, leaves them out."
        text = (
            f"{found} rows of {batch.table} up to key {upper} match the WHERE, but the batch changed none of them. "
            f"{reason} Nothing of this batch was kept."
        )
        raise Halt("failed", failure(step, text))


def count(run: Run, text: str) -> int:
    """The number a counting query gives."""
    return int(run.send(text).values[0][0] or 0)


def failure(step: Step, text: str) -> Failure:
    """A Failure at the step's statement."""
    statement = step.statements[0]
    return Failure(
        sentence=f"{statement.source} line {statement.line}: {text}",
        step=step.number,
        statement=statement.number,
        line=statement.line,
        column=statement.column,
    )


def _where_is_blind(run: Run, step: Step, batch: Batch) -> bool:
    """Try one range and take it back: when the changed rows still match, another pass would change them twice."""

    def once(attempt: int) -> bool:
        run.pace(LockClass.WRITE, local=True, first="BEGIN ISOLATION LEVEL REPEATABLE READ")
        before = count(run, batch.count_sql)
        last = ranges.last_block(run, batch)
        lower: str | None = None
        changed = 0
        while not changed:
            upper = ranges.upper(run, batch, lower, ranges.sizes(batch).first, last)
            if upper is None:
                break
            changed = run.send(batch.bounded_sql, params=(lower, upper)).rows
            lower = upper
        after = count(run, batch.count_sql)
        wire.send(run.session, "ROLLBACK")
        return bool(changed) and after > before - changed

    return run.retrying(step, once)
