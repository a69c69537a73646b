"""The catalog queries behind a fingerprint: one per kind of object, each row (name, definition).

They run with an empty search_path, so that every name in a definition is qualified. `owner(oid)`, `acl(...)` and
`member(class, oid)` are filled in by snapshot.py. OIDs, sizes, statistics and positions never appear.
"""
# ruff: noqa: S608 -- the pieces put together here are constants of this module

from __future__ import annotations

#: Our own schema, the system's and everybody's temporary ones.
_SCHEMAS = (
    "n.nspname NOT IN ('changecontrol', 'pg_catalog', 'information_schema')"
    " AND n.nspname !~ '^pg_(toast|temp)' AND n.nspname !~ '^pg_toast_temp'"
)

#: The migrating role itself reads as one word, so that databases migrated by different roles compare.
_SELF = "(SELECT oid FROM pg_roles WHERE rolname = current_user)"
_OWNER = f"CASE WHEN {{0}} = {_SELF} THEN '@self' ELSE pg_get_userbyid({{0}}) END"


def owner(column: str) -> str:
    """The owner's name."""
    return _OWNER.format(column)


def acl(grants: str, kind: str, owner: str) -> str:
    """Every grant as grantee=privileges, sorted; the default grants written out, so that NULL equals them."""
    grantee = f"CASE x.grantee WHEN 0 THEN 'public' WHEN {_SELF} THEN '@self' ELSE pg_get_userbyid(x.grantee)::text END"
    return (
        f"(SELECT coalesce(string_agg(g, ', ' ORDER BY g COLLATE \"C\"), '') FROM ("
        f"SELECT {grantee} || '=' || string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END,"
        f" '/' ORDER BY x.privilege_type) AS g"
        f" FROM aclexplode(coalesce({grants}, acldefault('{kind}', {owner}))) x GROUP BY x.grantee) grants)"
    )


def _own(catalog: str, oid: str) -> str:
    """Not a part of an extension."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalog}'::regclass"
        f" AND d.objid = {oid} AND d.deptype = 'e')"
    )


_REL = "format('%I.%I', n.nspname, c.relname)"
_RELKIND = (
    "CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN"
    " 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'composite type' WHEN 'S' THEN 'sequence' END"
)

SCHEMAS_SQL = f"""
SELECT format('schema %I', n.nspname), 'owner ' || {owner("n.nspowner")} || '; grants ' ||
  {acl("n.nspacl", "n", "n.nspowner")}
FROM pg_namespace n WHERE {_SCHEMAS} AND {_own("pg_namespace", "n.oid")}
"""

RELATIONS_SQL = f"""
SELECT {_RELKIND} || ' ' || {_REL}, concat_ws('; ',
  'owner ' || {owner("c.relowner")},
  CASE c.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END,
  CASE WHEN c.relkind = 'p' THEN 'partitioned by ' || pg_get_partkeydef(c.oid) END,
  CASE WHEN c.relispartition THEN 'partition ' || pg_get_expr(c.relpartbound, c.oid) END,
  (SELECT 'inherits ' || string_agg(i.inhparent::regclass::text || CASE WHEN i.inhdetachpending THEN ' DETACH PENDING'
     ELSE '' END, ', ' ORDER BY i.inhseqno)
   FROM pg_inherits i WHERE i.inhrelid = c.oid AND c.relkind IN ('r', 'p', 'f')),
  CASE WHEN c.relrowsecurity THEN 'row security on' END,
  CASE WHEN c.relforcerowsecurity THEN 'row security forced' END,
  CASE WHEN c.relreplident <> 'd' AND c.relkind IN ('r', 'p') THEN 'replica identity ' || c.relreplident::text END,
  CASE WHEN c.reloftype <> 0 THEN 'of ' || c.reloftype::regtype END,
  (SELECT 'method ' || amname FROM pg_am WHERE oid = c.relam AND amname <> 'heap'),
  (SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE oid = c.reltablespace),
  'options ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o),
  'toast options ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM pg_class x, unnest(x.reloptions) o
    WHERE x.oid = c.reltoastrelid),
  CASE WHEN c.relkind = 'f' THEN (SELECT concat_ws(' ', 'server', s.srvname, 'with', f.ftoptions::text)
    FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) END,
  CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'not populated' END,
  CASE WHEN c.relkind IN ('v', 'm') THEN 'as ' || pg_get_viewdef(c.oid) END,
  CASE WHEN c.relkind = 'S' THEN (SELECT concat_ws(' ', format_type(s.seqtypid, NULL), 'start', s.seqstart,
    'increment', s.seqincrement, 'min', s.seqmin, 'max', s.seqmax, 'cache', s.seqcache,
    CASE WHEN s.seqcycle THEN 'cycle' END) FROM pg_sequence s WHERE s.seqrelid = c.oid) END,
  CASE WHEN c.relkind = 'S' THEN (SELECT 'owned by ' || d.refobjid::regclass || '.' || a.attname
    FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0) END,
  CASE WHEN c.relkind <> 'c' THEN 'grants ' || CASE WHEN c.relkind = 'S' THEN {acl("c.relacl", "s", "c.relowner")}
    ELSE {acl("c.relacl", "r", "c.relowner")} END END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND {_SCHEMAS} AND {_own("pg_class", "c.oid")}
