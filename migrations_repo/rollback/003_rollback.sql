-- =====================================================
-- Rollback: 003 - Add tamper detection
-- =====================================================

-- Stops if an event already carries a hash: dropping it would remove evidence that cannot be made again.

BEGIN;

DO $$
BEGIN
    IF EXISTS (SELECT FROM public.record_audit WHERE entry_hash IS NOT NULL) THEN
        RAISE EXCEPTION 'Rollback 003 refused: events carry hashes that would be lost';
    END IF;
END
$$;

DROP FUNCTION audit_problems();

DROP FUNCTION audit_anchor_now();

ALTER TABLE record_audit DROP CONSTRAINT record_audit_hash_present;

DROP TRIGGER record_audit_20_seal ON record_audit;

DROP FUNCTION record_audit_seal();

DROP FUNCTION record_audit_digest(record_audit, bytea);

DROP TABLE audit_anchor;

ALTER TABLE record_audit DROP COLUMN entry_hash;

COMMIT;
