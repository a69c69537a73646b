-- =====================================================
-- Rollback: 015 - Split sites: site_places beside it
-- =====================================================

-- sites requires both columns again before the new table goes, without a scan that stops anyone. If it stops at the
-- check, a site was written without its place; give it one first.

BEGIN;

ALTER TABLE sites
    ADD CONSTRAINT sites_place_present CHECK (country IS NOT NULL AND time_zone IS NOT NULL) NOT VALID;

COMMIT;

BEGIN;

ALTER TABLE sites VALIDATE CONSTRAINT sites_place_present;

COMMIT;

BEGIN;

ALTER TABLE sites
    ALTER COLUMN country SET NOT NULL,
    ALTER COLUMN time_zone SET NOT NULL;

ALTER TABLE sites DROP CONSTRAINT sites_place_present;

COMMIT;

BEGIN;

DROP TRIGGER zz_sites_site_places_from_old ON sites;

DROP FUNCTION sites_site_places_from_old();

COMMIT;

BEGIN;

DROP TABLE site_places;

DROP FUNCTION sites_site_places_from_new();

COMMIT;
