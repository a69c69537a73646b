"""What a statement was seen to do on a rehearsal's copy: values, without a word of judgment.

The methods are those of the PostgreSQL manual: pg_locks (53.13), relation files (73.1), pg_stat_xact_user_tables
(27.2), and what the server itself reports at DEBUG1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: Lock modes as pg_locks spells them, from weak to strong, to how the manual writes them (13.3.1).
MODES: dict[str, str] = {
    "AccessShareLock": "ACCESS SHARE",
    "RowShareLock": "ROW SHARE",
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
STRENGTH: dict[str, int] = {mode: place for place, mode in enumerate(MODES.values(), 1)}
#: From here on writers wait; ACCESS EXCLUSIVE stops readers as well.
BLOCKS_WRITERS = STRENGTH["SHARE"]
#: Statements that write rows.
ROW_WRITES = ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt")


@dataclass(frozen=True, slots=True)
class Observed:
    """One statement of one pass. `step` and `statement` number it as in its Script.

    Relations are named schema-qualified as format('%I.%I') writes them. `locks`: the strongest mode newly held, in the
    manual's words, on tables, partitions, views, materialized views and sequences that were there before the script.
    `held_ms`: from the start of the statement that took it to the commit. `rewrites`: tables that got a new file.
    `indexes`: indexes built or rebuilt on relations that were there before. `scans`: rows read by sequential scans,
    `rows`: rows inserted, updated or deleted, `replaced`: those of them that were updated or deleted, all by table.
    `new`: relations that this statement made. `says`: what the server reported at DEBUG1. `sizes`: bytes, with indexes
    and TOAST, of the tables of the time before that it worked through as a whole. `reported`: the row count in the
    server's own answer. `exact` is False where a second session had to sample. `error`: "SQLSTATE text".
    """

    step: int
    statement: int
    ms: float
    line: int = 0
    column: int = 0
    sql: str = ""
    kind: str = ""
    file: str = ""
    locks: Mapping[str, str] = field(default_factory=dict)
    held_ms: Mapping[str, float] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    scans: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    replaced: Mapping[str, int] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)  # guarded settings it left changed
    wal_bytes: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    reported: int = 0
    exact: bool = True
    error: str = ""

    @property
    def batched(self) -> bool:
        """Whether this is a batched step: it writes rows, and commits too often to be read inside a transaction."""
        return not self.exact and self.kind in ROW_WRITES

    def to_json(self) -> dict[str, Any]:
        """Plain values for storing; `from_json` gives back an equal Observed."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Observed:
        """Rebuild what `to_json` gave."""
        lists = {"rewrites", "indexes", "new", "says"}
        fields: dict[str, Any] = {name: tuple(part) if name in lists else part for name, part in value.items()}
        return cls(**fields)


def strongest(*modes: str) -> str:
    """Return the strongest of lock modes in the manual's words; empty when there is none."""
    return max(modes, key=lambda mode: STRENGTH.get(mode, 0), default="")
