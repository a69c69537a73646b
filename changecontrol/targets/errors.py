"""PostgreSQL's errors as sentences: what happened, where in the file, what to do.

The server's DETAIL is left out on purpose: for constraint violations it repeats column values, and those are patients'.
"""

from __future__ import annotations

import psycopg

from changecontrol.rules.script import Statement
from changecontrol.targets.ledger_ddl import APPEND_ONLY, FENCED
from changecontrol.targets.outcome import Failure

#: Errors that another try may cure: lock_timeout, deadlock, serialization.
RETRYABLE = frozenset({"55P03", "40P01", "40001"})

_ADVICE = {
    "53100": "The target's disk is full: free space there, then resume.",
    "53200": "The target ran out of memory: lighten its load or the statement, then resume.",
    "53300": "The target has no connection left: end idle sessions there, then resume.",
    "42501": "The login or its role lacks a privilege: an administrator of the target must grant it.",
    "42P01": "The script names a table that does not exist on this target.",
    "42703": "The script names a column that does not exist on this target.",
    "42883": "The script names a function that does not exist on this target.",
    "42704": "The script names an object that does not exist on this target.",
    "3F000": "The script names a schema that does not exist on this target.",
    "42P07": "The target already has an object of that name.",
    "42701": "The target already has a column of that name.",
    "42710": "The target already has an object of that name.",
    "42601": "Correct the script and submit a new revision.",
    "25006": "The target or this transaction takes no writes.",
    "57014": "The server canceled the statement.",
    "57P01": "An administrator of the target ended our session; what had not been committed is undone. Resume.",
    "57P02": "The target's server crashed; what had not been committed is undone. Resume when it is up again.",
    "57P03": "The target's server is starting up or shutting down. Resume when it is up again.",
    "55000": "",
    FENCED: "This execution was replaced by a newer one and must not write any more.",
    APPEND_ONLY: "The script tries to change the ledger.",
}
_CLASS_ADVICE = {
    "08": "The connection to the target broke; what had not been committed is undone. Resume.",
    "22": "A value in the data does not fit. Correct the script or the data.",
    "23": "The data on this target violates the constraint. Correct the data in a change of its own, or the script.",
    "53": "The target is short of a resource. Resume when that is settled.",
    "58": "The target's operating system reported an error. Its administrator must look at it.",
    "XX": "The target's server reports an internal error. Its administrator must look at it.",
}


def place(statement: Statement, position: int | None) -> tuple[int, int]:
    """Line and column in the file (1-based) of the server's 1-based character position within the statement."""
    if not position:
        return statement.line, statement.column
    before = statement.sql[: position - 1]
    newlines = before.count("\n")
    if not newlines:
        return statement.line, statement.column + len(before)
    return statement.line + newlines, len(before) - before.rfind("\n")


def explain(
    error: psycopg.Error, *, step: int | None = None, statement: Statement | None = None, positions: bool = True
) -> Failure:
    """Turn an error into a Failure. `positions` False where the text sent was not the statement's own."""
    code = error.sqlstate or ""
    said = error.diag.message_primary or str(error).strip().splitlines()[0] if str(error).strip() else "no message"
    advice = _ADVICE.get(code, _CLASS_ADVICE.get(code[:2], ""))
    if error.diag.message_hint:
        advice = f"{advice} Hint of the server: {error.diag.message_hint}".strip()
    line = column = None
    where = ""
    if statement is not None:
        given = error.diag.statement_position if positions else None
        line, column = place(statement, int(given) if given else None)
        where = f"{statement.source} line {line}, column {column}: "
    sentence = f"{where}{said}{f' ({code})' if code else ''}.{f' {advice}' if advice else ''}"
    return Failure(
        sentence=sentence,
        sqlstate=code,
        step=step,
        statement=statement.number if statement else None,
        line=line,
        column=column,
    )


def lost_connection(error: psycopg.Error, *, step: int | None, statement: Statement | None) -> Failure:
    """The session is gone. The server's last words, when it had any, say why."""
    if error.sqlstate and error.sqlstate[:2] in ("57", "53", "58", "XX"):
        return explain(error, step=step, statement=statement)
    where = f"{statement.source} line {statement.line}: " if statement else ""
    return Failure(
        sentence=f"{where}The connection to the target broke. What had not been committed is undone there; the "
        "ledger says what is on. Resume when the target can be reached.",
        sqlstate=error.sqlstate or "08006",
        step=step,
        statement=statement.number if statement else None,
        line=statement.line if statement else None,
        column=statement.column if statement else None,
    )
