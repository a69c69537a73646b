-- =====================================================
-- Migration: 004 - Add device info to the read model
-- Ticket: TICKET-003
-- Author: Ada Lindqvist
-- Date: 2025-11-03
-- Purpose: Show the device of the newest event with each record; first of three steps: new and changed records
-- Dependencies: 002
-- Rollback: lossless, the device of every event stays in record_audit
-- =====================================================

-- Pattern 1, expand: an empty column costs milliseconds, and the trigger fills it for new and changed records.
-- 005 fills the old records, 006 requires the value. The audit trail itself is not touched: its rows are hashed.

BEGIN;

ALTER TABLE record_state ADD COLUMN device_info jsonb;

COMMENT ON COLUMN record_state.device_info IS
    'Device of the newest event; {} when the app sent none; "backfilled" marks values filled in later by 005';

ALTER TABLE record_state ALTER COLUMN device_info SET DEFAULT '{}';

CREATE OR REPLACE FUNCTION record_audit_to_state() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    device jsonb := coalesce(NEW.device_info, '{}') - 'backfilled';
BEGIN
    IF NEW.operation = 'create' THEN
        INSERT INTO public.record_state
            (record_id, participant_id, site_id, data, version, last_audit_id, changed_at, device_info)
        VALUES
            (NEW.record_id, NEW.participant_id, NEW.site_id, NEW.data, NEW.version, NEW.audit_id, NEW.recorded_at,
             device);
    ELSE
        UPDATE public.record_state AS s
           SET data = NEW.data,
               version = NEW.version,
               last_audit_id = NEW.audit_id,
               is_deleted = (NEW.operation = 'delete'),
               changed_at = NEW.recorded_at,
               device_info = device
         WHERE s.record_id = NEW.record_id
           AND s.participant_id = NEW.participant_id
           AND s.version = NEW.version - 1
           AND NOT s.is_deleted;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Record % of participant % cannot be changed: it does not exist or is deleted',
                NEW.record_id, NEW.participant_id;
        END IF;
    END IF;
    RETURN NULL;
END
$$;

COMMIT;
