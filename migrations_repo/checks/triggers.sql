-- Standing check: the triggers that guard the audit trail exist and always fire, also under
-- session_replication_role = replica. Holds at every migration: a trigger is expected once its function exists.

SELECT 'trigger ' || e.name AS name,
       c.oid IS NULL OR f.oid IS NULL OR coalesce(g.tgenabled = 'A', false) AS ok,
       CASE
           WHEN c.oid IS NULL OR f.oid IS NULL THEN 'Not installed yet.'
           WHEN g.oid IS NULL THEN 'The trigger is missing.'
           WHEN g.tgenabled = 'D' THEN 'The trigger is disabled.'
           WHEN g.tgenabled <> 'A' THEN 'The trigger does not fire in every session; ENABLE ALWAYS TRIGGER restores it.'
           ELSE 'Enabled, fires always.'
       END AS detail,
       count(g.oid) OVER () AS value,
       false AS must_not_fall
  FROM (VALUES
           ('record_audit_10_number', 'record_audit', 'record_audit_number'),
           ('record_audit_20_seal', 'record_audit', 'record_audit_seal'),
           ('record_audit_90_to_state', 'record_audit', 'record_audit_to_state'),
           ('record_audit_append_only', 'record_audit', 'record_audit_refuse'),
           ('record_audit_no_truncate', 'record_audit', 'record_audit_refuse'),
           ('audit_anchor_append_only', 'audit_anchor', 'record_audit_refuse'),
           ('audit_anchor_no_truncate', 'audit_anchor', 'record_audit_refuse')
       ) AS e (name, on_table, function_name)
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = to_regclass('public.' || e.on_table)
  LEFT JOIN pg_catalog.pg_proc AS f ON f.oid = to_regproc('public.' || e.function_name)
  LEFT JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = c.oid AND g.tgname = e.name AND g.tgfoid = f.oid
 ORDER BY e.name;
