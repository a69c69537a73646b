"""What a session's own transaction has done so far, read on that session itself: only it sees its own relations.

One query of half a millisecond: the locks of our own process, the files and names of what is locked, the
rows counted by pg_stat_xact, the place in the WAL and the settings that switch protection off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import pq

from changecontrol.rules.observed import MODES
from changecontrol.targets import wire
from changecontrol.targets.connection import Session

#: Kinds of relations that locks are told of: tables, partitioned ones, views, materialized views, sequences, foreign.
TOLD = frozenset("rpvmSf")
#: Kinds that have rows in a file of their own.
STORED = frozenset("rm")
#: Settings whose change switches triggers, foreign keys or row security off.
GUARDED = ("session_replication_role", "row_security")
#: OIDs below belong to the server itself.
_FIRST_OID = 16384
#: Rows read by scans, written, and those of the written ones that were there before: updated or deleted.
_COUNTED = (
    "pg_catalog.pg_stat_get_xact_tuples_returned({0}), pg_catalog.pg_stat_get_xact_tuples_inserted({0})"
    " + pg_catalog.pg_stat_get_xact_tuples_updated({0}) + pg_catalog.pg_stat_get_xact_tuples_deleted({0}),"
    " pg_catalog.pg_stat_get_xact_tuples_updated({0}) + pg_catalog.pg_stat_get_xact_tuples_deleted({0})"
)

_NAMED = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
_TEMPORARY = re.compile(r"^pg_temp_\d+\.")  # the number is the session's and says nothing

# The texts are put together from constants of this module.
_READING_SQL = f"""
SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn,
  pg_catalog.current_setting('{GUARDED[0]}'), pg_catalog.current_setting('{GUARDED[1]}'),
  l.relation, l.modes, c.relkind, {_NAMED}, c.relfilenode, x.indrelid,
  {_COUNTED.format("l.relation")}
FROM (VALUES (1)) AS one (row)
LEFT JOIN (
  SELECT relation, pg_catalog.string_agg(mode, ',') AS modes
  FROM pg_catalog.pg_lock_status()
  WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= {_FIRST_OID}
  GROUP BY relation
) l ON true
LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = l.relation
"""  # noqa: S608

_CATALOG_SQL = f"""
SELECT c.oid, c.relkind, {_NAMED}, c.relfilenode, x.indrelid,
  c.reltuples
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid
WHERE c.oid >= {_FIRST_OID} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I')
  AND n.nspname NOT IN ('changecontrol', 'pg_toast')
"""  # noqa: S608

_SIZES_SQL = "SELECT t.oid, pg_catalog.pg_total_relation_size(t.oid) FROM pg_catalog.unnest($1::oid[]) AS t (oid)"
_WAL_SQL = "SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn"

#: What is counted already when a transaction begins: the server hands its counts on only once a second.
_START_SQL = f"""
SELECT NULL, 0, 0, 0, pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn,
  pg_catalog.current_setting('{GUARDED[0]}'), pg_catalog.current_setting('{GUARDED[1]}')
UNION ALL
SELECT counted.*, 0, '', '' FROM (SELECT c.oid, {_COUNTED.format("c.oid")}
FROM pg_catalog.pg_class c WHERE c.oid >= {_FIRST_OID} AND c.relkind IN ('r', 'm'))
  AS counted (oid, scanned, changed, replaced)
WHERE scanned <> 0 OR changed <> 0
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation by its OID. `file` is 0 without one; `table` is the OID of an index's table; `rows` as the statistics
    know them, -1 for unknown.
    """

    oid: int
    kind: str
    name: str
    file: int = 0
    table: int = 0
    rows: float = -1


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of the transaction at one moment. `modes` as the manual writes them, by OID; counts by OID."""

    lsn: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[int, frozenset[str]] = field(default_factory=dict)
    relations: Mapping[int, Relation] = field(default_factory=dict)
    scanned: Mapping[int, int] = field(default_factory=dict)
    changed: Mapping[int, int] = field(default_factory=dict)
    replaced: Mapping[int, int] = field(default_factory=dict)


def prepare(session: Session, name: str) -> None:
    """Plan the reading once, under a name that the session has not had yet: half of what it costs is planning."""
    result = session.pgconn.prepare(name.encode(), _READING_SQL.encode())
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)


