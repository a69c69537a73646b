-- =====================================================
-- Migration: 015 - Split sites: site_places beside it
-- Ticket: TICKET-008
-- Author: Ada Lindqvist
-- Date: 2026-01-12
-- Purpose: Normalize sites: where a site is becomes a table of its own; first of two steps: both tables kept equal
-- Dependencies: 001
-- Series: split-sites, 1 of 2
-- Rollback: lossless, every value is in sites as well; it stops if a site has no place
-- =====================================================

-- Existing rows are filled by touching them: the trigger does the copying, under the lock on the old row, so no write
-- that happens at the same moment can be lost. Old and new code that write the same row at the same moment may meet as
-- a deadlock, and one of them has to try again.
-- New code may come once this migration is complete.
-- Added by hand: comments, rights, row-level security and policies like those of sites; and both columns stay required,
-- now in site_places, while sites lets them be empty, so that new code can write a site before its place.

BEGIN;

CREATE FUNCTION sites_site_places_from_old() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM public.site_places AS n WHERE n.site_id = NEW.site_id) THEN
        IF TG_OP = 'INSERT' OR (NEW.country, NEW.time_zone) IS DISTINCT FROM (OLD.country, OLD.time_zone) THEN
            UPDATE public.site_places AS n
               SET country = NEW.country,
                   time_zone = NEW.time_zone
             WHERE n.site_id = NEW.site_id
               AND (n.country, n.time_zone) IS DISTINCT FROM (NEW.country, NEW.time_zone);
        END IF;
    ELSIF num_nonnulls(NEW.country, NEW.time_zone) > 0 THEN
        INSERT INTO public.site_places AS n (site_id, country, time_zone)
        VALUES (NEW.site_id, NEW.country, NEW.time_zone)
            ON CONFLICT (site_id) DO UPDATE
               SET country = excluded.country,
                   time_zone = excluded.time_zone
             WHERE (n.country, n.time_zone) IS DISTINCT FROM (excluded.country, excluded.time_zone);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sites_site_places_from_old() IS 'Carries what old code writes in sites over to site_places';

REVOKE EXECUTE ON FUNCTION sites_site_places_from_old() FROM PUBLIC;

CREATE FUNCTION sites_site_places_from_new() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND NEW.site_id IS DISTINCT FROM OLD.site_id) THEN
        UPDATE public.sites AS o
           SET country = NULL,
               time_zone = NULL
         WHERE o.site_id = OLD.site_id
           AND num_nonnulls(o.country, o.time_zone) > 0;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE public.sites AS o
           SET country = NEW.country,
               time_zone = NEW.time_zone
         WHERE o.site_id = NEW.site_id
           AND (o.country, o.time_zone) IS DISTINCT FROM (NEW.country, NEW.time_zone);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sites_site_places_from_new() IS 'Carries what new code writes in site_places over to sites';

REVOKE EXECUTE ON FUNCTION sites_site_places_from_new() FROM PUBLIC;

CREATE TABLE site_places (
    site_id text NOT NULL,
    country text NOT NULL,
    time_zone text NOT NULL,
    CONSTRAINT site_places_pkey PRIMARY KEY (site_id),
    CONSTRAINT site_places_site_id_fkey FOREIGN KEY (site_id)
        REFERENCES sites (site_id) ON UPDATE CASCADE ON DELETE CASCADE
);

COMMENT ON TABLE site_places IS 'Where each site is';
COMMENT ON COLUMN site_places.site_id IS 'Number of the site';
COMMENT ON COLUMN site_places.country IS 'Country of the site, two letters (ISO 3166-1)';
COMMENT ON COLUMN site_places.time_zone IS 'Time zone of the site (IANA name, such as Europe/Oslo)';

ALTER TABLE site_places ENABLE ROW LEVEL SECURITY;

CREATE POLICY site_places_of_person ON site_places FOR SELECT TO diary_app, diary_monitor
    USING (site_id IN (SELECT diary_sites()));

CREATE POLICY site_places_for_auditor ON site_places FOR SELECT TO diary_auditor
    USING (true);

GRANT SELECT ON site_places TO diary_app, diary_monitor, diary_auditor;

ALTER TABLE sites
    ALTER COLUMN country DROP NOT NULL,
    ALTER COLUMN time_zone DROP NOT NULL;

CREATE TRIGGER zz_sites_site_places_from_new AFTER INSERT OR UPDATE OR DELETE ON site_places
    FOR EACH ROW EXECUTE FUNCTION sites_site_places_from_new();

CREATE TRIGGER zz_sites_site_places_from_old AFTER INSERT OR UPDATE ON sites
    FOR EACH ROW EXECUTE FUNCTION sites_site_places_from_old();

COMMIT;

-- changecontrol: batch key=site_id size=5000 expect>0
UPDATE sites
   SET country = country
 WHERE num_nonnulls(country, time_zone) > 0
   AND NOT EXISTS (SELECT FROM site_places AS n WHERE n.site_id = sites.site_id);
