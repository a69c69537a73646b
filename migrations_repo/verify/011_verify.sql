-- =====================================================
-- Verify: 011 - Rename enrolled_on: the old column goes
-- =====================================================

SELECT 'enrolled_on is gone' AS name,
       to_regclass('public.participants') IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.participants')
              AND attname = 'enrolled_on'
              AND NOT attisdropped
       ) AS ok;

SELECT 'the column exists with its type' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.participants')
              AND attname = 'consented_on'
              AND atttypid = 'date'::regtype
              AND NOT attisdropped
       ) AS ok;

SELECT 'the trigger that kept both equal is gone' AS name,
       NOT EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = to_regclass('public.participants')
              AND tgname = 'zz_participants_consented_on_dual_write'
       ) AS ok;
