-- =====================================================
-- Rollback: 016 - Split sites: the old columns go
-- =====================================================

-- The columns come back as the last ones and are filled by touching the rows of site_places, under their locks. Their
-- comments were added by hand. Old code may come back once this is complete.

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

ALTER TABLE sites
    ADD COLUMN country text,
    ADD COLUMN time_zone text;

COMMENT ON COLUMN sites.country IS 'Country of the site, two letters (ISO 3166-1)';
COMMENT ON COLUMN sites.time_zone IS 'Time zone of the site (IANA name, such as Europe/Oslo)';

CREATE TRIGGER zz_sites_site_places_from_old AFTER INSERT OR UPDATE ON sites
    FOR EACH ROW EXECUTE FUNCTION sites_site_places_from_old();

COMMIT;

BEGIN;

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

CREATE TRIGGER zz_sites_site_places_from_new AFTER INSERT OR UPDATE OR DELETE ON site_places
    FOR EACH ROW EXECUTE FUNCTION sites_site_places_from_new();

COMMIT;

-- changecontrol: batch key=site_id size=5000 expect>0
UPDATE site_places
   SET country = country
 WHERE EXISTS (
           SELECT FROM sites AS o
            WHERE o.site_id = site_places.site_id
              AND (o.country, o.time_zone) IS DISTINCT FROM (site_places.country, site_places.time_zone)
       );
