-- =====================================================
-- Rollback: 014 - Sort sites by kind: the old column goes
-- =====================================================

-- is_training comes back as the last column, is filled from kind, and both are kept equal again. Its own comment
-- was added by hand. Old code may come back once this is complete.

BEGIN;

CREATE FUNCTION sites_kind_dual_write() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.kind IS NULL THEN
            NEW.kind := CASE WHEN NEW.is_training THEN 'training' ELSE 'trial' END;
        ELSIF NEW.kind IS DISTINCT FROM (CASE WHEN NEW.is_training THEN 'training' ELSE 'trial' END) THEN
            NEW.is_training := NEW.kind = 'training';
        END IF;
    ELSIF NEW.kind IS DISTINCT FROM OLD.kind THEN
        IF NEW.kind IS DISTINCT FROM (CASE WHEN NEW.is_training THEN 'training' ELSE 'trial' END) THEN
            NEW.is_training := NEW.kind = 'training';
        END IF;
    ELSIF NEW.is_training IS DISTINCT FROM OLD.is_training THEN
        IF NEW.is_training IS DISTINCT FROM (NEW.kind = 'training') THEN
            NEW.kind := CASE WHEN NEW.is_training THEN 'training' ELSE 'trial' END;
        END IF;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION sites_kind_dual_write() IS 'Keeps is_training and kind of sites equal while old and new code write';

ALTER TABLE sites ADD COLUMN is_training boolean;

COMMENT ON COLUMN sites.is_training IS 'True for sites with invented participants, used for training and validation';

ALTER TABLE sites ALTER COLUMN kind DROP DEFAULT;

ALTER TABLE sites ALTER COLUMN is_training SET DEFAULT false;

CREATE TRIGGER zz_sites_kind_dual_write BEFORE INSERT OR UPDATE ON sites
    FOR EACH ROW EXECUTE FUNCTION sites_kind_dual_write();

COMMIT;

-- changecontrol: batch key=site_id size=5000 expect>0
UPDATE sites
   SET is_training = kind = 'training'
 WHERE is_training IS NULL
   AND kind IS NOT NULL;

BEGIN;

ALTER TABLE sites
    ADD CONSTRAINT sites_is_training_present CHECK (is_training IS NOT NULL) NOT VALID;

COMMIT;

BEGIN;

ALTER TABLE sites VALIDATE CONSTRAINT sites_is_training_present;

COMMIT;

BEGIN;

ALTER TABLE sites ALTER COLUMN is_training SET NOT NULL;

ALTER TABLE sites DROP CONSTRAINT sites_is_training_present;

COMMIT;
