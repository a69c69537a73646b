-- =====================================================
-- Migration: 016 - Split sites: the old columns go
-- Ticket: TICKET-008
-- Author: Ada Lindqvist
-- Date: 2026-01-26
-- Purpose: Drop country and time_zone of sites once running code finds them in site_places alone
-- Dependencies: 015
-- Series: split-sites, 2 of 2
-- Requires-release: app >= 4.4.0
-- Rollback: lossless, the old columns are filled again from site_places
-- =====================================================

-- Both tables are locked in the order in which new code writes them, so neither waits for the other.

BEGIN;

DROP TRIGGER zz_sites_site_places_from_new ON site_places;

DROP TRIGGER zz_sites_site_places_from_old ON sites;

DROP FUNCTION sites_site_places_from_new();

DROP FUNCTION sites_site_places_from_old();

ALTER TABLE sites
    DROP COLUMN country,
    DROP COLUMN time_zone;

COMMIT;
