-- Standing check: row-level security is on for every table that holds records, and each has a policy.
-- Holds at every migration: a table that does not exist yet is reported as such.

SELECT 'row-level security on ' || t.name AS name,
       c.oid IS NULL OR (c.relrowsecurity AND p.policies > 0) AS ok,
       CASE
           WHEN c.oid IS NULL THEN 'The table does not exist yet.'
           WHEN NOT c.relrowsecurity THEN 'Row-level security is switched off: every reader sees every row.'
           WHEN p.policies = 0 THEN 'No policy is left: nobody but the owner sees a row.'
           ELSE format('On, with %s policies.', p.policies)
       END AS detail,
       p.policies AS value,
       false AS must_not_fall
  FROM unnest(ARRAY['sites', 'participants', 'assignments', 'record_audit', 'record_state', 'audit_anchor',
                    'site_places']) AS t (name)
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = to_regclass('public.' || t.name)
 CROSS JOIN LATERAL (
       SELECT count(*) AS policies FROM pg_catalog.pg_policy WHERE polrelid = c.oid
 ) AS p
 ORDER BY t.name;
