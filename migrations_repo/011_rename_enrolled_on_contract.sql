-- =====================================================
-- Migration: 011 - Rename enrolled_on: the old column goes
-- Ticket: TICKET-006
-- Author: Ada Lindqvist
-- Date: 2025-12-15
-- Purpose: Drop enrolled_on of participants once no running code reads or writes it any more
-- Dependencies: 010
-- Series: rename-enrolled-on, 3 of 3
-- Requires-release: app >= 4.2.0
-- Rollback: lossless, enrolled_on is filled again from consented_on
-- =====================================================

-- The check of enrolled_on and left_on goes with the column; consented_on has its own since 010.

BEGIN;

DROP TRIGGER zz_participants_consented_on_dual_write ON participants;

ALTER TABLE participants DROP COLUMN enrolled_on;

DROP FUNCTION participants_consented_on_dual_write();

COMMIT;
