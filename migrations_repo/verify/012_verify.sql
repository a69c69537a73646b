-- =====================================================
-- Verify: 012 - Sort sites by kind: both side by side
-- =====================================================

SELECT 'the column exists with its type' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.sites')
              AND attname = 'kind'
              AND atttypid = 'text'::regtype
              AND NOT attisdropped
       ) AS ok;

SELECT 'the trigger that keeps both equal fires' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = to_regclass('public.sites')
              AND tgname = 'zz_sites_kind_dual_write'
              AND tgenabled = 'O'
       ) AS ok;

SELECT 'no row is left to fill' AS name,
       NOT EXISTS (SELECT FROM sites WHERE kind IS NULL AND is_training IS NOT NULL) AS ok;
