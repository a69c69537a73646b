-- =====================================================
-- Migration: 012 - Sort sites by kind: both side by side
-- Ticket: TICKET-007
-- Author: Ada Lindqvist
-- Date: 2025-12-15
-- Purpose: Leave room for more than two kinds of sites; first of three steps: kind beside is_training, both kept equal
-- Dependencies: 001
-- Series: sort-sites-by-kind, 1 of 3
-- Rollback: lossless, every value is in is_training as well
-- =====================================================

-- Old code writes is_training, new code writes kind; the trigger carries each write over to the other column.
-- New code may come once this migration is complete.
-- The way back loses nothing while 013 allows the two kinds alone that a boolean can hold. Whoever adds a third kind
-- ends that.

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

ALTER TABLE sites ADD COLUMN kind text;

COMMENT ON COLUMN sites.kind IS 'What the site is for: trial, or training with invented participants';

CREATE TRIGGER zz_sites_kind_dual_write BEFORE INSERT OR UPDATE ON sites
    FOR EACH ROW EXECUTE FUNCTION sites_kind_dual_write();

COMMIT;

-- changecontrol: batch key=site_id size=5000 expect>0
UPDATE sites
   SET kind = CASE WHEN is_training THEN 'training' ELSE 'trial' END
 WHERE kind IS NULL
   AND is_training IS NOT NULL;
