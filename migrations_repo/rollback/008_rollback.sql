-- =====================================================
-- Rollback: 008 - Drop participant initials
-- =====================================================

-- Restores the column, not its content: the initials are lost.

BEGIN;

ALTER TABLE participants ADD COLUMN initials text;

COMMENT ON COLUMN participants.initials IS 'Initials of the participant, to tell paper files apart';

COMMIT;
