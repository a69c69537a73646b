-- =====================================================
-- Migration: 006 - Require device info
-- Ticket: TICKET-003
-- Author: Ada Lindqvist
-- Date: 2025-11-10
-- Purpose: Refuse records without a device value, without stopping anyone while the old ones are checked
-- Dependencies: 005
-- Rollback: lossless
-- =====================================================

-- Pattern 1, contract: SET NOT NULL alone would read the whole table while nobody can use it. A check that is first
-- promised for new rows and then validated under a weak lock proves the same, and SET NOT NULL believes it unread.

BEGIN;

ALTER TABLE record_state
    ADD CONSTRAINT record_state_device_info_present CHECK (device_info IS NOT NULL) NOT VALID;

COMMIT;

BEGIN;

ALTER TABLE record_state VALIDATE CONSTRAINT record_state_device_info_present;

COMMIT;

BEGIN;

ALTER TABLE record_state ALTER COLUMN device_info SET NOT NULL;

ALTER TABLE record_state DROP CONSTRAINT record_state_device_info_present;

COMMIT;
