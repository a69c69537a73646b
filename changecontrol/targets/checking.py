"""Verify scripts and standing checks: read-only questions to a target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import psycopg

from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Direction, Script, Statement, parse
from changecontrol.targets import errors, wire
from changecontrol.targets.connection import Session
from changecontrol.targets.running import roll_back

_MOST_ROWS = 200  # kept of one statement, for people
_TRUE = frozenset({"t", "true", "on", "1", "yes"})
_BEGIN_SQL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`ok` says whether it came out as wanted. `rows` are the answers, column name to text, at most 200 a statement."""

    ok: bool
    rows: tuple[dict[str, str | None], ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One answer of a standing check. `value` is what must not fall between two readings, where `must_not_fall`."""

    name: str
    ok: bool
    detail: str = ""
    value: Decimal | None = None
    must_not_fall: bool = False


def verify(conn: Session, *, script: Script, expect_failure: bool = False, timeout_s: int = 300) -> VerifyResult:
    """Run a verify script in a READ ONLY transaction that is rolled back.

    It fails on an error, and on any value but true in a column called `ok`: NULL is not true. Without such a column
    a run without error passes. `expect_failure`: after a rollback it must fail, so failing is what is wanted.
    """
    rows, failure = _answers(conn, script, timeout_s)
    wrong = [row for row in rows if "ok" in row and row["ok"] not in _TRUE]
    failed = failure or (f"{script.file}: {_describe(wrong[0])} is not ok." if wrong else "")
    if expect_failure:
        said = (
            f"Fails after the rollback, as it must: {failed}"
            if failed
            else (f"{script.file} still passes after the rollback: what it looks for is still there.")
        )
        return VerifyResult(bool(failed), tuple(rows), said)
    return VerifyResult(
        not failed, tuple(rows), failed or f"{script.file} passed with {len(rows)} answer{'s'[: len(rows) != 1]}."
    )


def check(conn: Session, *, name: str, sql: str | bytes, timeout_s: int = 300) -> list[CheckRow]:
    """Run one standing check, READ ONLY. It answers rows (name, ok, detail, value, must_not_fall); all but ok may miss.

    A check that cannot run, or answers nothing, is one row that is not ok.
    """
    data = sql.encode() if isinstance(sql, str) else sql
    try:
        script = parse(data, file=name, direction=Direction.VERIFY)
    except Refused as refusal:
        return [CheckRow(name, False, refusal.sentence)]
    rows, failure = _answers(conn, script, timeout_s)
    found = [_check_row(name, row) for row in rows]
    if failure:
        found.append(CheckRow(name, False, failure))
    return found or [CheckRow(name, False, "The check gave no answer at all.")]


def fallen(before: Iterable[CheckRow], after: Iterable[CheckRow]) -> tuple[str, ...]:
    """Sentences for values that must not fall and did, or are gone."""
    later = {row.name: row for row in after}
    said: list[str] = []
    for row in before:
        if not row.must_not_fall or row.value is None:
            continue
        now = later.get(row.name)
        if now is None or now.value is None:
            said.append(f"{row.name} was {row.value} before and gives no value now.")
        elif now.value < row.value:
            said.append(f"{row.name} fell from {row.value} to {now.value}.")
    return tuple(said)


def _answers(conn: Session, script: Script, timeout_s: int) -> tuple[list[dict[str, str | None]], str]:
    """The rows of all statements, and the sentence of the error that ended them, or ''."""
    rows: list[dict[str, str | None]] = []
    current: Statement | None = None
    try:
        wire.send(conn, _BEGIN_SQL)
        wire.send(conn, f"SET LOCAL statement_timeout = {timeout_s * 1000}")
        for statement in script.statements:
            current = statement
            reply = wire.send(conn, statement.sql)
            rows += [dict(zip(reply.columns, row, strict=True)) for row in reply.values[:_MOST_ROWS]]
            cut = reply.values[_MOST_ROWS:]
            if "ok" in reply.columns and any(row[reply.columns.index("ok")] not in _TRUE for row in cut):
                rows.append({"ok": "f", "detail": "one of the answers that are not kept"})
        return rows, ""
    except psycopg.Error as error:
        return rows, errors.explain(error, statement=current).sentence
    finally:
        roll_back(conn)
        if not conn.closed:
            conn.pin()


def _describe(row: dict[str, str | None]) -> str:
    told = [f"{key} {value}" for key, value in row.items() if key != "ok" and value is not None]
    return ", ".join(told) or "an answer"


def _check_row(name: str, row: dict[str, str | None]) -> CheckRow:
    detail = row.get("detail") or ""
    value: Decimal | None = None
    if row.get("value") is not None:
        try:
            value = Decimal(str(row["value"]))
        except InvalidOperation:
            detail = f"{detail} (value {row['value']} is not a number)".strip()
    return CheckRow(
        name=row.get("name") or name,
        ok="ok" in row and row["ok"] in _TRUE,
        detail=detail,
        value=value,
        must_not_fall=(row.get("must_not_fall") or "") in _TRUE,
    )
