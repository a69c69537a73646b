-- =====================================================
-- Verify: 016 - Split sites: the old columns go
-- =====================================================

SELECT 'country is gone' AS name,
       to_regclass('public.sites') IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.sites')
              AND attname = 'country'
              AND NOT attisdropped
       ) AS ok;

SELECT 'time_zone is gone' AS name,
       to_regclass('public.sites') IS NOT NULL
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass('public.sites')
              AND attname = 'time_zone'
              AND NOT attisdropped
       ) AS ok;

SELECT 'the new table has them' AS name,
       count(*) = 2 AS ok
  FROM pg_catalog.pg_attribute
 WHERE attrelid = to_regclass('public.site_places')
   AND attname IN ('country', 'time_zone')
   AND NOT attisdropped;
