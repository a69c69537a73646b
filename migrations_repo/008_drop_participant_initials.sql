-- =====================================================
-- Migration: 008 - Drop participant initials
-- Ticket: TICKET-005
-- Author: Ada Lindqvist
-- Date: 2025-11-24
-- Purpose: Keep no initials of participants any more, as data protection asks
-- Dependencies: 001
-- Rollback: lossy, participants.initials comes back empty: the initials of every participant are lost
-- =====================================================

-- Nothing reads the column since the sites label paper files with participant numbers. The loss is the purpose:
-- only a restored backup holds the initials afterwards.

BEGIN;

ALTER TABLE participants DROP COLUMN initials;

COMMIT;
