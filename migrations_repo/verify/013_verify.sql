-- =====================================================
-- Verify: 013 - Require kind
-- =====================================================

SELECT 'a value is required' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.sites')
              AND attname = 'kind'
              AND attnotnull
       ) AS ok;

SELECT 'the helping check is gone' AS name,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = to_regclass('public.sites')
              AND conname = 'sites_kind_present'
       ) AS ok;

SELECT 'the kinds are known' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = to_regclass('public.sites')
              AND conname = 'sites_kind_known'
              AND convalidated
       ) AS ok;
