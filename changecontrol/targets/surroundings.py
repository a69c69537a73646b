"""What a script can change beside the schema of its database: rights on the database, on the system's own objects and
on members of extensions; large objects; roles, which belong to the whole cluster.

Only a rehearsal compares it, before and after: on a target it is others' business and no part of the fingerprint.
"""
# ruff: noqa: S608 -- the pieces put together here are constants of these modules

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg

from changecontrol.targets import catalog_sql

_ROLES_SQL = """
SELECT format('role %%I', r.rolname), concat_ws(' ',
  CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN NOT r.rolinherit THEN 'noinherit' END,
  CASE WHEN r.rolcreaterole THEN 'createrole' END, CASE WHEN r.rolcreatedb THEN 'createdb' END,
  CASE WHEN r.rolcanlogin THEN 'login' END, CASE WHEN r.rolreplication THEN 'replication' END,
  CASE WHEN r.rolbypassrls THEN 'bypassrls' END, CASE WHEN r.rolconnlimit <> -1 THEN 'limit ' || r.rolconnlimit END,
  'valid until ' || r.rolvaliduntil,
  'settings ' || (SELECT string_agg(s, ', ' ORDER BY s) FROM pg_db_role_setting d, unnest(d.setconfig) s
    WHERE d.setrole = r.oid),
  'member of ' || (SELECT string_agg(concat(g.rolname, CASE WHEN m.admin_option THEN ' with admin' END,
      CASE to_jsonb(m) ->> 'inherit_option' WHEN 'false' THEN ' without inherit' END,
      CASE to_jsonb(m) ->> 'set_option' WHEN 'false' THEN ' without set' END), ', ' ORDER BY g.rolname)
    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid))
FROM pg_roles r WHERE r.rolname = ANY (%s)
"""

_DATABASE_SQL = f"""
SELECT 'database', concat_ws('; ', 'owner ' || {catalog_sql.owner("d.datdba")},
  'grants ' || {catalog_sql.acl("d.datacl", "d", "d.datdba")}, 'comment ' || CASE WHEN c.description !~ '^Sandbox of '
    THEN c.description END,
  CASE WHEN NOT d.datallowconn THEN 'no connections' END, 'limit ' || nullif(d.datconnlimit, -1))
FROM pg_database d LEFT JOIN pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass
WHERE d.datname = current_database()
UNION ALL
SELECT 'large objects', count(*) || ', the last ' || max(oid) FROM pg_largeobject_metadata HAVING count(*) > 0
"""


def _lent(catalog: str, acl: str, owner: str, kind: str, where: str = "true") -> str:
    """Grants on what a script did not make, as far as they are not those it came with."""
    now, then = (catalog_sql.acl(text, kind, f"o.{owner}") for text in (f"o.{acl}", "p.initprivs"))
    return f"""
SELECT 'grants on ' || i.type || ' ' || i.identity, {now}
FROM {catalog} o
LEFT JOIN pg_init_privs p ON p.classoid = '{catalog}'::regclass AND p.objoid = o.oid AND p.objsubid = 0,
  LATERAL pg_identify_object('{catalog}'::regclass, o.oid, 0) i
WHERE o.{acl} IS DISTINCT FROM p.initprivs AND {where} AND (o.oid < 16384 OR EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = '{catalog}'::regclass AND d.objid = o.oid AND d.deptype = 'e'))
  AND {now} <> {then}"""


_LENT_SQL = "\nUNION ALL".join(
    (
        _lent("pg_proc", "proacl", "proowner", "f"),
        _lent("pg_class", "relacl", "relowner", "r", "o.relkind <> 'S'"),
        _lent("pg_class", "relacl", "relowner", "s", "o.relkind = 'S'"),
        _lent("pg_type", "typacl", "typowner", "T"),
        _lent("pg_language", "lanacl", "lanowner", "l"),
        _lent("pg_namespace", "nspacl", "nspowner", "n", "o.nspname <> 'public'"),
    )
)


def read(conn: psycopg.Connection[Any], roles: Collection[str]) -> dict[str, str]:
    """Name to definition, as in a Catalog. Of the roles only these are looked at."""
    found = dict(conn.execute((_DATABASE_SQL + "UNION ALL" + _LENT_SQL).encode()).fetchall())
    if roles:
        found |= dict(conn.execute(_ROLES_SQL, (list(roles),)).fetchall())
    return {name: said or "" for name, said in found.items()}
