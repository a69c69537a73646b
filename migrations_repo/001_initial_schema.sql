-- =====================================================
-- Migration: 001 - Initial schema
-- Ticket: TICKET-000
-- Author: Ada Lindqvist
-- Date: 2025-10-14
-- Purpose: Create the Clinical Trial Diary Database: sites, people, diary entries and the rules that guard them
-- Dependencies: none
-- Rollback: lossless, it refuses as soon as anything beyond the training data was recorded
-- =====================================================

-- record_audit is the truth: every creation, correction and deletion of a diary entry is one row that nobody can
-- change afterwards. record_state is the picture of today, kept by a trigger and rebuildable from record_audit.
-- Roles belong to the whole cluster, so they are created only where missing, and the rollback leaves them alone.

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'diary_app') THEN
        CREATE ROLE diary_app NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'diary_monitor') THEN
        CREATE ROLE diary_monitor NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'diary_auditor') THEN
        CREATE ROLE diary_auditor NOLOGIN;
    END IF;
END
$$;

-- Tables ----------------------------------------------------------------------------------------------------------

CREATE TABLE sites (
    site_id text NOT NULL,
    name text NOT NULL,
    country text NOT NULL,
    time_zone text NOT NULL,
    is_training boolean NOT NULL DEFAULT false,
    CONSTRAINT sites_pkey PRIMARY KEY (site_id)
);

COMMENT ON TABLE sites IS 'Hospitals and practices that take part in the trial';
COMMENT ON COLUMN sites.site_id IS 'Number of the site, given by the sponsor';
COMMENT ON COLUMN sites.name IS 'Name of the site as people write it';
COMMENT ON COLUMN sites.country IS 'Country of the site, two letters (ISO 3166-1)';
COMMENT ON COLUMN sites.time_zone IS 'Time zone of the site (IANA name, such as Europe/Oslo)';
COMMENT ON COLUMN sites.is_training IS 'True for sites with invented participants, used for training and validation';

CREATE TABLE participants (
    participant_id text NOT NULL,
    site_id text NOT NULL,
    enrolled_on date NOT NULL,
    left_on date,
    initials text,
    CONSTRAINT participants_pkey PRIMARY KEY (participant_id),
    CONSTRAINT participants_site_fkey FOREIGN KEY (site_id) REFERENCES sites (site_id),
    CONSTRAINT participants_site_key UNIQUE (participant_id, site_id),
    CONSTRAINT participants_left_after_enrolled CHECK (left_on >= enrolled_on)
);

COMMENT ON TABLE participants IS 'People who keep a diary, known here by their number only';
COMMENT ON COLUMN participants.participant_id IS 'Number of the participant within the trial';
COMMENT ON COLUMN participants.site_id IS 'Site that enrolled the participant';
COMMENT ON COLUMN participants.enrolled_on IS 'Day of the signed consent';
COMMENT ON COLUMN participants.left_on IS 'Day the participant left the trial; empty while taking part';
COMMENT ON COLUMN participants.initials IS 'Initials of the participant, to tell paper files apart';

CREATE TABLE assignments (
    assignment_id bigint GENERATED ALWAYS AS IDENTITY,
    person text NOT NULL,
    site_id text NOT NULL,
    duty text NOT NULL,
    started_on date NOT NULL,
    ended_on date,
    CONSTRAINT assignments_pkey PRIMARY KEY (assignment_id),
    CONSTRAINT assignments_site_fkey FOREIGN KEY (site_id) REFERENCES sites (site_id),
    CONSTRAINT assignments_duty_known CHECK (duty IN ('investigator', 'coordinator', 'monitor'))
);

CREATE INDEX assignments_site_idx ON assignments (site_id);

CREATE UNIQUE INDEX assignments_current_key ON assignments (person, site_id, duty) WHERE ended_on IS NULL;

