-- =====================================================
-- Rollback: 006 - Require device info
-- =====================================================

-- IF EXISTS: after a complete run the check is gone already, after a run that stopped halfway it is still there.

BEGIN;

ALTER TABLE record_state DROP CONSTRAINT IF EXISTS record_state_device_info_present;

ALTER TABLE record_state ALTER COLUMN device_info DROP NOT NULL;

COMMIT;