def read(session: Session, before: Reading, *, prepared: str = "") -> Reading:
    """Read the state of the current transaction. Raises psycopg.Error.

    Only what is locked is read; what was counted `before` of another relation stays the count to compare with.
    """
    if prepared:
        result = session.pgconn.exec_prepared(prepared.encode(), [])
    else:
        result = session.pgconn.exec_params(_READING_SQL.encode(), [])
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(result)
    rows = [[_text(result, row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    modes: dict[int, frozenset[str]] = {}
    relations: dict[int, Relation] = {}
    scanned, changed, replaced = dict(before.scanned), dict(before.changed), dict(before.replaced)
    for _lsn, _replication, _security, relation, held, kind, name, file, table, *counts in rows:
        if not relation:
            continue
        oid = int(relation)
        modes[oid] = frozenset(MODES[mode] for mode in held.split(",") if mode in MODES)
        if kind:
            relations[oid] = _relation(oid, kind, name, file, table)
        scanned[oid], changed[oid], replaced[oid] = (int(count or 0) for count in counts)
    settings = dict(zip(GUARDED, rows[0][1:3], strict=True))
    return Reading(int(rows[0][0]), settings, modes, relations, scanned, changed, replaced)


def start(session: Session) -> Reading:
    """Read what is counted before the transaction has done anything; it holds no lock yet."""
    values = wire.send(session, _START_SQL).values
    scanned = {int(row[0]): int(row[1] or 0) for row in values if row[0]}
    changed = {int(row[0]): int(row[2] or 0) for row in values if row[0]}
    replaced = {int(row[0]): int(row[3] or 0) for row in values if row[0]}
    settings = {name: value or "" for name, value in zip(GUARDED, values[0][5:7], strict=True)}
    return Reading(int(values[0][4] or 0), settings, {}, {}, scanned, changed, replaced)


def scanned_after_error(session: Session) -> dict[int, int]:
    """Leave the failed transaction and read its counts in the same message, before the server hands them on."""
    values = wire.send(session, f"ROLLBACK; {_START_SQL}").values
    return {int(row[0]): int(row[1] or 0) for row in values if row[0]}


def wal(session: Session) -> int:
    """Where the server's WAL ends: bytes since its beginning."""
    return int(wire.send(session, _WAL_SQL).values[0][0] or 0)


def find(session: Session, parts: Sequence[str], *, by_index: bool = False) -> int:
    """The OID of a relation by the parts of its name, found as the session's search_path finds it; 0 for none.

    With `by_index` the name is an index's, and the OID is that of its table.
    """
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
    text = "SELECT pg_catalog.to_regclass(%s)::oid"
    if by_index:
        text = "SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass(%s)"
    row = session.execute(text, (quoted,)).fetchone()
    return int(row[0] or 0) if row else 0


def settings(session: Session) -> dict[str, str]:
    """The guarded settings. SHOW takes no snapshot, so that SET TRANSACTION may still follow."""
    return {name: wire.send(session, f"SHOW {name}").values[0][0] or "" for name in GUARDED}


def catalog(session: Session) -> dict[int, Relation]:
    """Every relation of the database but ours."""
    values = wire.send(session, _CATALOG_SQL).values
    return {
        int(oid or 0): replace(_relation(int(oid or 0), kind or "", name or "", file, table), rows=float(rows or -1))
        for oid, kind, name, file, table, rows in values
    }


def sizes(session: Session, oids: Sequence[int]) -> dict[int, int]:
    """Bytes of tables with their indexes and TOAST; without those that are gone."""
    array = "{" + ",".join(map(str, oids)) + "}"
    values = wire.send(session, _SIZES_SQL, params=(array,)).values
    return {int(oid or 0): int(size) for oid, size in values if size is not None}


def _relation(oid: int, kind: str, name: str, file: str | None, table: str | None) -> Relation:
    return Relation(oid, kind, _TEMPORARY.sub("pg_temp.", name), int(file or 0), int(table or 0))


def _text(result: pq.abc.PGresult, row: int, column: int) -> str:
    value = result.get_value(row, column)
    return "" if value is None else value.decode()
