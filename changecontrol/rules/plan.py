"""The plan of a script as data: what runs in which transaction. Imported through `changecontrol.rules.script`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from changecontrol.rules.finding import Finding

#: Raised when the meaning of a frozen plan changes; an older plan stays readable or is refused by name.
PLAN_SCHEMA = 1
#: the key in a batch's bound_sql, quoted and behind its table's alias
_BOUND_KEY = re.compile(r'SELECT \(SELECT bound FROM \(SELECT ("(?:[^"]|"")*"\."(?:[^"]|"")*") AS bound FROM ')


class StepKind(StrEnum):
    """How the runner carries out a step."""

    TRANSACTION = "transaction"  # all statements and the ledger row commit together
    SINGLE = "single"  # one statement that PostgreSQL refuses inside a transaction
    BATCHED = "batched"  # one bounded statement, repeated and committed range by range


class LockClass(StrEnum):
    """How patient the runner may be while a statement waits for its table lock."""

    STRONG = "strong"  # its table lock conflicts with writers: everyone behind it waits
    WRITE = "write"  # plain DML: its row locks stall nobody else
    PATIENT = "patient"  # CONCURRENTLY, VALIDATE, VACUUM: may wait politely
    NONE = "none"  # locks no table that others write to


class Direction(StrEnum):
    """Which of a migration's three files a script is."""

    FORWARD = "forward"
    ROLLBACK = "rollback"
    VERIFY = "verify"


class RollbackClass(StrEnum):
    """What the author declares the rollback can give back."""

    LOSSLESS = "lossless"
    LOSSY = "lossy"
    CONDITIONAL = "conditional"
    FORWARD_FIX_ONLY = "forward-fix only"
    RESTORE_ONLY = "restore only"


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement, verbatim. `start` and `end` are byte offsets in the file `source`; line and column 1-based."""

    number: int
    sql: str
    start: int
    end: int
    line: int
    column: int
    kind: str  # protobuf node name, such as "AlterTableStmt"
    lock: LockClass
    tables: tuple[str, ...]  # as written: schema-qualified if written so
    source: str  # file name within the repository


@dataclass(frozen=True, slots=True)
class Batch:
    """The statements of a batched step: `$1` is the exclusive lower key (NULL: from the start), `$2` as described.

    With the key ctid the ranges are blocks: `bound_sql` takes no parameters and gives the number of blocks there are.
    """

    table: str
    key: str
    size: int
    expect_positive: bool
    bounded_sql: str  # the statement that is sent: $1 exclusive lower, $2 inclusive upper key
    bound_sql: str  # gives one row, one column: the upper key of the next $2 rows behind $1; NULL when none is left
    count_sql: str  # gives one number: how many rows still match the WHERE
    range_count_sql: str = ""  # the same between $1 and $2, to tell an empty range from rows that refuse to change
    duty: int = 100  # percent of the time that batches may work

    @property
    def keyless_sql(self) -> str:
        """How many rows match the WHERE and have no key, so that no range holds them; empty along ctid.

        Made of texts that are signed and no field of its own: plans that were signed before it came give it as well.
        """
        key = _BOUND_KEY.match(self.bound_sql)
        return f"{self.count_sql} AND {key.group(1)} IS NULL" if key else ""


@dataclass(frozen=True, slots=True)
class Step:
    """What commits together. `begin_sql` carries BEGIN's options verbatim; it is empty for single and batched steps."""

    number: int
    kind: StepKind
    statements: tuple[Statement, ...]
    begin_sql: str = "BEGIN"
    batch: Batch | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What the comments at the top of a file say. Every text may be empty; missing fields are findings."""

    migration: str = ""  # the number as written, such as "002"
    title: str = ""  # the description behind the number
    ticket: str = ""
    author: str = ""
    date: str = ""
    purpose: str = ""
    dependencies: tuple[str, ...] = ()  # numbers such as ("001", "002"); () for "none", for prose and when missing
    dependencies_note: str = ""  # the prose, when it is prose
    rollback_class: RollbackClass = RollbackClass.LOSSLESS
    rollback_declared: bool = False  # False: the class is the default, nobody wrote it
    rollback_note: str = ""
    requires_release: str = ""
    after_rollback: str = ""  # "passes" in a verify script that does not fail after rollback
    extra: tuple[tuple[str, str], ...] = ()  # other "-- Word: text" lines, in order
    series: str = ""  # name of the series it belongs to; empty for none
    series_position: int = 0  # 1, 2, 3 … in its series; 0 for none
    series_length: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """One parsed file: its header, its plan of steps and what a person should know about it."""

    direction: Direction
    file: str
    header: Header
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every statement of every step, in file order."""
        return tuple(statement for step in self.steps for statement in step.statements)


def to_json(script: Script) -> dict[str, Any]:
    """Give the plan as plain JSON values (dict, list, str, int, bool, None); `from_json` gives back an equal Script."""
    value: dict[str, Any] = _plain(script)
    # Plans frozen before there were series hold no such fields; without a series none is written, so that the same
    # bytes give the same digest as then.
    if not script.header.series:
        for name in ("series", "series_position", "series_length"):
            del value["header"][name]
    return {"schema": PLAN_SCHEMA, **value}


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool:
        return value
    if kind is tuple:
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return str(value)
    return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}


def from_json(value: dict[str, Any]) -> Script:
    """Rebuild the Script of `to_json`. Raises ValueError for a plan of another schema."""
    if value.get("schema") != PLAN_SCHEMA:
        raise ValueError(f"plan schema {value.get('schema')!r} is not {PLAN_SCHEMA}")
    return Script(
        direction=Direction(value["direction"]),
        file=value["file"],
        header=_header(value["header"]),
        steps=tuple(_step(step) for step in value["steps"]),
        findings=tuple(Finding(**finding) for finding in value["findings"]),
    )


def _header(value: dict[str, Any]) -> Header:
    return Header(
        **{
            **value,
            "dependencies": tuple(value["dependencies"]),
            "rollback_class": RollbackClass(value["rollback_class"]),
            "extra": tuple((name, text) for name, text in value["extra"]),
        }
    )


def _step(value: dict[str, Any]) -> Step:
    return Step(
        number=value["number"],
        kind=StepKind(value["kind"]),
        statements=tuple(
            Statement(**{**item, "lock": LockClass(item["lock"]), "tables": tuple(item["tables"])})
            for item in value["statements"]
        ),
        begin_sql=value["begin_sql"],
        batch=Batch(**value["batch"]) if value["batch"] else None,
    )
