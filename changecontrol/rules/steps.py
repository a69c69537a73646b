"""From statements to steps: what PostgreSQL commits together. File order is kept; nothing is ever moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from changecontrol.rules import batches, directives, forbidden
from changecontrol.rules.includes import Chunk
from changecontrol.rules.lexer import TokenKind
from changecontrol.rules.locks import is_concurrent, lock_class
from changecontrol.rules.objects import tables
from changecontrol.rules.parser import Raw, choice, statements
from changecontrol.rules.plan import Batch, LockClass, Statement, Step, StepKind
from changecontrol.rules.text import RefusedAt


class RollbackInside(RefusedAt):
    """{place}: {what} would undo part of what the script says it does. Remove it; a failing statement undoes its whole
    step by itself.
    """


class TwoPhase(RefusedAt):
    """{place}: {what} leaves a transaction open beyond this run, holding its locks. Use plain BEGIN and COMMIT."""


class CommitAndChain(RefusedAt):
    """{place}: COMMIT AND CHAIN opens the next transaction unseen. Write COMMIT; and BEGIN; instead."""


class NestedBegin(RefusedAt):
    """{place}: a transaction is already open since line {opened}. Write COMMIT; before the next BEGIN;."""


class CommitWithoutBegin(RefusedAt):
    """{place}: {what} without a BEGIN before it. Write BEGIN; where the transaction starts, or remove this line."""


class UnfinishedTransaction(RefusedAt):
    """{place}: this transaction is opened and never committed. Write COMMIT; at its end."""


class NotInTransaction(RefusedAt):
    """{place}: PostgreSQL refuses {what} inside BEGIN … COMMIT. Move it outside, where it becomes a step of its own."""


class DirectiveWithoutStatement(RefusedAt):
    """{place}: no statement follows this instruction. Put it directly before the statement it is about."""


class TwoDirectives(RefusedAt):
    """{place}: the statement that follows already has an instruction. Keep one."""


Planned = tuple[Raw, directives.Directive | None]


def read(chunks: Sequence[Chunk]) -> list[Planned]:
    """Parse every chunk and pair each statement with the instruction before it. Refuses what no script may hold."""
    found: list[Planned] = []
    for chunk in chunks:
        significant = chunk.significant
        raws = statements(chunk.text, chunk.start, chunk.end, significant)
        wishes = _directives(chunk)
        forbidden.refuse_words(chunk.text, significant)
        for raw in raws:
            before = [wish for wish in wishes if wish.offset < raw.start]
            wishes = wishes[len(before) :]
            if len(before) > 1:
                raise TwoDirectives(chunk.text, before[1].offset)
            if wishes and wishes[0].offset < raw.end:
                raise directives.DirectiveNotAlone(chunk.text, wishes[0].offset)
            forbidden.refuse_statement(raw)
            found.append((raw, before[0] if before else None))
        if wishes:
            raise DirectiveWithoutStatement(chunk.text, wishes[0].offset)
    forbidden.refuse_calls([raw for raw, _wish in found])
    return found


def _directives(chunk: Chunk) -> list[directives.Directive]:
    comments = (token for token in chunk.tokens if token.kind is TokenKind.COMMENT)
    return [wish for token in comments if (wish := directives.directive(chunk.text, token)) is not None]


class Assembly:
    """Steps in the making. `plan()` gives them."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._open: list[Statement] = []
        self._begin: Raw | None = None
        self._number = 0

    def plan(self, found: Sequence[Planned]) -> tuple[Step, ...]:
        """Group the statements. Raises the refusals of this module and of batches."""
        for raw, wish in found:
            if raw.kind == "TransactionStmt":
                if wish is not None:
                    raise batches.NotBatchable(raw.text, raw.start)
                self._control(raw)
            else:
                self._place(raw, wish)
        if self._begin is not None:
            raise UnfinishedTransaction(self._begin.text, self._begin.start)
        self._close("BEGIN")
        return tuple(self._steps)

    def _control(self, raw: Raw) -> None:
        kind = choice(raw.node, "kind").removeprefix("TRANS_STMT_")
        what = raw.sql.rstrip("; \n")
        if kind in ("ROLLBACK", "SAVEPOINT", "RELEASE", "ROLLBACK_TO"):
            raise RollbackInside(raw.text, raw.start, what=what)
        if kind in ("PREPARE", "COMMIT_PREPARED", "ROLLBACK_PREPARED"):
            raise TwoPhase(raw.text, raw.start, what=what)
        if kind in ("BEGIN", "START"):
            if self._begin is not None:
                raise NestedBegin(raw.text, raw.start, opened=self._begin.text.place(self._begin.start).line)
            self._close("BEGIN")
            self._begin = raw
            return
        if raw.node.chain:
            raise CommitAndChain(raw.text, raw.start)
        if self._begin is None:
            raise CommitWithoutBegin(raw.text, raw.start, what=what)
        self._close(self._begin.sql)
        self._begin = None

    def _place(self, raw: Raw, wish: directives.Directive | None) -> None:
        alone = stands_alone(raw)
        if self._begin is not None:
            if wish is not None:
                raise batches.BatchInsideTransaction(raw.text, wish.offset)
            if alone:
                raise NotInTransaction(raw.text, raw.start, what=alone)
            self._open.append(self._statement(raw))
        elif wish is not None:
            self._close("BEGIN")
            self._add(StepKind.BATCHED, raw, batches.bounded(raw, wish))
        elif alone:
            self._close("BEGIN")
            self._add(StepKind.SINGLE, raw)
        elif raw.kind == "AlterEnumStmt" and raw.node.new_val and not raw.node.old_val:
            # A new enum value cannot be used in the transaction that adds it, so later statements get another one.
            self._close("BEGIN")
            self._open.append(self._statement(raw))
            self._close("BEGIN")
        else:
            self._open.append(self._statement(raw))

    def _add(self, kind: StepKind, raw: Raw, batch: Batch | None = None) -> None:
        self._steps.append(Step(len(self._steps) + 1, kind, (self._statement(raw),), "", batch))

    def _close(self, begin_sql: str) -> None:
        if self._open:
            number = len(self._steps) + 1
            self._steps.append(Step(number, StepKind.TRANSACTION, tuple(self._open), begin_sql))
        self._open = []

    def _statement(self, raw: Raw) -> Statement:
        self._number += 1
        return statement(raw, self._number)


