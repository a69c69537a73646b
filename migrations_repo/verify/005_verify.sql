-- =====================================================
-- Verify: 005 - Backfill device info
-- =====================================================

SELECT 'every record has a device value' AS name,
       NOT EXISTS (SELECT FROM public.record_state WHERE device_info IS NULL) AS ok;