"""

COLUMNS_SQL = f"""
SELECT format('column %I.%I.%I', n.nspname, c.relname, a.attname), concat_ws(' ',
  format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
  CASE WHEN a.attnotnull THEN 'not null' END,
  CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
  CASE a.attgenerated WHEN 's' THEN 'generated stored' WHEN 'v' THEN 'generated virtual' END,
  'default ' || pg_get_expr(f.adbin, f.adrelid),
  CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
  CASE WHEN a.attcompression <> '' THEN 'compression ' || a.attcompression::text END,
  CASE WHEN coalesce(a.attstattarget, -1) <> -1 THEN 'statistics ' || a.attstattarget END,
  CASE WHEN NOT a.attislocal THEN 'inherited' END,
  'options ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(a.attoptions) o),
  'foreign options ' || a.attfdwoptions::text,
  'grants ' || (SELECT string_agg(g, ', ' ORDER BY g COLLATE "C") FROM (SELECT
     CASE x.grantee WHEN 0 THEN 'public' WHEN {_SELF} THEN '@self'
       ELSE pg_get_userbyid(x.grantee)::text END || '=' || x.privilege_type
       || CASE WHEN x.is_grantable THEN '*' ELSE '' END AS g
     FROM aclexplode(a.attacl) x WHERE a.attacl IS NOT NULL) grants))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
  AND {_SCHEMAS} AND {_own("pg_class", "c.oid")}
"""

#: (table, column names in their order): compared apart, because a column added again goes to the end.
COLUMN_ORDER_SQL = f"""
SELECT {_REL}, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'c') AND {_SCHEMAS}
  AND {_own("pg_class", "c.oid")} GROUP BY 1
"""

CONSTRAINTS_SQL = f"""
SELECT format('constraint %I on %s', k.conname, CASE WHEN k.contypid <> 0 THEN 'domain ' || k.contypid::regtype
  ELSE k.conrelid::regclass::text END), concat_ws(' ', pg_get_constraintdef(k.oid),
  CASE WHEN NOT k.conislocal THEN 'inherited' END, CASE WHEN k.connoinherit AND k.contype = 'c' THEN 'no inherit' END,
  off.states)
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
LEFT JOIN (SELECT tgconstraint, 'TRIGGERS ' || string_agg(tgrelid::regclass || ' ' || CASE tgenabled WHEN 'D' THEN
    'DISABLED' WHEN 'R' THEN 'enabled replica' ELSE 'enabled always' END, ', ' ORDER BY tgrelid, tgtype, tgenabled)
    AS states
  FROM pg_trigger WHERE tgisinternal AND tgconstraint <> 0 AND tgenabled <> 'O' GROUP BY 1) off
  ON off.tgconstraint = k.oid
WHERE k.contype <> 't' AND {_SCHEMAS} AND {_own("pg_constraint", "k.oid")}
  AND (k.conrelid = 0 OR {_own("pg_class", "k.conrelid")})
