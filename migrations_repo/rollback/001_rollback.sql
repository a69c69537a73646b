-- =====================================================
-- Rollback: 001 - Initial schema
-- =====================================================

-- Removes everything 001 created except the roles, which belong to the whole cluster.
-- It stops before touching anything if a person has recorded something: then only a restore can lead back.

BEGIN;

DO $$
BEGIN
    IF EXISTS (SELECT FROM public.record_audit WHERE recorded_by <> 'migration 001')
        OR EXISTS (SELECT FROM public.sites WHERE NOT is_training)
        OR EXISTS (SELECT FROM public.participants WHERE site_id NOT IN ('T01', 'T02'))
        OR EXISTS (SELECT FROM public.assignments WHERE person NOT LIKE 'trainer.%')
    THEN
        RAISE EXCEPTION 'Rollback 001 refused: the database holds records beyond the training data';
    END IF;
END
$$;

DROP TABLE record_state;

DROP TABLE record_audit;

DROP SEQUENCE record_number;

DROP TABLE assignments;

DROP TABLE participants;

DROP TABLE sites;

DROP FUNCTION diary_sites();

DROP FUNCTION diary_person();

DROP FUNCTION record_audit_number();

DROP FUNCTION record_audit_to_state();

DROP FUNCTION record_audit_refuse();

COMMIT;
