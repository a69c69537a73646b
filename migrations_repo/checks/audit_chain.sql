-- Standing check: no event of the audit trail was changed, added or removed after it was stored.
-- Holds at every migration: before 003 there are no hashes, and the check says so. A query that names a missing
-- function could not even be prepared, so the question is handed over as text: ts_stat is the one function of core
-- PostgreSQL, in every build, that runs a query given as text; the answers come back as its words.

WITH asked AS (
    SELECT to_regprocedure('public.audit_problems()') IS NOT NULL AS there
), answered AS (
    SELECT there,
           CASE WHEN there THEN (
               SELECT word::bigint
                 FROM ts_stat('SELECT array_to_tsvector(ARRAY[count(*)::text]) FROM public.audit_problems()')
           ) END AS problems,
           CASE WHEN there THEN (
               SELECT word
                 FROM ts_stat('SELECT array_to_tsvector(ARRAY[coalesce(min(audit_id)::text, ''unknown'')])
                                 FROM public.audit_problems()')
           ) END AS first_event
      FROM asked
)
SELECT 'audit chain' AS name,
       NOT there OR problems = 0 AS ok,
       CASE
           WHEN NOT there THEN 'Tamper detection (003) is not installed yet.'
           WHEN problems = 0 THEN 'No sign of tampering.'
           ELSE format('%s signs of tampering; the first concerns event %s. SELECT * FROM audit_problems() lists them.',
                       problems, first_event)
       END AS detail,
       problems AS value,
       false AS must_not_fall
  FROM answered;
