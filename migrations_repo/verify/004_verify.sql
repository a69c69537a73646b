-- =====================================================
-- Verify: 004 - Add device info to the read model
-- =====================================================

SELECT 'the column exists and new rows get a value' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.record_state')
              AND attname = 'device_info'
              AND atttypid = 'jsonb'::regtype
              AND atthasdef
              AND NOT attisdropped
       ) AS ok;

SELECT 'the trigger function fills it' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_proc
            WHERE oid = to_regproc('public.record_audit_to_state')
              AND prosrc LIKE '%device_info = device%'
       ) AS ok;
