-- =====================================================
-- Rollback: 007 - Index records by site
-- =====================================================

DROP INDEX CONCURRENTLY record_state_site_changed_idx;
