-- =====================================================
-- Verify: 008 - Drop participant initials
-- =====================================================

SELECT 'the participants are there, their initials are not' AS name,
       to_regclass('public.participants') IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.participants')
              AND attname = 'initials'
              AND NOT attisdropped
       ) AS ok;
