-- =====================================================
-- Migration: 010 - Require consented_on
-- Ticket: TICKET-006
-- Author: Ada Lindqvist
-- Date: 2025-12-01
-- Purpose: Refuse rows without consented_on, as enrolled_on does, without stopping anyone meanwhile
-- Dependencies: 009
-- Series: rename-enrolled-on, 2 of 3
-- Rollback: lossless
-- =====================================================

-- The check on left_on was added by hand. The one there is names the old column and goes with it.

BEGIN;

ALTER TABLE participants
    ADD CONSTRAINT participants_consented_on_present CHECK (consented_on IS NOT NULL) NOT VALID,
    ADD CONSTRAINT participants_left_after_consented CHECK (left_on >= consented_on) NOT VALID;

COMMIT;

BEGIN;

ALTER TABLE participants VALIDATE CONSTRAINT participants_consented_on_present;

ALTER TABLE participants VALIDATE CONSTRAINT participants_left_after_consented;

COMMIT;

BEGIN;

ALTER TABLE participants ALTER COLUMN consented_on SET NOT NULL;

ALTER TABLE participants DROP CONSTRAINT participants_consented_on_present;

COMMIT;
