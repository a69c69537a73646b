-- =====================================================
-- Migration: 002 - Add audit metadata
-- Ticket: TICKET-001
-- Author: Ada Lindqvist
-- Date: 2025-10-20
-- Purpose: Keep with every new event from which device, address and session it came
-- Dependencies: 001
-- Rollback: lossless, it refuses as soon as an event carries metadata
-- =====================================================

-- All three columns stay empty for existing events: what was recorded is not touched, and what nobody knew then
-- is not invented now.

BEGIN;

ALTER TABLE record_audit
    ADD COLUMN device_info jsonb,
    ADD COLUMN client_ip inet,
    ADD COLUMN session_id text;

COMMENT ON COLUMN record_audit.device_info IS 'Device and platform information for the audit trail; empty before 002';
COMMENT ON COLUMN record_audit.client_ip IS 'Network address the event came from; empty before 002';
COMMENT ON COLUMN record_audit.session_id IS 'Sign-in session of the person; empty before 002';

COMMIT;
