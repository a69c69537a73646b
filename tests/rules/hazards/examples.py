"""For every static rule: statements it must find, and their harmless neighbors it must leave alone."""
# ruff: noqa: E501 -- one example a line

from __future__ import annotations

NEW = "CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY, x int); "
LONG = "x" * 64

# fmt: off
EXAMPLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "add-column-rewrites": (
        ("ALTER TABLE t ADD c uuid DEFAULT gen_random_uuid()", "ALTER TABLE t ADD c bigserial", "ALTER TABLE t ADD c int GENERATED ALWAYS AS IDENTITY", "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) STORED", "ALTER TABLE t ADD c float DEFAULT 1 + random()"),
        ("ALTER TABLE t ADD c timestamptz DEFAULT now()", "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) VIRTUAL", NEW + "ALTER TABLE n ADD c serial", "ALTER TABLE t ADD c int DEFAULT 5"),
    ),
    "add-column-required": (
        ("ALTER TABLE t ADD c int NOT NULL",),
        ("ALTER TABLE t ADD c int NOT NULL DEFAULT 1", "ALTER TABLE t ADD c serial NOT NULL", NEW + "ALTER TABLE n ADD c int NOT NULL"),
    ),
    "add-column-check": (
        ("ALTER TABLE t ADD c int CHECK (c > 0)",),
        ("ALTER TABLE t ADD c int", NEW + "ALTER TABLE n ADD c int CHECK (c > 0)"),
    ),
    "add-column-references": (
        ("ALTER TABLE t ADD c bigint REFERENCES parent (id)",),
        ("ALTER TABLE t ADD c bigint", NEW + "ALTER TABLE n ADD c bigint REFERENCES parent (id)", NEW + "ALTER TABLE t ADD c bigint REFERENCES n (id)"),
    ),
    "add-column-unique": (
        ("ALTER TABLE t ADD c text UNIQUE", "ALTER TABLE t ADD c bigint PRIMARY KEY"),
        (NEW + "ALTER TABLE n ADD c text UNIQUE",),
    ),
    "json-column": (
        ("ALTER TABLE t ADD c json", "CREATE TABLE n (id bigint PRIMARY KEY, doc json)", "ALTER TABLE t ALTER c TYPE json"),
        ("ALTER TABLE t ADD c jsonb",),
    ),
    "drop-column": (
        ("ALTER TABLE s.t DROP COLUMN c", 'ALTER TABLE t DROP "C"'),
        (NEW + "ALTER TABLE n DROP c", "ALTER TABLE t ADD c int; ALTER TABLE t DROP c"),
    ),
    "drop-default": (
        ("ALTER TABLE t ALTER c DROP DEFAULT",),
        ("ALTER TABLE t ALTER c SET DEFAULT 1", NEW + "ALTER TABLE n ALTER x DROP DEFAULT"),
    ),
    "drop-generation": (
        ("ALTER TABLE t ALTER c DROP IDENTITY", "ALTER TABLE t ALTER c DROP EXPRESSION"),
        ("ALTER TABLE t ALTER c SET STATISTICS 5",),
    ),
    "set-expression": (
        ("ALTER TABLE t ALTER c SET EXPRESSION AS (a + 2)",),
        ("ALTER TABLE t ALTER c SET STORAGE EXTERNAL",),
    ),
    "set-not-null": (
        ("ALTER TABLE t ALTER c SET NOT NULL", "ALTER TABLE t ADD CONSTRAINT nn NOT NULL c"),
        ("BEGIN; ALTER TABLE t ADD CONSTRAINT p CHECK (c IS NOT NULL) NOT VALID; COMMIT; BEGIN; ALTER TABLE t VALIDATE CONSTRAINT p; COMMIT; ALTER TABLE t ALTER c SET NOT NULL", "ALTER TABLE t ADD CONSTRAINT nn NOT NULL c NOT VALID", NEW + "ALTER TABLE n ALTER x SET NOT NULL"),
    ),
    "drop-not-null": (
        ("ALTER TABLE t ALTER c DROP NOT NULL",),
        (NEW + "ALTER TABLE n ALTER x DROP NOT NULL",),
    ),
    "hashed-column-default": (
        ("ALTER TABLE record_audit ALTER data SET DEFAULT '{}'", "ALTER TABLE t ADD entry_hash bytea DEFAULT '\\x00'"),
        ("ALTER TABLE record_audit ALTER note SET DEFAULT ''", "ALTER TABLE t ADD entry_hash bytea"),
    ),
    "restart-identity": (
        ("ALTER TABLE t ALTER id RESTART WITH 5", "ALTER TABLE t ALTER id SET INCREMENT 2"),
        ("ALTER TABLE t ALTER id SET STATISTICS 5",),
    ),
    "change-type": (
        ("ALTER TABLE t ALTER c TYPE bigint", 'ALTER TABLE s."T" ALTER "C" SET DATA TYPE varchar(5)'),
        (NEW + "ALTER TABLE n ALTER x TYPE bigint",),
    ),
    "change-type-using": (
        ("ALTER TABLE t ALTER c TYPE int USING c::int",),
        ("ALTER TABLE t ALTER c TYPE int",),
    ),
    "add-check": (
        ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)", "ALTER TABLE t ADD CHECK (a > 0)"),
        ("ALTER TABLE t ADD CHECK (a > 0) NOT VALID", NEW + "ALTER TABLE n ADD CHECK (x > 0)"),
    ),
    "add-foreign-key": (
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id)",),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id) NOT VALID", NEW + "ALTER TABLE n ADD FOREIGN KEY (x) REFERENCES p (id)"),
    ),
    "foreign-key-without-index": (
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id) NOT VALID", "CREATE TABLE n (id bigint PRIMARY KEY, p bigint REFERENCES p (id))"),
        ("CREATE INDEX CONCURRENTLY i ON t (a, b); ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id) NOT VALID", "CREATE TABLE n (id bigint PRIMARY KEY REFERENCES p (id))", "CREATE TABLE n (id bigint PRIMARY KEY, p bigint REFERENCES p (id)); CREATE INDEX ON n (p)"),
    ),
    "add-unique": (
        ("ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)", "ALTER TABLE t ADD PRIMARY KEY (a)"),
        ("ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i",),
    ),
    "add-exclusion": (
        ("ALTER TABLE t ADD EXCLUDE USING gist (a WITH &&)",),
        (NEW + "ALTER TABLE n ADD EXCLUDE USING btree (x WITH =)",),
    ),
    "primary-key-scan": (
        ("ALTER TABLE t ADD PRIMARY KEY USING INDEX i",),
        ("ALTER TABLE t ADD UNIQUE USING INDEX i",),
    ),
    "drop-constraint": (
        ("ALTER TABLE t DROP CONSTRAINT k", "ALTER TABLE t DROP CONSTRAINT IF EXISTS k CASCADE"),
        ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; ALTER TABLE t DROP CONSTRAINT k",),
    ),
    "constraint-not-enforced": (
        ("ALTER TABLE t ALTER CONSTRAINT k NOT ENFORCED", "ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED"),
        ("ALTER TABLE t ALTER CONSTRAINT k DEFERRABLE",),
    ),
    "validate-together": (
        ("BEGIN; ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT k; COMMIT",),
        ("BEGIN; ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; COMMIT; BEGIN; ALTER TABLE t VALIDATE CONSTRAINT k; COMMIT",),
    ),
    "create-index": (
        ("CREATE INDEX i ON t (a)", 'CREATE UNIQUE INDEX ON s."T" (lower("A"))'),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX i ON ONLY t (a)", NEW + "CREATE INDEX i ON n (x)"),
    ),
    "index-if-not-exists": (
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",),
        ("CREATE INDEX CONCURRENTLY i ON t (a)",),
    ),
    "index-concurrently-partitioned": (
        (),
        ("CREATE INDEX CONCURRENTLY i ON t (a)",),
    ),
    "drop-index": (
        ("DROP INDEX i", "DROP INDEX IF EXISTS s.i"),
        ("DROP INDEX CONCURRENTLY i", NEW + "CREATE INDEX i ON n (x); DROP INDEX i"),
    ),
    "reindex": (
        ("REINDEX TABLE t", "REINDEX INDEX i"),
        ("REINDEX TABLE CONCURRENTLY t",),
    ),
    "cluster": (
        ("CLUSTER t USING i",),
        (NEW + "CLUSTER n USING n_pkey",),
    ),
    "drop-table": (
        ("DROP TABLE t", "DROP TABLE IF EXISTS s.a, s.b CASCADE"),
        (NEW + "DROP TABLE n",),
    ),
    "drop-protected-table": (
        ("DROP TABLE public.record_audit",),
        ("DROP TABLE other",),
    ),
    "drop-view": (
        ("DROP VIEW v", "DROP MATERIALIZED VIEW v"),
        ("CREATE VIEW v AS SELECT 1; DROP VIEW v",),
    ),
    "drop-function": (
        ("DROP FUNCTION f(int)", "DROP PROCEDURE p"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'; DROP FUNCTION f()",),
    ),
    "drop-sequence": (
        ("DROP SEQUENCE q",),
        ("CREATE SEQUENCE q; DROP SEQUENCE q",),
    ),
    "drop-type": (
        ("DROP TYPE e", "DROP DOMAIN d"),
        ("CREATE TYPE e AS ENUM ('a'); DROP TYPE e",),
    ),
    "drop-schema": (
        ("DROP SCHEMA s CASCADE",),
        ("CREATE SCHEMA s; DROP SCHEMA s",),
    ),
    "drop-extension": (
        ("DROP EXTENSION citext",),
        ("CREATE EXTENSION citext",),
    ),
    "drop-object": (
        ("DROP STATISTICS s", "DROP COLLATION c"),
        ("CREATE STATISTICS s ON a, b FROM t",),
    ),
    "drop-owned": (
        ("DROP OWNED BY app",),
        ("REASSIGN OWNED BY app TO other",),
    ),
    "truncate": (
        ("TRUNCATE t", "TRUNCATE TABLE s.a, b RESTART IDENTITY CASCADE"),
        (NEW + "TRUNCATE n",),
    ),
    "rename-table": (
        ("ALTER TABLE t RENAME TO u",),
        (NEW + "ALTER TABLE n RENAME TO m",),
    ),
    "rename-column": (
        ("ALTER TABLE t RENAME COLUMN a TO b", "ALTER TABLE t RENAME a TO b"),
        (NEW + "ALTER TABLE n RENAME x TO y", "ALTER TABLE t ADD a int; ALTER TABLE t RENAME a TO b"),
    ),
    "rename": (
        ("ALTER VIEW v RENAME TO w", "ALTER FUNCTION f() RENAME TO g", "ALTER SCHEMA s RENAME TO z", "ALTER TYPE e RENAME TO f"),
        ("CREATE VIEW v AS SELECT 1; ALTER VIEW v RENAME TO w",),
    ),
    "rename-detail": (
        ("ALTER TABLE t RENAME CONSTRAINT a TO b", "ALTER INDEX i RENAME TO j", "ALTER TRIGGER a ON t RENAME TO b"),
        (NEW + "ALTER TABLE n RENAME CONSTRAINT n_pkey TO k",),
    ),
    "set-schema": (
        ("ALTER TABLE t SET SCHEMA s",),
        (NEW + "ALTER TABLE n SET SCHEMA s",),
    ),
    "disable-row-security": (
        ("ALTER TABLE t DISABLE ROW LEVEL SECURITY", "ALTER TABLE t NO FORCE ROW LEVEL SECURITY"),
        (NEW + "ALTER TABLE n DISABLE ROW LEVEL SECURITY",),
    ),
    "enable-row-security": (
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ALTER TABLE t FORCE ROW LEVEL SECURITY"),
        (NEW + "ALTER TABLE n ENABLE ROW LEVEL SECURITY",),
    ),
    "drop-policy": (
        ("DROP POLICY p ON s.t",),
        ("CREATE POLICY p ON t USING (true); DROP POLICY p ON t",),
    ),
    "alter-policy": (
        ("ALTER POLICY p ON t USING (true)",),
        (NEW + "CREATE POLICY p ON n; ALTER POLICY p ON n USING (true)",),
    ),
    "create-policy": (
        ("CREATE POLICY p ON t USING (true)",),
        (NEW + "CREATE POLICY p ON n",),
    ),
    "grant-to-public": (
        ("GRANT SELECT ON t TO PUBLIC", "GRANT ALL ON SCHEMA s TO app, PUBLIC", "GRANT EXECUTE ON FUNCTION f(int) TO PUBLIC", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC"),
        ("GRANT SELECT ON t TO app", "REVOKE SELECT ON t FROM PUBLIC"),
    ),
    "security-definer-path": (
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'select 1'", "ALTER FUNCTION f() SECURITY DEFINER", "ALTER FUNCTION f() RESET ALL"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'select 1'", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'"),
    ),
    "change-owner": (
        ("ALTER TABLE t OWNER TO app", "ALTER FUNCTION f() OWNER TO app"),
        ("GRANT SELECT ON t TO app",),
    ),
    "role-past-security": (
        ("CREATE ROLE r SUPERUSER", "ALTER ROLE r BYPASSRLS"),
        ("CREATE ROLE r LOGIN", "ALTER ROLE r NOSUPERUSER"),
    ),
    "disable-trigger": (
        ("ALTER TABLE t DISABLE TRIGGER g", "ALTER TABLE t DISABLE TRIGGER ALL", "ALTER TABLE t DISABLE TRIGGER USER", "ALTER TABLE t ENABLE REPLICA TRIGGER g"),
        ("ALTER TABLE t ENABLE ALWAYS TRIGGER g", NEW + "ALTER TABLE n DISABLE TRIGGER ALL"),
    ),
    "disable-rule": (
        ("ALTER TABLE t DISABLE RULE r", "ALTER TABLE t ENABLE REPLICA RULE r"),
        ("ALTER TABLE t ENABLE ALWAYS RULE r",),
    ),
    "drop-trigger": (
        ("DROP TRIGGER g ON s.t",),
        ("CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f(); DROP TRIGGER g ON t",),
    ),
    "drop-protected-trigger": (
        ("DROP TRIGGER g ON record_audit",),
        ("DROP TRIGGER g ON t",),
    ),
    "drop-rule": (
        ("DROP RULE r ON t",),
        ("CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING; DROP RULE r ON t",),
    ),
    "create-trigger": (
        ("CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()", "CREATE OR REPLACE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()"),
        (NEW + "CREATE TRIGGER g BEFORE UPDATE ON n FOR EACH ROW EXECUTE FUNCTION f()",),
    ),
    "create-rule": (
        ("CREATE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING",),
        (NEW + "CREATE RULE r AS ON UPDATE TO n DO INSTEAD NOTHING",),
    ),
    "enable-trigger": (
        ("ALTER TABLE t ENABLE TRIGGER g",),
        ("ALTER TABLE t ENABLE ALWAYS TRIGGER g",),
    ),
    "event-trigger": (
        ("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()", "ALTER EVENT TRIGGER e DISABLE", "DROP EVENT TRIGGER e"),
        ("CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'begin end'",),
    ),
    "replication-role": (
        ("SET session_replication_role = replica", "SET LOCAL session_replication_role TO 'replica'", "SELECT set_config('session_replication_role', 'replica', true)", "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET session_replication_role = replica AS 'select 1'"),
        ("SET session_replication_role = origin", "RESET session_replication_role"),
    ),
    "row-security-setting": (
        ("SET row_security = off",),
        ("SET row_security = on",),
    ),
    "guarded-setting": (
        ("SET synchronous_commit = off", "SET LOCAL zero_damaged_pages = on"),
        ("SET LOCAL work_mem = '64MB'",),
    ),
    "lock-table": (
        ("BEGIN; LOCK TABLE t; COMMIT", "BEGIN; LOCK TABLE s.t IN SHARE ROW EXCLUSIVE MODE NOWAIT; COMMIT"),
        ("BEGIN; " + NEW + "LOCK TABLE n; COMMIT",),
    ),
    "update-all": (
        ("UPDATE t SET a = 1", "WITH u AS (UPDATE s.t SET a = 1 RETURNING 1) SELECT count(*) FROM u"),
        (NEW + "UPDATE n SET x = 1", "UPDATE t SET a = 1 WHERE id = 3", '-- changecontrol: batch key=id size=1000\nUPDATE t SET a = 1 WHERE a IS NULL'),
    ),
    "update-many": (
        ("UPDATE t SET a = 1 WHERE b > 3", "DELETE FROM t WHERE b IS NULL"),
        ("UPDATE t SET a = 1 WHERE id = 3", "DELETE FROM t WHERE id IN (1, 2)"),
    ),
    "delete-all": (
        ("DELETE FROM t",),
        (NEW + "DELETE FROM n", "DELETE FROM t WHERE id = 1"),
    ),
    "insert-select": (
        ("INSERT INTO t SELECT * FROM u", "INSERT INTO t SELECT g FROM generate_series(1, 9) g"),
        ("INSERT INTO t VALUES (1)", NEW + "INSERT INTO n SELECT id, 1 FROM u", "INSERT INTO t SELECT * FROM u LIMIT 10"),
    ),
    "backfill-in-one-transaction": (
        ("DO $$ BEGIN LOOP UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t WHERE a IS NULL LIMIT 9); EXIT WHEN NOT FOUND; END LOOP; END $$",),
        ("DO $$ BEGIN UPDATE t SET a = 1 WHERE id = 3; END $$",),
    ),
    "protected-rows": (
        ("UPDATE record_audit SET note = '' WHERE id = 1", "DELETE FROM public.record_audit WHERE id = 1", "INSERT INTO record_audit VALUES (1) ON CONFLICT (id) DO UPDATE SET note = ''"),
        ("INSERT INTO record_audit VALUES (1)", "UPDATE t SET a = 1 WHERE id = 1"),
    ),
    "hashed-column-written": (
        ("UPDATE record_audit SET data = '{}' WHERE id = 1", "-- changecontrol: batch key=id size=1000\nUPDATE record_audit SET data = '{}' WHERE data IS NULL"),
        ("UPDATE record_audit SET note = '' WHERE id = 1",),
    ),
    "sequence-set": (
        ("SELECT setval('q', 9)",),
        ("SELECT nextval('q')",),
    ),
    "create-table-not-repeatable": (
        ("CREATE TABLE n (id bigint PRIMARY KEY)", "CREATE TABLE s.n AS SELECT 1 AS a"),
        ("CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY)", "CREATE TEMP TABLE n (a int)"),
    ),
    "table-without-primary-key": (
        ("CREATE TABLE n (a int)", "CREATE TABLE n AS SELECT 1 AS a"),
        ("CREATE TABLE n (a int, PRIMARY KEY (a))", "CREATE TABLE n (LIKE t INCLUDING ALL)", "CREATE TABLE n PARTITION OF p DEFAULT"),
    ),
    "integer-primary-key": (
        ("CREATE TABLE n (id serial PRIMARY KEY)", "CREATE TABLE n (id smallint, PRIMARY KEY (id))"),
        ("CREATE TABLE n (id bigint PRIMARY KEY, a int)", "CREATE TABLE n (a int, b int, PRIMARY KEY (a, b))"),
    ),
    "identifier-too-long": (
        ("ALTER TABLE t ADD " + LONG + " int", 'COMMENT ON COLUMN t."' + LONG + '" IS NULL'),
        ("ALTER TABLE t ADD " + LONG[1:] + " int", "COMMENT ON TABLE t IS '" + LONG + "'"),
    ),
    "unlogged-table": (
        ("CREATE UNLOGGED TABLE n (id bigint PRIMARY KEY)",),
        ("CREATE TABLE n (id bigint PRIMARY KEY)",),
    ),
    "inherits": (
        ("CREATE TABLE n () INHERITS (t)",),
        ("CREATE TABLE n PARTITION OF t DEFAULT",),
    ),
    "vacuum-full": (
        ("VACUUM FULL t", "VACUUM (FULL) t"),
        ("VACUUM t", "VACUUM (ANALYZE) t"),
    ),
    "set-logged": (
        ("ALTER TABLE t SET UNLOGGED", "ALTER TABLE t SET LOGGED"),
        (NEW + "ALTER TABLE n SET LOGGED",),
    ),
    "move-table": (
        ("ALTER TABLE t SET TABLESPACE fast", "ALTER TABLE t SET ACCESS METHOD columnar"),
        ("ALTER TABLE t SET (fillfactor = 70)",),
    ),
    "attach-partition": (
        ("ALTER TABLE p ATTACH PARTITION q FOR VALUES FROM (1) TO (2)",),
        ("ALTER INDEX i ATTACH PARTITION j",),
    ),
    "detach-partition": (
        ("ALTER TABLE p DETACH PARTITION q",),
        ("ALTER TABLE p DETACH PARTITION q CONCURRENTLY",),
    ),
    "create-partition": (
        ("CREATE TABLE q PARTITION OF p FOR VALUES IN (1)",),
        ("CREATE TABLE IF NOT EXISTS p (id bigint PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE q PARTITION OF p DEFAULT",),
    ),
    "create-materialized-view": (
        ("CREATE MATERIALIZED VIEW m AS SELECT * FROM t",),
        ("CREATE MATERIALIZED VIEW m AS SELECT * FROM t WITH NO DATA",),
    ),
    "refresh-materialized-view": (
        ("REFRESH MATERIALIZED VIEW m",),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m",),
    ),
    "replace-function": (
        ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",),
    ),
    "replace-view": (
        ("CREATE OR REPLACE VIEW v AS SELECT 1",),
        ("CREATE VIEW v AS SELECT 1",),
    ),
    "alter-function": (
        ("ALTER FUNCTION f() STABLE",),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'; ALTER FUNCTION f() STABLE",),
    ),
    "enum-add-value": (
        ("ALTER TYPE e ADD VALUE 'x'", "ALTER TYPE e RENAME VALUE 'a' TO 'b'"),
        ("CREATE TYPE e AS ENUM ('a')", "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e ADD VALUE 'b'"),
    ),
    "enum-value-used": (
        ("BEGIN; ALTER TYPE e ADD VALUE 'x'; UPDATE t SET s = 'x' WHERE id = 1; COMMIT",),
        ("ALTER TYPE e ADD VALUE 'x'; UPDATE t SET s = 'x' WHERE id = 1",),
    ),
    "domain-check": (
        ("ALTER DOMAIN d ADD CHECK (VALUE > 0)", "ALTER DOMAIN d SET NOT NULL"),
        ("ALTER DOMAIN d ADD CHECK (VALUE > 0) NOT VALID", "ALTER DOMAIN d VALIDATE CONSTRAINT c"),
    ),
    "alter-domain": (
        ("ALTER DOMAIN d DROP CONSTRAINT c", "ALTER DOMAIN d DROP NOT NULL", "ALTER DOMAIN d SET DEFAULT 1"),
        ("CREATE DOMAIN d AS int; ALTER DOMAIN d SET DEFAULT 1",),
    ),
    "alter-composite-type": (
        ("ALTER TYPE c ADD ATTRIBUTE a int",),
        ("CREATE TYPE c AS (a int)",),
    ),
    "alter-sequence": (
        ("ALTER SEQUENCE q RESTART", "ALTER SEQUENCE q INCREMENT 5"),
        ("ALTER SEQUENCE q OWNED BY t.id", "CREATE SEQUENCE q; ALTER SEQUENCE q CACHE 5"),
    ),
    "update-extension": (
        ("ALTER EXTENSION citext UPDATE",),
        ("CREATE EXTENSION citext",),
    ),
    "dynamic-sql": (
        ("DO $$ DECLARE r record; BEGIN FOR r IN SELECT q FROM jobs LOOP EXECUTE r.q; END LOOP; END $$",),
        ("DO $$ BEGIN EXECUTE 'SELECT 1'; END $$",),
    ),
    "opaque-language": (
        ("DO LANGUAGE plpython3u $$ plpy.execute('x') $$",),
        ("DO $$ BEGIN END $$",),
    ),
    "two-tables-locked": (
        ("BEGIN; ALTER TABLE a ADD x int; ALTER TABLE s.b ADD x int; COMMIT", "BEGIN; CREATE INDEX i ON a (x); ALTER TABLE b ADD x int; COMMIT"),
        ("BEGIN; ALTER TABLE a ADD x int; COMMIT; BEGIN; ALTER TABLE b ADD x int; COMMIT", "BEGIN; ALTER TABLE a ADD x int; ALTER TABLE a ADD y int; COMMIT", "BEGIN; " + NEW + "ALTER TABLE a ADD x int; ALTER TABLE n ADD y int; COMMIT", "ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b (id) NOT VALID"),
    ),
    "lock-held-meanwhile": (
        ("BEGIN; ALTER TABLE a ADD x int; UPDATE a SET x = 1; COMMIT", "BEGIN; ALTER TABLE a ADD x int; CREATE INDEX i ON a (x); COMMIT", "BEGIN; ALTER TABLE a ADD x int; INSERT INTO b SELECT * FROM c; COMMIT"),
        ("BEGIN; ALTER TABLE a ADD x int; COMMIT; BEGIN; UPDATE a SET x = 1; COMMIT", "BEGIN; UPDATE a SET x = 1; ALTER TABLE a ADD y int; COMMIT"),
    ),
    "rollback-leaves-behind": (
        (),
        (),
    ),
}
# fmt: on
