"""The values that go into a run on a target and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["succeeded", "failed", "aborted"]
Effect = Literal["none", "partial", "complete", "unknown"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to run, for whom and why: copied into every ledger row of the run.

    `fence` rises with every execution of the migration; the ledger refuses a row with a lower one. `pass_no` tells
    the runs of one execution apart (staging: 1 forward, 2 rollback, 3 forward). `name` is for readers only.
    """

    change_code: str
    migration: int
    direction: str
    script_digest: str
    content_digest: str
    execution_id: str
    attempt: int
    fence: int
    actor: str
    signature_ids: tuple[str, ...] = ()
    pass_no: int = 1
    name: str = ""
    tool_version: str = ""


@dataclass(frozen=True, slots=True)
class Throttle:
    """When batches wait for others, asked before each. They go on as soon as it is over."""

    replay_lag_s: float = 1.5
    archive_files: int = 32  # WAL files waiting for the archive
    active_sessions: int = 64  # besides ours
    oldest_xmin_s: float = 300.0  # a snapshot this old keeps what batches leave behind from being cleaned up
    autovacuum_s: float = 30.0  # an autovacuum worker on the table is waited for so long, then it works beside us
    waiter_ms: float = 100.0  # somebody has waited longer for rows of a batch: the next ones are smaller
    look_ms: float = 500.0  # the server needs longer than this for a small question


@dataclass(frozen=True, slots=True)
class Limits:
    """Patience of one run. `deadline_s` counts from the start of the run; `statement_ms` 0 means: until then."""

    lock_ms: int = 50  # around statements whose table lock conflicts with writers
    dml_lock_ms: int = 3000  # around every other statement that waits for rows
    statement_ms: int = 0
    deadline_s: float = 3600.0
    pause_ms: int = 200  # between tries for a lock; jittered by half
    batch_target_ms: int = 50
    rests: bool = True  # between batches, where the author wishes it; on a copy there is nobody to rest for
    vacuum_share: float = 0.2  # VACUUM between batches whenever this share of the table was changed; 0: never
    throttle: Throttle = field(default_factory=Throttle)
    look_s: float = 10.0  # how long to look for a quiet moment before each try for a strong lock
    expected_ms: Mapping[int, float] = field(default_factory=dict)  # statement number -> what a rehearsal lets expect
    end_may_be_lost: bool = (
        False  # a crash of the server may take the row of the run's end; those of steps it never may
    )


@dataclass(frozen=True, slots=True)
class Event:
    """One thing worth telling while it happens. `data` holds plain JSON values; the kinds are listed in runner.py."""

    kind: str
    step: int | None
    statement: int | None
    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed. Line and column are 1-based places in the script's file, None where there is no place."""

    sentence: str
    sqlstate: str = ""
    step: int | None = None
    statement: int | None = None
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended and what of the migration is on the target now, read from its ledger.

    `error` is set unless the state is succeeded; for an aborted run its sentence is the reason. `steps_done` counts
    this direction's finished steps. `left` names what an interrupted step left behind, such as an INVALID index.
    """

    state: State
    effect: Effect
    error: Failure | None
    steps_done: int
    steps_total: int
    left: tuple[str, ...] = ()