"""

INDEXES_SQL = f"""
SELECT 'index ' || {_REL}, concat_ws('; ', pg_get_indexdef(c.oid),
  CASE WHEN NOT x.indisvalid THEN 'INVALID' END, CASE WHEN NOT x.indisready THEN 'not ready' END,
  CASE WHEN x.indisclustered THEN 'clustered' END, CASE WHEN x.indisreplident THEN 'replica identity' END,
  (SELECT 'tablespace ' || spcname FROM pg_tablespace WHERE oid = c.reltablespace),
  CASE WHEN c.relispartition THEN (SELECT 'partition of ' || i.inhparent::regclass FROM pg_inherits i
    WHERE i.inhrelid = c.oid) END,
  (SELECT 'statistics ' || string_agg(a.attnum || '=' || a.attstattarget, ', ' ORDER BY a.attnum) FROM pg_attribute a
    WHERE x.indexprs IS NOT NULL AND a.attrelid = c.oid AND coalesce(a.attstattarget, -1) <> -1))
FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_SCHEMAS} AND {_own("pg_class", "x.indrelid")}
"""

TRIGGERS_SQL = f"""
SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass), concat_ws('; ', pg_get_triggerdef(t.oid),
  CASE t.tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'enabled replica' WHEN 'A' THEN 'enabled always' END)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND {_SCHEMAS} AND {_own("pg_trigger", "t.oid")}
"""

RULES_SQL = f"""
SELECT format('rule %I on %s', r.rulename, r.ev_class::regclass), concat_ws('; ', pg_get_ruledef(r.oid),
  CASE r.ev_enabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'enabled replica' WHEN 'A' THEN 'enabled always' END)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND {_SCHEMAS} AND {_own("pg_class", "c.oid")}
