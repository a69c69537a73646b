-- =====================================================
-- Migration: 005 - Backfill device info
-- Ticket: TICKET-003
-- Author: Ada Lindqvist
-- Date: 2025-11-03
-- Purpose: Give records from before 004 the device of their newest event, marked as filled in later
-- Dependencies: 004
-- Rollback: lossless, only the values this backfill wrote carry its mark
-- =====================================================

-- Pattern 1, backfill: batches of 200 records, each committed on its own, so nobody waits and an aborted run goes on
-- where it stopped. Records that change meanwhile are filled by the trigger of 004 and are then left alone here.

-- changecontrol: batch key=record_id size=200 expect>0
UPDATE record_state
   SET device_info = coalesce(
           (SELECT a.device_info FROM record_audit AS a WHERE a.audit_id = record_state.last_audit_id),
           '{}'
       ) || '{"backfilled": true}'
 WHERE device_info IS NULL;
