-- =====================================================
-- Verify: 015 - Split sites: site_places beside it
-- =====================================================

SELECT 'the trigger that carries to the new table fires' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = to_regclass('public.sites')
              AND tgname = 'zz_sites_site_places_from_old'
              AND tgenabled = 'O'
       ) AS ok;

SELECT 'the trigger that carries to the old table fires' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = to_regclass('public.site_places')
              AND tgname = 'zz_sites_site_places_from_new'
              AND tgenabled = 'O'
       ) AS ok;

SELECT 'both tables say the same' AS name,
       NOT EXISTS (
           SELECT
             FROM sites AS o
             LEFT JOIN site_places AS n ON n.site_id = o.site_id
            WHERE (o.country, o.time_zone) IS DISTINCT FROM (n.country, n.time_zone)
       ) AS ok;

SELECT 'people see the places of their sites alone' AS name,
       relrowsecurity AS ok
  FROM pg_catalog.pg_class
 WHERE oid = to_regclass('public.site_places');