COMMENT ON TABLE assignments IS 'Who of the staff works for which site; access to entries follows from it';
COMMENT ON COLUMN assignments.assignment_id IS 'Number of the assignment';
COMMENT ON COLUMN assignments.person IS 'Account name of the staff member';
COMMENT ON COLUMN assignments.site_id IS 'Site the person works for';
COMMENT ON COLUMN assignments.duty IS 'What the person does there: investigator, coordinator or monitor';
COMMENT ON COLUMN assignments.started_on IS 'First day of the assignment';
COMMENT ON COLUMN assignments.ended_on IS 'Last day of the assignment; empty while it lasts';

CREATE SEQUENCE record_number;

COMMENT ON SEQUENCE record_number IS 'Numbers of diary records';

CREATE TABLE record_audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY,
    record_id bigint NOT NULL DEFAULT nextval('record_number'),
    version integer NOT NULL,
    participant_id text NOT NULL,
    site_id text NOT NULL,
    operation text NOT NULL,
    data jsonb NOT NULL,
    reason text,
    recorded_by text NOT NULL,
    entered_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT record_audit_pkey PRIMARY KEY (audit_id),
    CONSTRAINT record_audit_version_key UNIQUE (record_id, version),
    CONSTRAINT record_audit_participant_fkey FOREIGN KEY (participant_id, site_id)
        REFERENCES participants (participant_id, site_id),
    CONSTRAINT record_audit_operation_known CHECK (operation IN ('create', 'update', 'delete')),
    CONSTRAINT record_audit_reason_given CHECK (operation = 'create' OR reason <> '')
);

CREATE INDEX record_audit_participant_idx ON record_audit (participant_id, site_id);

COMMENT ON TABLE record_audit IS 'Append-only event store: every creation, correction and deletion of a diary entry';
COMMENT ON COLUMN record_audit.audit_id IS 'Number of the event';
COMMENT ON COLUMN record_audit.record_id IS 'Diary record the event belongs to';
COMMENT ON COLUMN record_audit.version IS 'Place of the event within its record: 1, 2, 3, set by the database';
COMMENT ON COLUMN record_audit.participant_id IS 'Participant whose diary it is';
COMMENT ON COLUMN record_audit.site_id IS 'Site of the participant, kept here for row-level security';
COMMENT ON COLUMN record_audit.operation IS 'What was done: create, update or delete';
COMMENT ON COLUMN record_audit.data IS 'The whole entry after the event';
COMMENT ON COLUMN record_audit.reason IS 'Why the entry was corrected or deleted';
COMMENT ON COLUMN record_audit.recorded_by IS 'Account name of the person who made the event';
COMMENT ON COLUMN record_audit.entered_at IS 'Time on the device when the person entered it';
COMMENT ON COLUMN record_audit.recorded_at IS 'Time of this database when it was stored';

CREATE TABLE record_state (
    record_id bigint NOT NULL,
    participant_id text NOT NULL,
    site_id text NOT NULL,
    data jsonb NOT NULL,
    version integer NOT NULL,
    last_audit_id bigint NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL,
    CONSTRAINT record_state_pkey PRIMARY KEY (record_id),
    CONSTRAINT record_state_last_audit_key UNIQUE (last_audit_id),
    CONSTRAINT record_state_last_audit_fkey FOREIGN KEY (last_audit_id) REFERENCES record_audit (audit_id),
    CONSTRAINT record_state_participant_fkey FOREIGN KEY (participant_id, site_id)
        REFERENCES participants (participant_id, site_id)
);

CREATE INDEX record_state_participant_idx ON record_state (participant_id, site_id);

COMMENT ON TABLE record_state IS 'Read model: the newest version of every diary record, kept by a trigger';
COMMENT ON COLUMN record_state.record_id IS 'Number of the diary record';
COMMENT ON COLUMN record_state.participant_id IS 'Participant whose diary it is';
COMMENT ON COLUMN record_state.site_id IS 'Site of the participant';
COMMENT ON COLUMN record_state.data IS 'The entry as it stands today';
COMMENT ON COLUMN record_state.version IS 'Number of events so far';
COMMENT ON COLUMN record_state.last_audit_id IS 'Newest event in record_audit';
COMMENT ON COLUMN record_state.is_deleted IS 'True once the entry was deleted; its history stays';
COMMENT ON COLUMN record_state.changed_at IS 'Time of the newest event';

