-- =====================================================
-- Rollback: 010 - Require consented_on
-- =====================================================

-- IF EXISTS, because after a complete run the check is gone already, and after a run that stopped halfway it is still
-- there.

BEGIN;

ALTER TABLE participants DROP CONSTRAINT IF EXISTS participants_consented_on_present;

ALTER TABLE participants DROP CONSTRAINT participants_left_after_consented;

ALTER TABLE participants ALTER COLUMN consented_on DROP NOT NULL;

COMMIT;
