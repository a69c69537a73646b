-- Standing check: no table of records ever holds fewer rows than at the reading before.
-- value is the count now; must_not_fall asks Change Control to compare it with the reading before.
-- Holds at every migration: a table that does not exist yet has no count. Why ts_stat: see audit_chain.sql.

WITH answered AS (
    SELECT t.name,
           CASE WHEN to_regclass('public.' || t.name) IS NOT NULL THEN (
               SELECT word::bigint
                 FROM ts_stat(format('SELECT array_to_tsvector(ARRAY[count(*)::text]) FROM public.%I', t.name))
           ) END AS rows
      FROM unnest(ARRAY['sites', 'participants', 'assignments', 'record_audit', 'record_state']) AS t (name)
)
SELECT 'rows in ' || name AS name,
       true AS ok,
       CASE WHEN rows IS NULL THEN 'The table does not exist yet.' ELSE format('%s rows.', rows) END AS detail,
       rows AS value,
       true AS must_not_fall
  FROM answered
 ORDER BY name;
