"""What a worker sees at a target: the facts behind "as of 12:03" on the pages of a process that cannot connect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from changecontrol.models import Environment, Errand, Target
from changecontrol.rules.refusal import Refused
from changecontrol.services import ledger_copies, visiting
from changecontrol.services.recording import WORKER, acting
from changecontrol.services.visiting import Done
from changecontrol.targets import ledger, snapshot
from changecontrol.targets.connection import Session, compare, fingerprint

#: so many tables are kept with their sizes, the largest first
TABLES = 500
#: seconds after which an open transaction is worth showing: it keeps a strong lock from being taken
LONG_S = 60

_SERVER_SQL = """
SELECT current_setting('server_version') AS version, current_database() AS database,
  pg_database_size(current_database()) AS size_bytes, session_user::text AS login, current_user::text AS role,
  pg_is_in_recovery() AS in_recovery, current_setting('max_connections')::int AS max_connections,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS connections,
  (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
     AND backend_type = 'client backend' AND pid <> pg_backend_pid())::int AS sessions,
  pg_has_role(current_user, 'pg_monitor', 'USAGE') AS sees_others,
  has_database_privilege(current_database(), 'CREATE') AS may_create
"""
_LONG_SQL = """
SELECT pid, coalesce(usename::text, '') AS "user", coalesce(application_name, '') AS application,
  coalesce(state, '') AS state, extract(epoch FROM clock_timestamp() - xact_start)::int AS age_s
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND xact_start < clock_timestamp() - make_interval(secs => %s)
ORDER BY xact_start LIMIT 20
"""
#: rows as the statistics know them, without reading the tables; bytes with indexes and TOAST
_TABLES_SQL = """
SELECT format('%%I.%%I', n.nspname, c.relname) AS name, greatest(c.reltuples, s.n_live_tup, 0)::bigint AS rows,
  pg_total_relation_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('changecontrol', 'pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_'
ORDER BY pg_total_relation_size(c.oid) DESC LIMIT %s
"""
_REPLICAS_SQL = """
SELECT coalesce(application_name, '') AS application, coalesce(state, '') AS state,
  coalesce(sync_state, '') AS sync_state,
  pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS lag_bytes
FROM pg_stat_replication ORDER BY application_name LIMIT 20
"""


def probe(errand: Errand, clock: Callable[[], datetime]) -> Done:
    """Look at a target and keep what was seen. An unreachable one is a finding that is kept as well, then refused."""
    target = errand.target
    try:
        with visiting.visit(visiting.where(target), purpose="probe") as session:
            seen = look(session, target)
    except Refused as refusal:
        keep(target, {"reachable": False, "sentence": refusal.sentence, "findings": []}, clock())
        raise
    return Done(seen, lambda row: keep(row, seen, clock()))


def look(session: Session, target: Target) -> dict[str, Any]:
    """Return what is seen through a session, as plain JSON.

    Keys: reachable, version, database, size_bytes, login, role, in_recovery, connections, max_connections, sessions,
    long_transactions [{pid, user, application, state, age_s}], replicas [{application, state, sync_state, lag_bytes}],
    ledger {exists, agrees, rows, sentences}, fingerprint_differences, findings (sentences), tables {name: [rows,
    bytes]}, catalog_digest.
    """
    cursor = session.cursor(row_factory=dict_row)
    server = cursor.execute(_SERVER_SQL).fetchone() or {}
    seen: dict[str, Any] = {"reachable": True, "sentence": "", **server}
    seen["long_transactions"] = cursor.execute(_LONG_SQL, (LONG_S,)).fetchall()
    seen["replicas"] = cursor.execute(_REPLICAS_SQL).fetchall()
    seen["ledger"] = _ledger(session, target)
    differences = compare(target.fingerprint, fingerprint(session)) if target.fingerprint else ()
    seen["fingerprint_differences"] = list(differences)
    tables = cursor.execute(_TABLES_SQL, (TABLES,)).fetchall()
    seen["tables"] = {one["name"]: [one["rows"], one["bytes"]] for one in tables}
    seen["catalog_digest"] = snapshot.catalog(session).digest
    seen["findings"] = _findings(session, target, seen)
    return seen


def keep(target: Target, seen: dict[str, Any], now: datetime) -> None:
    """Store what was seen on the target's row. No history: this is what is, not what somebody decided."""
    values: dict[str, Any] = {"probe": seen, "probed_at": now}
    if seen.get("catalog_digest"):
        values["catalog_digest"] = seen["catalog_digest"]
    with acting(WORKER, reason="probe"):
        Target.objects.filter(pk=target.pk).update(**values)


def _ledger(session: Session, target: Target) -> dict[str, Any]:
    there = ledger.exists(session)
    sentences: list[str] = []
    rows = ledger.rows(session) if there else []
    if target.registered_at is not None:
        try:
            visiting.require_identity(target, session)
        except Refused as refusal:
            sentences.append(refusal.sentence)
        else:
            sentences += ledger_copies.differences(target, rows)
    return {"exists": there, "agrees": there and not sentences, "rows": len(rows), "sentences": sentences}


def _findings(session: Session, target: Target, seen: dict[str, Any]) -> list[str]:
    """Say what an administrator should know about this target before it matters."""
    found = list(seen["ledger"]["sentences"])
    if seen["fingerprint_differences"]:
        found.append(f"It is not the registered database: {'; '.join(seen['fingerprint_differences'])}.")
    if not seen["sees_others"]:
        found.append(
            "The login may not see other sessions (pg_monitor), so steps that need a strong lock cannot look first and "
            "try with short timeouts instead."
        )
    if not seen["may_create"]:
        found.append("The login may not create schemas in this database.")
    free = seen["max_connections"] - seen["connections"]
    if free < 10:
        found.append(f"Only {free} connections are left on the server.")
    if seen["long_transactions"]:
        oldest = seen["long_transactions"][0]
        found.append(
            f"{len(seen['long_transactions'])} transactions are older than {LONG_S} s; the oldest is pid "
            f"{oldest['pid']}, open for {oldest['age_s']} s."
        )
    found += _tls(session, target)
    return found


def _tls(session: Session, target: Target) -> list[str]:
    """Production is reached with verified TLS; a loopback address is the machine itself."""
    if target.environment.kind != Environment.Kind.PRODUCTION:
        return []
    host = session.info.hostaddr or session.info.host
    if host.startswith(("127.", "/", "@")) or host in ("", "::1", "localhost"):
        return []
    mode = session.info.get_parameters().get("sslmode", "prefer")
    return [] if mode == "verify-full" else [f"Its connection uses sslmode={mode}; production asks for verify-full."]
