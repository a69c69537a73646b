-- =====================================================
-- Rollback: 009 - Rename enrolled_on: both side by side
-- =====================================================

BEGIN;

DROP TRIGGER zz_participants_consented_on_dual_write ON participants;

ALTER TABLE participants DROP COLUMN consented_on;

DROP FUNCTION participants_consented_on_dual_write();

COMMIT;
