-- =====================================================
-- Rollback: 011 - Rename enrolled_on: the old column goes
-- =====================================================

-- enrolled_on comes back as the last column, is filled from consented_on, and both are kept equal again. Its check
-- together with left_on was added by hand. Old code may come back once this is complete.

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

ALTER TABLE participants ADD COLUMN enrolled_on date;

COMMENT ON COLUMN participants.enrolled_on IS 'Day of the signed consent';

CREATE TRIGGER zz_participants_consented_on_dual_write BEFORE INSERT OR UPDATE ON participants
    FOR EACH ROW EXECUTE FUNCTION participants_consented_on_dual_write();

COMMIT;

-- changecontrol: batch key=participant_id size=5000 expect>0
UPDATE participants
   SET enrolled_on = consented_on
 WHERE enrolled_on IS NULL
   AND consented_on IS NOT NULL;

BEGIN;

ALTER TABLE participants
    ADD CONSTRAINT participants_enrolled_on_present CHECK (enrolled_on IS NOT NULL) NOT VALID,
    ADD CONSTRAINT participants_left_after_enrolled CHECK (left_on >= enrolled_on) NOT VALID;

COMMIT;

BEGIN;

ALTER TABLE participants VALIDATE CONSTRAINT participants_enrolled_on_present;

ALTER TABLE participants VALIDATE CONSTRAINT participants_left_after_enrolled;

COMMIT;

BEGIN;

ALTER TABLE participants ALTER COLUMN enrolled_on SET NOT NULL;

ALTER TABLE participants DROP CONSTRAINT participants_enrolled_on_present;

COMMIT;
