-- =====================================================
-- Rollback: 002 - Add audit metadata
-- =====================================================

-- Stops if an event already carries metadata: dropping it would cut the audit trail.

BEGIN;

DO $$
BEGIN
    IF EXISTS (SELECT FROM public.record_audit WHERE num_nonnulls(device_info, client_ip, session_id) > 0) THEN
        RAISE EXCEPTION 'Rollback 002 refused: events carry metadata that would be lost';
    END IF;
END
$$;

ALTER TABLE record_audit
    DROP COLUMN session_id,
    DROP COLUMN client_ip,
    DROP COLUMN device_info;

COMMIT;
