-- =====================================================
-- Migration: 013 - Require kind
-- Ticket: TICKET-007
-- Author: Ada Lindqvist
-- Date: 2025-12-15
-- Purpose: Refuse rows without kind, as is_training does, without stopping anyone meanwhile
-- Dependencies: 012
-- Series: sort-sites-by-kind, 2 of 3
-- Rollback: lossless
-- =====================================================

-- The check on the known kinds was added by hand.

BEGIN;

ALTER TABLE sites
    ADD CONSTRAINT sites_kind_present CHECK (kind IS NOT NULL) NOT VALID,
    ADD CONSTRAINT sites_kind_known CHECK (kind IN ('training', 'trial')) NOT VALID;

COMMIT;

BEGIN;

ALTER TABLE sites VALIDATE CONSTRAINT sites_kind_present;

ALTER TABLE sites VALIDATE CONSTRAINT sites_kind_known;

COMMIT;

BEGIN;

ALTER TABLE sites ALTER COLUMN kind SET NOT NULL;

ALTER TABLE sites DROP CONSTRAINT sites_kind_present;

COMMIT;
