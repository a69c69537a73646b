-- =====================================================
-- Verify: 009 - Rename enrolled_on: both side by side
-- =====================================================

SELECT 'the column exists with its type' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.participants')
              AND attname = 'consented_on'
              AND atttypid = 'date'::regtype
              AND NOT attisdropped
       ) AS ok;

SELECT 'the trigger that keeps both equal fires' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = to_regclass('public.participants')
              AND tgname = 'zz_participants_consented_on_dual_write'
              AND tgenabled = 'O'
       ) AS ok;

SELECT 'no row is left to fill' AS name,
       NOT EXISTS (SELECT FROM participants WHERE consented_on IS NULL AND enrolled_on IS NOT NULL) AS ok;