-- The event store takes new rows only, and the read model follows it -----------------------------------------------

CREATE FUNCTION record_audit_refuse() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'record_audit is append-only: % is not possible', TG_OP
        USING ERRCODE = 'insufficient_privilege', HINT = 'Record a correction as a new event.';
END
$$;

COMMENT ON FUNCTION record_audit_refuse() IS 'Refuses every change to an event that was stored';

CREATE FUNCTION record_audit_to_state() RETURNS trigger
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

COMMENT ON FUNCTION record_audit_to_state() IS 'Brings record_state up to date after each event';

CREATE FUNCTION record_audit_number() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The lock on the record's row puts concurrent events of one record in order.
    SELECT s.version + 1 INTO NEW.version
      FROM public.record_state AS s
     WHERE s.record_id = NEW.record_id
       FOR UPDATE;
    NEW.version := coalesce(NEW.version, 1);
    NEW.recorded_at := clock_timestamp();
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION record_audit_number() IS 'Gives each event its place within the record and the time of the database';

CREATE TRIGGER record_audit_90_to_state AFTER INSERT ON record_audit
    FOR EACH ROW EXECUTE FUNCTION record_audit_to_state();

CREATE TRIGGER record_audit_append_only BEFORE UPDATE OR DELETE ON record_audit
    FOR EACH ROW EXECUTE FUNCTION record_audit_refuse();

CREATE TRIGGER record_audit_no_truncate BEFORE TRUNCATE ON record_audit
    FOR EACH STATEMENT EXECUTE FUNCTION record_audit_refuse();

ALTER TABLE record_audit
    ENABLE ALWAYS TRIGGER record_audit_90_to_state,
    ENABLE ALWAYS TRIGGER record_audit_append_only,
    ENABLE ALWAYS TRIGGER record_audit_no_truncate;

-- Training data: invented people at two training sites ---------------------------------------------------------------
-- Times are fixed, so that every database starts from the same rows. The trigger that stamps the time of the database
-- and numbers the events is created after them.

INSERT INTO sites (site_id, name, country, time_zone, is_training) VALUES
    ('T01', 'Training site North', 'NO', 'Europe/Oslo', true),
    ('T02', 'Training site South', 'IT', 'Europe/Rome', true);

INSERT INTO participants (participant_id, site_id, enrolled_on, initials) VALUES
    ('T01-001', 'T01', '2025-01-06', 'AK'),
    ('T01-002', 'T01', '2025-01-08', 'BM'),
    ('T01-003', 'T01', '2025-01-13', 'EH'),
    ('T01-004', 'T01', '2025-01-15', 'JN'),
    ('T01-005', 'T01', '2025-01-20', 'LS'),
    ('T01-006', 'T01', '2025-01-22', 'OT'),
    ('T02-001', 'T02', '2025-01-07', 'AF'),
    ('T02-002', 'T02', '2025-01-09', 'CG'),
    ('T02-003', 'T02', '2025-01-14', 'GB'),
    ('T02-004', 'T02', '2025-01-16', 'MP'),
    ('T02-005', 'T02', '2025-01-21', 'RV'),
    ('T02-006', 'T02', '2025-01-23', 'SD');

INSERT INTO assignments (person, site_id, duty, started_on) VALUES
    ('trainer.north', 'T01', 'investigator', '2025-01-02'),
    ('trainer.south', 'T02', 'investigator', '2025-01-02'),
    ('trainer.monitor', 'T01', 'monitor', '2025-01-02'),
    ('trainer.monitor', 'T02', 'monitor', '2025-01-02');

