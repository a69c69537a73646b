"""The definition of the ledger on a target: schema `changecontrol`, append-only, every column commented."""
# ruff: noqa: E501 -- a column's comment is one line, so that it can be found by searching

from __future__ import annotations

#: SQLSTATE of the fence's refusal, so that the runner can tell it from every other error.
FENCED = "CC001"
#: SQLSTATE of a change to what was written.
APPEND_ONLY = "CC002"

SCHEMA_SQL = """
CREATE SCHEMA changecontrol;
COMMENT ON SCHEMA changecontrol IS
  'Change Control: which migrations were executed here. Append-only; maintained by the Change Control workers only.';

CREATE TABLE changecontrol.identity (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  uuid uuid NOT NULL,
  environment text NOT NULL,
  actor text NOT NULL,
  signed_by text NOT NULL,
  tool_version text NOT NULL,
  server_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE changecontrol.identity IS
  'Who this database is to Change Control. The newest row counts; older rows are kept.';
COMMENT ON COLUMN changecontrol.identity.id IS 'Order of stamping.';
COMMENT ON COLUMN changecontrol.identity.uuid IS 'The target''s own identifier; a storage copy of it must be stamped anew.';
COMMENT ON COLUMN changecontrol.identity.environment IS 'Environment this target belongs to, such as production.';
COMMENT ON COLUMN changecontrol.identity.actor IS 'Who registered the target.';
COMMENT ON COLUMN changecontrol.identity.signed_by IS 'Signature of the registration; empty: unsigned.';
COMMENT ON COLUMN changecontrol.identity.tool_version IS 'Version of Change Control that wrote the row.';
COMMENT ON COLUMN changecontrol.identity.server_at IS 'Clock of this server when the row was written.';

CREATE TABLE changecontrol.ledger (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('began', 'progress', 'done', 'finished', 'baseline', 'resolved')),
  change_code text NOT NULL,
  migration bigint NOT NULL,
  migration_name text NOT NULL,
  direction text NOT NULL CHECK (direction IN ('forward', 'rollback')),
  step integer,
  steps integer NOT NULL,
  pass_no integer NOT NULL,
  script_digest text NOT NULL,
  content_digest text NOT NULL,
  execution_id text NOT NULL,
  attempt integer NOT NULL,
  fence bigint NOT NULL,
  actor text NOT NULL,
  signature_ids text[] NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  wal_lsn pg_lsn NOT NULL DEFAULT pg_current_wal_insert_lsn(),
  server_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  client_at timestamptz NOT NULL,
  tool_version text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ledger_migration_fence ON changecontrol.ledger (migration, fence);
COMMENT ON TABLE changecontrol.ledger IS
  'One row per finished step and per end of an execution. A step''s row commits in the step''s own transaction.';
COMMENT ON COLUMN changecontrol.ledger.id IS 'Order of writing.';
COMMENT ON COLUMN changecontrol.ledger.kind IS
  'began: a step outside a transaction starts. progress: a batch was committed. done: a step is finished. finished: an execution ended. baseline: found already applied at adoption. resolved: a person decided what became of a step.';
COMMENT ON COLUMN changecontrol.ledger.change_code IS 'Change request, such as CR-0042.';
COMMENT ON COLUMN changecontrol.ledger.migration IS 'Number of the migration, such as 2 for 002_add_audit_metadata.';
COMMENT ON COLUMN changecontrol.ledger.migration_name IS 'Name of the migration as its file is called, for readers.';
COMMENT ON COLUMN changecontrol.ledger.direction IS 'forward, or rollback: the script that takes the migration back.';
COMMENT ON COLUMN changecontrol.ledger.step IS 'Step of the script, from 1; null where the row is about the whole execution.';
COMMENT ON COLUMN changecontrol.ledger.steps IS 'How many steps the script has.';
COMMENT ON COLUMN changecontrol.ledger.pass_no IS 'Which run within one execution: staging runs forward, rollback, forward.';
COMMENT ON COLUMN changecontrol.ledger.script_digest IS 'SHA-256 of the scripts, as printed beside the signatures.';
COMMENT ON COLUMN changecontrol.ledger.content_digest IS 'SHA-256 of the signed content: scripts, answers, classification.';
COMMENT ON COLUMN changecontrol.ledger.execution_id IS 'Execution in Change Control.';
COMMENT ON COLUMN changecontrol.ledger.attempt IS 'Attempt within the execution: another worker resumed it.';
COMMENT ON COLUMN changecontrol.ledger.fence IS 'Rises with every execution of the migration; a row with a lower one is refused.';
COMMENT ON COLUMN changecontrol.ledger.actor IS 'Person in whose name the execution ran.';
COMMENT ON COLUMN changecontrol.ledger.signature_ids IS 'Signatures that allowed it.';
COMMENT ON COLUMN changecontrol.ledger.xid IS 'Transaction that wrote this row, together with the step''s own changes.';
COMMENT ON COLUMN changecontrol.ledger.wal_lsn IS 'Position in the write-ahead log when the row was written: a restore point.';
COMMENT ON COLUMN changecontrol.ledger.server_at IS 'Clock of this server when the row was written.';
COMMENT ON COLUMN changecontrol.ledger.client_at IS 'Clock of the worker when it sent the row.';
COMMENT ON COLUMN changecontrol.ledger.tool_version IS 'Version of Change Control that wrote the row.';
COMMENT ON COLUMN changecontrol.ledger.detail IS 'What else is known: digest of the step, last key of a batch, rows, what was left behind.';

CREATE FUNCTION changecontrol.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: what was written stays', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'CC002';
END $$;
COMMENT ON FUNCTION changecontrol.refuse_change() IS 'Refuses UPDATE, DELETE and TRUNCATE.';

CREATE FUNCTION changecontrol.refuse_older() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE newest bigint;
BEGIN
  SELECT max(fence) INTO newest FROM changecontrol.ledger WHERE migration = NEW.migration;
  IF NEW.fence < newest THEN
    RAISE EXCEPTION 'a newer execution owns this target (fence % is below %)', NEW.fence, newest
      USING ERRCODE = 'CC001';
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION changecontrol.refuse_older() IS 'Refuses rows of an execution that a newer one has replaced.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON changecontrol.ledger
  FOR EACH STATEMENT EXECUTE FUNCTION changecontrol.refuse_change();
ALTER TABLE changecontrol.ledger ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER fence BEFORE INSERT ON changecontrol.ledger
  FOR EACH ROW EXECUTE FUNCTION changecontrol.refuse_older();
ALTER TABLE changecontrol.ledger ENABLE ALWAYS TRIGGER fence;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON changecontrol.identity
  FOR EACH STATEMENT EXECUTE FUNCTION changecontrol.refuse_change();
ALTER TABLE changecontrol.identity ENABLE ALWAYS TRIGGER append_only;
"""
