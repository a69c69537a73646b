-- =====================================================
-- Rollback: 012 - Sort sites by kind: both side by side
-- =====================================================

BEGIN;

DROP TRIGGER zz_sites_kind_dual_write ON sites;

ALTER TABLE sites DROP COLUMN kind;

DROP FUNCTION sites_kind_dual_write();

COMMIT;
