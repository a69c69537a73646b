-- =====================================================
-- Migration: 014 - Sort sites by kind: the old column goes
-- Ticket: TICKET-007
-- Author: Ada Lindqvist
-- Date: 2026-01-12
-- Purpose: Drop is_training of sites once no running code reads or writes it any more
-- Dependencies: 013
-- Series: sort-sites-by-kind, 3 of 3
-- Requires-release: app >= 4.3.0
-- Rollback: lossless, is_training is filled again from kind
-- =====================================================

BEGIN;

DROP TRIGGER zz_sites_kind_dual_write ON sites;

ALTER TABLE sites DROP COLUMN is_training;

ALTER TABLE sites ALTER COLUMN kind SET DEFAULT 'trial';

DROP FUNCTION sites_kind_dual_write();

COMMIT;