def statement(raw: Raw, number: int) -> Statement:
    """Describe one parsed statement."""
    place = raw.text.place(raw.start)
    return Statement(
        number=number,
        sql=raw.sql,
        start=raw.start,
        end=raw.end,
        line=place.line,
        column=place.column,
        kind=raw.kind,
        lock=LockClass.NONE if raw.kind == "TransactionStmt" else lock_class(raw.node),
        tables=tables(raw.node),
        source=raw.text.file,
    )


def stands_alone(raw: Raw) -> str:
    """Name what PostgreSQL refuses inside a transaction block, such as "VACUUM"; empty for everything else."""
    node: Any = raw.node
    if raw.kind in ("IndexStmt", "DropStmt", "ReindexStmt", "AlterTableStmt") and is_concurrent(node):
        return {
            "IndexStmt": "CREATE INDEX CONCURRENTLY",
            "DropStmt": "DROP INDEX CONCURRENTLY",
            "ReindexStmt": "REINDEX CONCURRENTLY",
            "AlterTableStmt": "DETACH PARTITION CONCURRENTLY",
        }[raw.kind]
    if raw.kind == "VacuumStmt" and node.is_vacuumcmd:
        return "VACUUM"
    if raw.kind == "ClusterStmt" and not node.HasField("relation"):
        return "CLUSTER of all tables"
    if raw.kind == "ReindexStmt" and choice(node, "kind") not in ("REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"):
        return "REINDEX of a schema or database"
    return ""
