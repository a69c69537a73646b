-- =====================================================
-- Verify: 007 - Index records by site
-- =====================================================

-- A build that was cut short leaves an index that exists and is not valid.

SELECT 'the index exists on the right columns and is valid' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_index
            WHERE indexrelid = to_regclass('public.record_state_site_changed_idx')
              AND indrelid = to_regclass('public.record_state')
              AND indisvalid
              AND indisready
              AND pg_get_indexdef(indexrelid, 1, true) = 'site_id'
              AND pg_get_indexdef(indexrelid, 2, true) = 'changed_at'
       ) AS ok;
