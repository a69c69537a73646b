-- =====================================================
-- Migration: 009 - Rename enrolled_on: both side by side
-- Ticket: TICKET-006
-- Author: Ada Lindqvist
-- Date: 2025-12-01
-- Purpose: Call the day of consent what it is; first of three steps: consented_on beside enrolled_on, both kept equal
-- Dependencies: 008
-- Series: rename-enrolled-on, 1 of 3
-- Rollback: lossless, every value is in enrolled_on as well
-- =====================================================

-- Old code writes enrolled_on, new code writes consented_on; the trigger carries each write over to the other column.
-- New code may come once this migration is complete.
-- enrolled_on has a check together with left_on; 010 gives consented_on the same. Nothing else depends on it.

BEGIN;

CREATE FUNCTION participants_consented_on_dual_write() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.consented_on IS NULL THEN
            NEW.consented_on := NEW.enrolled_on;
        ELSE
            NEW.enrolled_on := NEW.consented_on;
        END IF;
    ELSIF NEW.consented_on IS DISTINCT FROM OLD.consented_on THEN
        NEW.enrolled_on := NEW.consented_on;
    ELSIF NEW.enrolled_on IS DISTINCT FROM OLD.enrolled_on THEN
        NEW.consented_on := NEW.enrolled_on;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION participants_consented_on_dual_write() IS
    'Keeps enrolled_on and consented_on of participants equal while old and new code write';

ALTER TABLE participants ADD COLUMN consented_on date;

COMMENT ON COLUMN participants.consented_on IS 'Day of the signed consent';

CREATE TRIGGER zz_participants_consented_on_dual_write BEFORE INSERT OR UPDATE ON participants
    FOR EACH ROW EXECUTE FUNCTION participants_consented_on_dual_write();

COMMIT;

-- changecontrol: batch key=participant_id size=5000 expect>0
UPDATE participants
   SET consented_on = enrolled_on
 WHERE consented_on IS NULL
   AND enrolled_on IS NOT NULL;
