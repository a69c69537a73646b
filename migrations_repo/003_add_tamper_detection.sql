-- =====================================================
-- Migration: 003 - Add tamper detection
-- Ticket: TICKET-002
-- Author: Ada Lindqvist
-- Date: 2025-10-27
-- Purpose: Make every later change to a stored event visible, also one made by a superuser
-- Dependencies: 001, 002
-- Rollback: lossless, it refuses as soon as an event carries a hash
-- =====================================================

-- Every new event gets SHA-256 over its own values and the hash of the event before it in the same record.
-- The text that is hashed is the same in every session: times as seconds since 1970, never as local text, so neither
-- TimeZone nor DateStyle plays a part.
-- Events from before this migration are never rewritten. They are covered by anchors: one digest for each range of
-- up to 100,000 event numbers.

BEGIN;

ALTER TABLE record_audit ADD COLUMN entry_hash bytea;

COMMENT ON COLUMN record_audit.entry_hash IS
    'SHA-256 over the event and the hash of the event before it in the same record; empty before 003, see audit_anchor';

CREATE TABLE audit_anchor (
    first_audit_id bigint NOT NULL,
    last_audit_id bigint NOT NULL,
    events bigint NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT audit_anchor_pkey PRIMARY KEY (first_audit_id)
);

COMMENT ON TABLE audit_anchor IS 'Digests that cover the events stored before events carried their own hash';
COMMENT ON COLUMN audit_anchor.first_audit_id IS 'First event of the range';
COMMENT ON COLUMN audit_anchor.last_audit_id IS 'Last event of the range';
COMMENT ON COLUMN audit_anchor.events IS 'Number of events in the range';
COMMENT ON COLUMN audit_anchor.digest IS 'SHA-256 over the digests of the events in order of their numbers';

ALTER TABLE audit_anchor ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_anchor_for_auditor ON audit_anchor FOR SELECT TO diary_auditor
    USING (true);

GRANT SELECT ON audit_anchor TO diary_auditor;

CREATE TRIGGER audit_anchor_append_only BEFORE UPDATE OR DELETE ON audit_anchor
    FOR EACH ROW EXECUTE FUNCTION record_audit_refuse();

CREATE TRIGGER audit_anchor_no_truncate BEFORE TRUNCATE ON audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION record_audit_refuse();

ALTER TABLE audit_anchor
    ENABLE ALWAYS TRIGGER audit_anchor_append_only,
    ENABLE ALWAYS TRIGGER audit_anchor_no_truncate;

CREATE FUNCTION record_audit_digest(entry record_audit, previous bytea) RETURNS bytea
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sha256(
        convert_to(
            jsonb_build_array(
                'record_audit 1',
                entry.audit_id::text,
                entry.record_id::text,
                entry.version::text,
                entry.participant_id,
                entry.site_id,
                entry.operation,
                entry.data,
                entry.reason,
                entry.recorded_by,
                extract(epoch FROM entry.entered_at)::text,
                extract(epoch FROM entry.recorded_at)::text,
                entry.device_info,
                entry.client_ip::text,
                entry.session_id
            )::text,
            'UTF8'
        ) || coalesce(previous, ''::bytea)
    )
$$;

COMMENT ON FUNCTION record_audit_digest(record_audit, bytea) IS
    'SHA-256 over all values of an event, the same in every session, and the hash of the event before it';

CREATE FUNCTION record_audit_seal() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    previous bytea;
BEGIN
    SELECT a.entry_hash INTO previous
      FROM public.record_audit AS a
     WHERE a.record_id = NEW.record_id
       AND a.version = NEW.version - 1;
    NEW.entry_hash := public.record_audit_digest(NEW, previous);
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION record_audit_seal() IS 'Gives each new event its hash; whatever the writer sends is replaced';

CREATE TRIGGER record_audit_20_seal BEFORE INSERT ON record_audit
    FOR EACH ROW EXECUTE FUNCTION record_audit_seal();

ALTER TABLE record_audit ENABLE ALWAYS TRIGGER record_audit_20_seal;

-- Holds for new events. It is never validated: events from before this migration have no hash.
ALTER TABLE record_audit
    ADD CONSTRAINT record_audit_hash_present CHECK (entry_hash IS NOT NULL) NOT VALID;

CREATE FUNCTION audit_anchor_now() RETURNS SETOF audit_anchor
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT min(a.audit_id),
           max(a.audit_id),
           count(*),
           sha256(string_agg(public.record_audit_digest(a, NULL), ''::bytea ORDER BY a.audit_id))
      FROM public.record_audit AS a
     WHERE a.entry_hash IS NULL
     GROUP BY a.audit_id / 100000
$$;

COMMENT ON FUNCTION audit_anchor_now() IS 'The anchors for the events without a hash, computed from what is stored now';

CREATE FUNCTION audit_problems() RETURNS TABLE (audit_id bigint, record_id bigint, problem text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH entry AS (
        SELECT a AS event,
               a.audit_id,
               a.record_id,
               a.version,
               a.entry_hash,
               lag(a.entry_hash) OVER record AS previous_hash,
               lag(a.version) OVER record AS previous_version
          FROM public.record_audit AS a
        WINDOW record AS (PARTITION BY a.record_id ORDER BY a.version)
    )
    SELECT e.audit_id, e.record_id, 'the event was changed after it was stored'
      FROM entry AS e
     WHERE e.entry_hash IS NOT NULL
       AND e.entry_hash <> public.record_audit_digest(e.event, e.previous_hash)
    UNION ALL
    SELECT e.audit_id, e.record_id, 'an event before this one is missing'
      FROM entry AS e
     WHERE e.version <> coalesce(e.previous_version, 0) + 1
    UNION ALL
    SELECT e.audit_id, e.record_id, 'the hash of the event was removed'
      FROM entry AS e
     WHERE e.entry_hash IS NULL
       AND NOT EXISTS (
           SELECT FROM public.audit_anchor AS k WHERE e.audit_id BETWEEN k.first_audit_id AND k.last_audit_id
       )
    UNION ALL
    SELECT k.first_audit_id, NULL,
           format('an event from %s to %s was changed, added or removed', k.first_audit_id, k.last_audit_id)
      FROM public.audit_anchor AS k
     CROSS JOIN LATERAL (
          SELECT count(*) AS events,
                 sha256(string_agg(public.record_audit_digest(a, NULL), ''::bytea ORDER BY a.audit_id)) AS digest
            FROM public.record_audit AS a
           WHERE a.audit_id BETWEEN k.first_audit_id AND k.last_audit_id
             AND a.entry_hash IS NULL
      ) AS n
     WHERE (k.events, k.digest) IS DISTINCT FROM (n.events, n.digest)
    UNION ALL
    SELECT s.last_audit_id, s.record_id, 'the read model does not show the newest event'
      FROM public.record_state AS s
      LEFT JOIN LATERAL (
          SELECT a.audit_id, a.data FROM public.record_audit AS a
           WHERE a.record_id = s.record_id ORDER BY a.version DESC LIMIT 1
      ) AS newest ON true
     WHERE (newest.audit_id, newest.data) IS DISTINCT FROM (s.last_audit_id, s.data)
$$;

COMMENT ON FUNCTION audit_problems() IS 'Every sign of tampering in the audit trail, one row each; no row means intact';

COMMIT;

-- From here on every new event carries a hash, so the events without one are a closed set.

BEGIN;

INSERT INTO audit_anchor (first_audit_id, last_audit_id, events, digest)
SELECT first_audit_id, last_audit_id, events, digest
  FROM audit_anchor_now();

COMMIT;
