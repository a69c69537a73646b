-- What the application may not do, said once more in PostgreSQL. Run as owner; $app is the app role or empty.
CREATE FUNCTION require_actor() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  IF coalesce(current_setting('changecontrol.actor', true), '') = '' THEN
    RAISE EXCEPTION 'no actor: % on % happens outside acting()', TG_OP, TG_TABLE_NAME USING ERRCODE = '42501';
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION require_actor() IS 'Refuses a write that names nobody (21 CFR 11.10(e)).';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '42501';
END $$;
COMMENT ON FUNCTION refuse_change() IS 'Refuses UPDATE, DELETE and TRUNCATE of rows that must stay as they were written.';

CREATE FUNCTION legal_status() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'draft' THEN
      RAISE EXCEPTION 'a change starts as draft, not as %', NEW.status USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.code <> OLD.code OR NEW.number <> OLD.number OR NEW.migration_number <> OLD.migration_number THEN
    RAISE EXCEPTION 'code and migration of % never change', OLD.code USING ERRCODE = '23514';
  END IF;
  IF NEW.version < OLD.version THEN
    RAISE EXCEPTION 'the version of % only grows', OLD.code USING ERRCODE = '23514';
  END IF;
  IF NEW.status <> OLD.status THEN
    IF NOT EXISTS (SELECT 1 FROM legal_move WHERE before = OLD.status AND after = NEW.status
                   AND move = current_setting('changecontrol.move', true)) THEN
      RAISE EXCEPTION '% cannot go from % to % by %', OLD.code, OLD.status, NEW.status,
        coalesce(nullif(current_setting('changecontrol.move', true), ''), 'no move') USING ERRCODE = '23514';
    END IF;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION legal_status() IS 'Refuses a change of status that legal_move does not hold.';

CREATE FUNCTION legal_state() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'queued' OR NEW.effect <> 'none' THEN
      RAISE EXCEPTION 'an execution starts queued, with no effect' USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.change_id <> OLD.change_id OR NEW.target_id <> OLD.target_id OR NEW.revision_id <> OLD.revision_id
     OR NEW.content_digest <> OLD.content_digest OR NEW.uuid <> OLD.uuid THEN
    RAISE EXCEPTION 'what % runs, and where, never changes', OLD.code USING ERRCODE = '23514';
  END IF;
  IF NEW.fence < OLD.fence THEN
    RAISE EXCEPTION 'the fencing token of % only grows', OLD.code USING ERRCODE = '23514';
  END IF;
  IF NEW.state <> OLD.state AND NOT (OLD.state, NEW.state) IN (
       ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'failed'), ('running', 'succeeded'),
       ('running', 'failed'), ('running', 'lost'), ('lost', 'failed'), ('lost', 'succeeded')) THEN
    RAISE EXCEPTION '% cannot go from % to %', OLD.code, OLD.state, NEW.state USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION legal_state() IS 'Refuses an illegal change of an execution''s state.';

-- Incompatible duties on one change (21 CFR 11.10(g)); the same rule as rules/signing.py, without exemption.
CREATE FUNCTION separate_duties() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE pairwise CONSTANT text[] := ARRAY['technical review', 'compliance review', 'staging acceptance',
                                          'production authorization'];
BEGIN
  IF NEW.change_id IS NULL THEN RETURN NEW; END IF;
  -- two signatures of one person at the same instant must see each other
  PERFORM 1 FROM change_request WHERE id = NEW.change_id FOR NO KEY UPDATE;
  IF NEW.meaning = 'authorship' THEN
    IF NOT EXISTS (SELECT 1 FROM change_author WHERE change_id = NEW.change_id AND person_id = NEW.signer_id) THEN
      RAISE EXCEPTION 'only an author signs authorship' USING ERRCODE = '23514';
    END IF;
  ELSIF EXISTS (SELECT 1 FROM change_author WHERE change_id = NEW.change_id AND person_id = NEW.signer_id) THEN
    RAISE EXCEPTION 'an author signs nothing but authorship' USING ERRCODE = '23514';
  END IF;
  IF NEW.meaning = ANY (pairwise) AND EXISTS (
       SELECT 1 FROM signature WHERE change_id = NEW.change_id AND signer_id = NEW.signer_id
         AND meaning = ANY (pairwise) AND meaning <> NEW.meaning) THEN
    RAISE EXCEPTION 'one person gives only one of these meanings on a change' USING ERRCODE = '23514';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM change_request WHERE id = NEW.change_id
                 AND (content_digest = NEW.content_digest OR NEW.meaning IN ('rejection', 'send back')
                      -- what became of a lost run on development is stated while nothing is submitted yet
                      OR (NEW.meaning = 'resolution' AND content_digest = ''))) THEN
    RAISE EXCEPTION 'a signature names the current content' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION separate_duties() IS 'Refuses signatures that separation of duties forbids.';

-- An author of a change cannot become its signer's second self: a signer never becomes an author afterwards.
CREATE FUNCTION signer_is_no_author() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM 1 FROM change_request WHERE id = NEW.change_id FOR NO KEY UPDATE;
  IF EXISTS (SELECT 1 FROM signature WHERE change_id = NEW.change_id AND signer_id = NEW.person_id
             AND meaning NOT IN ('authorship', 'rejection', 'send back')) THEN
    RAISE EXCEPTION 'a signer of a change cannot become its author' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION signer_is_no_author() IS 'Refuses an author who already signed, unless it was a rejection or a sending back.';