"""

POLICIES_SQL = f"""
SELECT format('policy %I on %s', p.polname, p.polrelid::regclass), concat_ws(' ',
  CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
  CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete'
    ELSE 'all' END,
  'to ' || (SELECT string_agg(CASE r WHEN 0 THEN 'public' WHEN {_SELF} THEN '@self'
    ELSE pg_get_userbyid(r)::text END, ', ' ORDER BY r = 0, pg_get_userbyid(r)) FROM unnest(p.polroles) r),
  'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_SCHEMAS}
"""

FUNCTIONS_SQL = f"""
SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END ||
  format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), concat_ws('; ',
  'owner ' || {owner("p.proowner")},
  CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid)
    ELSE (SELECT concat_ws(' ', a.aggkind, a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
            format_type(a.aggtranstype, NULL), a.agginitval, nullif(a.aggsortop, 0)::regoperator, p.proparallel,
            'returns', p.prorettype::regtype, CASE WHEN a.aggfinalextra THEN 'final extra' END,
            'final ' || nullif(a.aggfinalmodify, CASE a.aggkind WHEN 'n' THEN 'r'::"char" ELSE 'w' END)::text,
            'space ' || nullif(a.aggtransspace, 0),
            CASE WHEN a.aggmtransfn <> 0 THEN concat_ws(' ', 'moving', a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn,
              format_type(a.aggmtranstype, NULL), a.aggminitval, a.aggmtransspace, a.aggmfinalextra,
              a.aggmfinalmodify) END)
          FROM pg_aggregate a WHERE a.aggfnoid = p.oid) END,
  'grants ' || {acl("p.proacl", "f", "p.proowner")})
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_SCHEMAS} AND {_own("pg_proc", "p.oid")}
"""

TYPES_SQL = f"""
SELECT CASE t.typtype WHEN 'e' THEN 'enum ' WHEN 'd' THEN 'domain ' WHEN 'r' THEN 'range ' ELSE 'type ' END ||
  format('%I.%I', n.nspname, t.typname), concat_ws('; ', 'owner ' || {owner("t.typowner")},
  (SELECT 'labels ' || string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
   FROM pg_enum e WHERE e.enumtypid = t.oid),
  CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
  CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault,
  CASE WHEN t.typtype = 'd' THEN 'collate ' || nullif(t.typcollation, 0)::regcollation END,
  (SELECT concat_ws(' ', 'subtype', format_type(r.rngsubtype, NULL), r.rngmultitypid::regtype,
      nullif(r.rngcollation, 0)::regcollation, r.rngcanonical, r.rngsubdiff,
      (SELECT o.opcname FROM pg_opclass o WHERE o.oid = r.rngsubopc))
    FROM pg_range r WHERE r.rngtypid = t.oid),
  CASE WHEN t.typtype = 'b' THEN concat_ws(' ', t.typinput, t.typoutput, t.typlen, t.typalign, t.typcategory) END,
  'grants ' || {acl("t.typacl", "T", "t.typowner")})
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE (t.typtype IN ('e', 'd', 'r', 'b', 'p') AND t.typelem = 0 OR t.typtype = 'c' AND EXISTS
    (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')) AND {_SCHEMAS} AND {_own("pg_type", "t.oid")}
  AND NOT (t.typtype = 'b' AND t.typname ~ '^_')
"""

EXTENSIONS_SQL = """
SELECT format('extension %I', e.extname), concat('version ', e.extversion, '; schema ', n.nspname)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
"""

STATISTICS_SQL = f"""
SELECT format('statistics %I.%I', n.nspname, s.stxname), concat_ws('; ', pg_get_statisticsobjdef(s.oid),
  'owner ' || {owner("s.stxowner")}, 'target ' || nullif(coalesce(s.stxstattarget, -1), -1))
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {_SCHEMAS}
"""

DEFAULT_GRANTS_SQL = f"""
SELECT format('default grants of %s on %s%s', {owner("d.defaclrole")}, d.defaclobjtype,
  coalesce(' in ' || n.nspname, '')),
  (SELECT string_agg(CASE x.grantee WHEN 0 THEN 'public' WHEN {_SELF} THEN '@self'
     ELSE pg_get_userbyid(x.grantee)::text END || '=' || x.privilege_type
     || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', '
     ORDER BY x.grantee = 0, pg_get_userbyid(x.grantee), x.privilege_type) FROM aclexplode(d.defaclacl) x)
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE n.oid IS NULL OR ({_SCHEMAS})
"""

EVENT_TRIGGERS_SQL = f"""
SELECT format('event trigger %I', e.evtname), concat_ws('; ', e.evtevent, e.evtfoid::regproc, e.evtenabled,
  'owner ' || {owner("e.evtowner")}, array_to_string(e.evttags, ', '))
FROM pg_event_trigger e WHERE {_own("pg_event_trigger", "e.oid")}
"""

PUBLICATIONS_SQL = f"""
SELECT format('publication %I', p.pubname), concat_ws('; ', 'owner ' || {owner("p.pubowner")},
  CASE WHEN p.puballtables THEN 'all tables' END,
  concat_ws(' ', 'insert ' || p.pubinsert, 'update ' || p.pubupdate, 'delete ' || p.pubdelete, 'truncate ' ||
    p.pubtruncate, CASE WHEN p.pubviaroot THEN 'via root' END, 'generated ' || (to_jsonb(p) ->> 'pubgencols')),
  (SELECT string_agg(concat_ws(' ', r.prrelid::regclass, (SELECT '(' || string_agg(a.attname, ', ' ORDER BY a.attname)
       || ')' FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])),
     'where ' || pg_get_expr(r.prqual, r.prrelid)), ', ' ORDER BY r.prrelid::regclass::text)
   FROM pg_publication_rel r WHERE r.prpubid = p.oid),
  (SELECT 'schemas ' || string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid::regnamespace::text)
   FROM pg_publication_namespace s WHERE s.pnpubid = p.oid))
FROM pg_publication p
"""

#: That they are there: options are only shown to superusers and to the user itself.
USER_MAPPINGS_SQL = """
SELECT format('user mapping of %s on server %I', CASE usename WHEN current_user THEN '@self' ELSE usename END, srvname),
  '' FROM pg_user_mappings
