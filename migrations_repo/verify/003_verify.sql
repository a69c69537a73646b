-- =====================================================
-- Verify: 003 - Add tamper detection
-- =====================================================

-- Asked twice, in a session set as different from ours as possible: the answers must not depend on it.

SELECT set_config('TimeZone', 'America/New_York', true), set_config('DateStyle', 'German, DMY', true);

SELECT 'no sign of tampering, seen from New York' AS name,
       NOT EXISTS (SELECT FROM public.audit_problems()) AS ok;

SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, MDY', true);

SELECT 'no sign of tampering, seen from UTC' AS name,
       NOT EXISTS (SELECT FROM public.audit_problems()) AS ok;

SELECT 'every event without a hash is covered by an anchor' AS name,
       (SELECT coalesce(sum(events), 0) FROM public.audit_anchor)
       = (SELECT count(*) FROM public.record_audit WHERE entry_hash IS NULL) AS ok;

SELECT 'the trigger that gives the hash always fires, after the one that numbers the event' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_trigger
            WHERE tgrelid = to_regclass('public.record_audit')
              AND tgname = 'record_audit_20_seal'
              AND tgenabled = 'A'
       ) AS ok;