INSERT INTO record_audit (version, participant_id, site_id, operation, data, recorded_by, entered_at, recorded_at)
SELECT 1, p.participant_id, p.site_id, 'create',
       jsonb_build_object('day', d.day, 'minutes', (d.day * 7) % 45, 'severity', d.day % 4),
       'migration 001',
       timestamptz '2025-02-01 18:00:00+00' + d.day * interval '1 day',
       timestamptz '2025-02-01 18:00:05+00' + d.day * interval '1 day'
  FROM participants AS p
 CROSS JOIN generate_series(1, 200) AS d (day)
 ORDER BY d.day, p.participant_id;

INSERT INTO record_audit
    (record_id, version, participant_id, site_id, operation, data, reason, recorded_by, entered_at, recorded_at)
SELECT s.record_id, 2, s.participant_id, s.site_id, 'update',
       s.data || '{"severity": 2}', 'Severity misread', 'migration 001',
       s.changed_at + interval '1 hour', s.changed_at + interval '1 hour'
  FROM record_state AS s
 WHERE s.record_id % 10 = 0
 ORDER BY s.record_id;

CREATE TRIGGER record_audit_10_number BEFORE INSERT ON record_audit
    FOR EACH ROW EXECUTE FUNCTION record_audit_number();

ALTER TABLE record_audit ENABLE ALWAYS TRIGGER record_audit_10_number;

-- Who may see and do what --------------------------------------------------------------------------------------------
-- The application names the signed-in person in the setting diary.person at the start of each transaction.

CREATE FUNCTION diary_person() RETURNS text
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT nullif(current_setting('diary.person', true), '')
$$;

COMMENT ON FUNCTION diary_person() IS 'Account name or participant number of the person on whose behalf the session works';

CREATE FUNCTION diary_sites() RETURNS SETOF text
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.site_id
      FROM public.assignments AS a
     WHERE a.person = public.diary_person()
       AND a.ended_on IS NULL
$$;

COMMENT ON FUNCTION diary_sites() IS 'Sites the person is assigned to today';

REVOKE EXECUTE ON FUNCTION diary_sites() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION diary_sites() TO diary_app, diary_monitor;

ALTER TABLE sites ENABLE ROW LEVEL SECURITY;
ALTER TABLE participants ENABLE ROW LEVEL SECURITY;
ALTER TABLE assignments ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_state ENABLE ROW LEVEL SECURITY;

CREATE POLICY sites_of_person ON sites FOR SELECT TO diary_app, diary_monitor
    USING (site_id IN (SELECT diary_sites()));

CREATE POLICY sites_for_auditor ON sites FOR SELECT TO diary_auditor
    USING (true);

CREATE POLICY participants_of_site ON participants FOR SELECT TO diary_app, diary_monitor
    USING (participant_id = diary_person() OR site_id IN (SELECT diary_sites()));

CREATE POLICY participants_for_auditor ON participants FOR SELECT TO diary_auditor
    USING (true);

CREATE POLICY assignments_of_person ON assignments FOR SELECT TO diary_app, diary_monitor
    USING (person = diary_person());

CREATE POLICY assignments_for_auditor ON assignments FOR SELECT TO diary_auditor
    USING (true);

CREATE POLICY record_audit_of_site ON record_audit FOR SELECT TO diary_app, diary_monitor
    USING (participant_id = diary_person() OR site_id IN (SELECT diary_sites()));

CREATE POLICY record_audit_add ON record_audit FOR INSERT TO diary_app
    WITH CHECK (
        recorded_by = diary_person()
        AND (participant_id = diary_person() OR site_id IN (SELECT diary_sites()))
    );

CREATE POLICY record_audit_for_auditor ON record_audit FOR SELECT TO diary_auditor
    USING (true);

CREATE POLICY record_state_of_site ON record_state FOR SELECT TO diary_app, diary_monitor
    USING (participant_id = diary_person() OR site_id IN (SELECT diary_sites()));

CREATE POLICY record_state_for_auditor ON record_state FOR SELECT TO diary_auditor
    USING (true);

GRANT SELECT ON sites, participants, assignments, record_audit, record_state
    TO diary_app, diary_monitor, diary_auditor;

GRANT INSERT ON record_audit TO diary_app;

GRANT USAGE ON SEQUENCE record_number TO diary_app;

COMMIT;
