-- =====================================================
-- Rollback: 013 - Require kind
-- =====================================================

-- IF EXISTS, because after a complete run the check is gone already, and after a run that stopped halfway it is still
-- there.

BEGIN;

ALTER TABLE sites DROP CONSTRAINT IF EXISTS sites_kind_present;

ALTER TABLE sites DROP CONSTRAINT sites_kind_known;

ALTER TABLE sites ALTER COLUMN kind DROP NOT NULL;

COMMIT;
