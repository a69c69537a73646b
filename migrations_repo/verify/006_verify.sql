-- =====================================================
-- Verify: 006 - Require device info
-- =====================================================

SELECT 'a device value is required' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.record_state')
              AND attname = 'device_info'
              AND attnotnull
       ) AS ok;

SELECT 'the helping check is gone' AS name,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = to_regclass('public.record_state')
              AND conname = 'record_state_device_info_present'
       ) AS ok;
