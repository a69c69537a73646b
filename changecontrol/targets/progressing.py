"""How far a long statement is, as the server's progress views tell a second session."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

_SQL = """
SELECT command, phase, done, nullif(total, 0) AS total, unit FROM (
  SELECT command, phase,
    CASE WHEN phase LIKE 'waiting%%' THEN lockers_done WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END,
    CASE WHEN phase LIKE 'waiting%%' THEN lockers_total WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END,
    CASE WHEN phase LIKE 'waiting%%' THEN 'transactions' WHEN tuples_total > 0 THEN 'rows' ELSE 'blocks' END
  FROM pg_stat_progress_create_index WHERE pid = %(pid)s
  UNION ALL
  SELECT 'VACUUM', phase, CASE phase WHEN 'vacuuming heap' THEN heap_blks_vacuumed ELSE heap_blks_scanned END,
    heap_blks_total, 'blocks'
  FROM pg_stat_progress_vacuum WHERE pid = %(pid)s
  UNION ALL
  SELECT command, phase, heap_blks_scanned, heap_blks_total, 'blocks'
  FROM pg_stat_progress_cluster WHERE pid = %(pid)s
  UNION ALL
  SELECT 'ANALYZE', phase, sample_blks_scanned, sample_blks_total, 'blocks'
  FROM pg_stat_progress_analyze WHERE pid = %(pid)s
  UNION ALL
  SELECT command, 'copying', bytes_processed, bytes_total, 'bytes'
  FROM pg_stat_progress_copy WHERE pid = %(pid)s
) AS running (command, phase, done, total, unit)
"""


def reading(conn: psycopg.Connection[Any], pid: int) -> dict[str, Any] | None:
    """The data of a `progress` event {command, phase, done, total, unit, pct}; None when no view knows the backend."""
    row = conn.cursor(row_factory=dict_row).execute(_SQL, {"pid": pid}).fetchone()
    if row is None:
        return None
    pct = min(round(100 * row["done"] / row["total"], 1), 100.0) if row["total"] else None
    return {**row, "pct": pct}


def sentence(told: dict[str, Any]) -> str:
    """What a reading says in words."""
    much = f"{told['done']}" + (f" of {told['total']}" if told["total"] else "") + f" {told['unit']}"
    return f"{told['command']}, {told['phase']}: {much}" + (f", {told['pct']} %." if told["pct"] is not None else ".")
