-- =====================================================
-- Rollback: 004 - Add device info to the read model
-- =====================================================

-- The function goes back to its text of 001 first, so that no event arrives between the two.

BEGIN;

CREATE OR REPLACE FUNCTION record_audit_to_state() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.operation = 'create' THEN
        INSERT INTO public.record_state
            (record_id, participant_id, site_id, data, version, last_audit_id, changed_at)
        VALUES
            (NEW.record_id, NEW.participant_id, NEW.site_id, NEW.data, NEW.version, NEW.audit_id, NEW.recorded_at);
    ELSE
        UPDATE public.record_state AS s
           SET data = NEW.data,
               version = NEW.version,
               last_audit_id = NEW.audit_id,
               is_deleted = (NEW.operation = 'delete'),
               changed_at = NEW.recorded_at
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

ALTER TABLE record_state DROP COLUMN device_info;

COMMIT;
