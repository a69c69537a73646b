-- =====================================================
-- Verify: 002 - Add audit metadata
-- =====================================================

SELECT 'the three columns exist, with their types, and may be empty' AS name,
       count(*) = 3 AS ok
  FROM pg_catalog.pg_attribute
 WHERE attrelid = to_regclass('public.record_audit')
   AND NOT attisdropped
   AND NOT attnotnull
   AND NOT atthasdef
   AND (attname, format_type(atttypid, atttypmod)) IN
       (('device_info', 'jsonb'), ('client_ip', 'inet'), ('session_id', 'text'));
