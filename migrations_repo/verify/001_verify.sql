-- =====================================================
-- Verify: 001 - Initial schema
-- =====================================================

SELECT 'the five tables exist' AS name,
       count(to_regclass('public.' || t)) = 5 AS ok
  FROM unnest(ARRAY['sites', 'participants', 'assignments', 'record_audit', 'record_state']) AS t;

SELECT 'row-level security is on for all of them' AS name,
       count(*) = 5 AS ok
  FROM pg_catalog.pg_class
 WHERE oid IN (to_regclass('public.sites'), to_regclass('public.participants'), to_regclass('public.assignments'),
               to_regclass('public.record_audit'), to_regclass('public.record_state'))
   AND relrowsecurity;

SELECT 'the triggers of the event store always fire' AS name,
       count(*) = 4 AS ok
  FROM pg_catalog.pg_trigger
 WHERE tgrelid = to_regclass('public.record_audit')
   AND tgname IN ('record_audit_10_number', 'record_audit_90_to_state', 'record_audit_append_only',
                  'record_audit_no_truncate')
   AND tgenabled = 'A';

SELECT 'the three roles exist' AS name,
       count(*) = 3 AS ok
  FROM pg_catalog.pg_roles
 WHERE rolname IN ('diary_app', 'diary_monitor', 'diary_auditor');

SELECT 'the application can neither change events nor write the read model' AS name,
       has_table_privilege('diary_app', 'public.record_audit', 'INSERT')
       AND NOT has_table_privilege('diary_app', 'public.record_audit', 'UPDATE, DELETE, TRUNCATE')
       AND NOT has_table_privilege('diary_app', 'public.record_state', 'INSERT, UPDATE, DELETE, TRUNCATE') AS ok;

SELECT 'the read model shows the newest event of every record' AS name,
       NOT EXISTS (
           SELECT
             FROM (SELECT DISTINCT ON (record_id) record_id, audit_id, version, data
                     FROM public.record_audit
                    ORDER BY record_id, version DESC) AS newest
             FULL JOIN public.record_state AS s USING (record_id)
            WHERE (newest.audit_id, newest.version, newest.data) IS DISTINCT FROM (s.last_audit_id, s.version, s.data)
       ) AS ok;