"""

#: Kinds that seldom occur: that they are there, who owns them, and what is easily said of them.
OTHERS_SQL = f"""
SELECT i.type || ' ' || i.identity, concat_ws('; ', 'owner ' || {_OWNER.format("o.owner")}, o.said)
FROM (
  SELECT 'pg_operator'::regclass AS class, oid, oprowner AS owner, concat_ws(' ', oprcode, oprcom::regoperator,
    oprnegate::regoperator, oprrest, oprjoin, oprcanmerge, oprcanhash) AS said FROM pg_operator
  UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner, concat_ws(' ', opcintype::regtype, opcdefault) FROM pg_opclass
  UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner, (SELECT string_agg(said, ', ' ORDER BY said COLLATE "C")
    FROM (SELECT concat_ws(' ', amopstrategy, amopopr::regoperator, nullif(amopsortfamily, 0)) AS said FROM pg_amop
        WHERE amopfamily = f.oid
      UNION ALL SELECT concat_ws(' ', 'support', amprocnum, amproclefttype::regtype, amprocrighttype::regtype,
        amproc::regprocedure) FROM pg_amproc WHERE amprocfamily = f.oid) members) FROM pg_opfamily f
  UNION ALL SELECT 'pg_cast'::regclass, oid, NULL, concat_ws(' ', castfunc::regprocedure, castcontext, castmethod)
    FROM pg_cast
  UNION ALL SELECT 'pg_collation'::regclass, oid, collowner,
    concat_ws(' ', collprovider, collisdeterministic, collcollate, collctype) FROM pg_collation
  UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner, concat_ws(' ', conproc, condefault) FROM pg_conversion
  UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner, (SELECT string_agg(m.maptokentype || ':' ||
    m.mapdict::regdictionary, ', ' ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = c.oid)
    FROM pg_ts_config c
  UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner, dictinitoption FROM pg_ts_dict
  UNION ALL SELECT 'pg_ts_parser'::regclass, oid, NULL, NULL FROM pg_ts_parser
  UNION ALL SELECT 'pg_ts_template'::regclass, oid, NULL, NULL FROM pg_ts_template
  UNION ALL SELECT 'pg_language'::regclass, oid, lanowner, concat_ws(' ', lanpltrusted, 'grants', (
    {acl("lanacl", "l", "lanowner")})) FROM pg_language
  UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, fdwowner, concat_ws(' ', fdwoptions::text, 'grants', (
    {acl("fdwacl", "F", "fdwowner")})) FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner, concat_ws(' ', srvtype, srvversion, srvoptions::text,
    'grants', ({acl("srvacl", "S", "srvowner")})) FROM pg_foreign_server
  UNION ALL SELECT 'pg_am'::regclass, oid, NULL, amhandler::text FROM pg_am
  UNION ALL SELECT 'pg_transform'::regclass, oid, NULL, NULL FROM pg_transform
) o, LATERAL pg_identify_object(o.class, o.oid, 0) i
WHERE o.oid >= 16384 AND coalesce(i.schema, '') <> 'changecontrol'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.class AND e.objid = o.oid AND e.deptype = 'e')
"""

#: What ALTER DATABASE ... SET and ALTER ROLE ... IN DATABASE ... SET keep for this database.
SETTINGS_SQL = f"""
SELECT 'settings of ' || CASE WHEN s.setrole = 0 THEN 'the database' ELSE {_OWNER.format("s.setrole")} || ' here' END,
  (SELECT string_agg(c, ', ' ORDER BY c) FROM unnest(s.setconfig) c)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
"""

#: Objects below OID 16384 were made by initdb and carry its comments; schema public belongs to the database.
COMMENTS_SQL = """
SELECT format('comment on %s %s', i.type, i.identity), d.description
FROM pg_description d, LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
WHERE (d.objoid >= 16384 OR (d.classoid = 'pg_namespace'::regclass
    AND d.objoid = (SELECT oid FROM pg_namespace WHERE nspname = 'public')))
  AND i.identity IS NOT NULL AND i.type <> 'extension'
  AND coalesce(i.schema, '') NOT IN ('changecontrol', 'pg_catalog', 'information_schema')
  AND i.identity NOT LIKE 'changecontrol.%' AND i.identity NOT LIKE '% on changecontrol.%'
  AND i.identity <> 'changecontrol'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
"""

QUERIES = (
    SCHEMAS_SQL,
    RELATIONS_SQL,
    COLUMNS_SQL,
    CONSTRAINTS_SQL,
    INDEXES_SQL,
    TRIGGERS_SQL,
    RULES_SQL,
    POLICIES_SQL,
    FUNCTIONS_SQL,
    TYPES_SQL,
    EXTENSIONS_SQL,
    STATISTICS_SQL,
    DEFAULT_GRANTS_SQL,
    EVENT_TRIGGERS_SQL,
    PUBLICATIONS_SQL,
    USER_MAPPINGS_SQL,
    OTHERS_SQL,
    SETTINGS_SQL,
    COMMENTS_SQL,
)
