-- =====================================================
-- Verify: 010 - Require consented_on
-- =====================================================

SELECT 'a value is required' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.participants')
              AND attname = 'consented_on'
              AND attnotnull
       ) AS ok;

SELECT 'the helping check is gone' AS name,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = to_regclass('public.participants')
              AND conname = 'participants_consented_on_present'
       ) AS ok;

SELECT 'nobody leaves before the consent' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = to_regclass('public.participants')
              AND conname = 'participants_left_after_consented'
              AND convalidated
       ) AS ok;
