-- =====================================================
-- Verify: 014 - Sort sites by kind: the old column goes
-- =====================================================

SELECT 'is_training is gone' AS name,
       to_regclass('public.sites') IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.sites')
              AND attname = 'is_training'
              AND NOT attisdropped
       ) AS ok;

SELECT 'the column exists with its type' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.sites')
              AND attname = 'kind'
              AND atttypid = 'text'::regtype
              AND NOT attisdropped
       ) AS ok;

SELECT 'the trigger that kept both equal is gone' AS name,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = to_regclass('public.sites')
              AND tgname = 'zz_sites_kind_dual_write'
       ) AS ok;
