"""Which tables a script may touch: those whose name, or the name of a type of theirs, is a word in its text."""

from __future__ import annotations

import re
from collections.abc import Iterable

import psycopg

from changecontrol.rules.script import Script

_WORD = re.compile(r'"((?:[^"]|"")+)"|([A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)')

_NAMED_SQL = """
WITH own AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('changecontrol', 'pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
), named AS (
  SELECT oid FROM own WHERE relname = ANY (%(words)s)
  UNION
  SELECT a.attrelid FROM pg_type t
    JOIN pg_attribute a ON (a.atttypid = t.oid OR a.atttypid = t.typarray) AND NOT a.attisdropped
  WHERE t.typname = ANY (%(words)s) AND t.typtype IN ('e', 'd', 'c', 'r') AND a.attnum > 0
  UNION
  SELECT x.indrelid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE i.relname = ANY (%(words)s)
)
SELECT DISTINCT format('%%I.%%I', own.nspname, own.relname)
FROM named, LATERAL (SELECT named.oid AS relid UNION SELECT relid FROM pg_partition_tree(named.oid)) tree
JOIN own ON own.oid = tree.relid
"""


def tables(conn: psycopg.Connection, scripts: Iterable[Script | None]) -> set[str]:
    """Names of the tables and their partitions. Text in DO blocks and functions counts: what runs there is unknown."""
    words = sorted({word for script in scripts if script is not None for word in _words(script)})
    return {name for (name,) in conn.execute(_NAMED_SQL, {"words": words}).fetchall()}


def _words(script: Script) -> Iterable[str]:
    for statement in script.statements:
        for quoted, plain in _WORD.findall(statement.sql):
            yield quoted.replace('""', '"') if quoted else plain.lower()
