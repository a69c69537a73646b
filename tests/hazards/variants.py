"""Variants of the hazards that no measurement holds: other names, types and orders, inside DO, functions and EXECUTE.

Each is (name, harmful, SQL); they run on the setup of the cases with EXTRA behind it.
"""
# ruff: noqa: E501 -- one variant a line

from __future__ import annotations

EXTRA = r"""
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."My Table" (id bigint PRIMARY KEY, "Full Name" varchar(30), amount numeric(8,2), at timestamp);
INSERT INTO "Odd Schema"."My Table" SELECT g, 'n' || g, g, now() FROM generate_series(1, 3000) g;
CREATE TABLE s1.orders (id bigint PRIMARY KEY, customer bigint NOT NULL, state text DEFAULT 'new', total numeric(6,1));
INSERT INTO s1.orders SELECT g, g % 50, 'open', g FROM generate_series(1, 3000) g;
CREATE INDEX orders_customer ON s1.orders (customer);
CREATE TABLE s1.customers (id bigint PRIMARY KEY, name text NOT NULL, tags text[]);
INSERT INTO s1.customers SELECT g, 'c' || g, '{}' FROM generate_series(1, 60) g;
CREATE TABLE secret (id bigint PRIMARY KEY, site text);
INSERT INTO secret SELECT g, 's' FROM generate_series(1, 20) g;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY; ALTER TABLE secret FORCE ROW LEVEL SECURITY;
CREATE POLICY secret_site ON secret USING (site = 's');
CREATE RULE keep AS ON DELETE TO secret DO INSTEAD NOTHING;
CREATE FUNCTION drops_it() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE 'ALTER TABLE s1.orders DROP COLUMN total'; END $f$;
CREATE FUNCTION safe_path() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'select 1';
CREATE FUNCTION volatile_sql() RETURNS int LANGUAGE plpgsql VOLATILE AS $f$ BEGIN RETURN 1; END $f$;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN unused AS text;
CREATE TABLE pt2 (id bigint, x int) PARTITION BY RANGE (id); CREATE TABLE pt2_a PARTITION OF pt2 FOR VALUES FROM (0) TO (10);
"""

# fmt: off
VARIANTS: tuple[tuple[str, bool, str], ...] = (
    # adding columns
    ("nullable, quoted", False, 'ALTER TABLE "Odd Schema"."My Table" ADD COLUMN "New One" text;'),
    ("constant default", False, "ALTER TABLE s1.orders ADD COLUMN flag boolean NOT NULL DEFAULT false;"),
    ("current date", False, "ALTER TABLE s1.orders ADD COLUMN since date DEFAULT CURRENT_DATE;"),
    ("array default", False, "ALTER TABLE s1.orders ADD COLUMN tags text[] DEFAULT '{}'::text[];"),
    ("uuid default", True, 'ALTER TABLE "Odd Schema"."My Table" ADD u uuid NOT NULL DEFAULT gen_random_uuid();'),
    ("random default in DO", True, "DO $$ BEGIN ALTER TABLE s1.orders ADD COLUMN r float DEFAULT random(); END $$;"),
    ("volatile function", True, "ALTER TABLE s1.orders ADD COLUMN v int DEFAULT volatile_sql();"),
    ("serial", True, "ALTER TABLE s1.customers ADD COLUMN n serial;"),
    ("domain with check", True, "ALTER TABLE s1.orders ADD COLUMN p positive;"),
    ("several columns", False, "ALTER TABLE s1.orders ADD COLUMN a1 int, ADD COLUMN a2 text, ADD COLUMN a3 jsonb;"),
    ("two columns, one rewrites", True, "ALTER TABLE s1.orders ADD a1 int, ADD a2 timestamptz DEFAULT clock_timestamp();"),
    ("unique column", True, "ALTER TABLE s1.orders ADD COLUMN code text UNIQUE;"),
    ("if not exists", False, "ALTER TABLE s1.orders ADD COLUMN IF NOT EXISTS note text;"),
    ("column by format()", False, "DO $$ BEGIN EXECUTE format('ALTER TABLE %I.%I ADD COLUMN %I int', 's1', 'orders', 'z'); END $$;"),
    ("column by loop", False, "DO $$ DECLARE r record; BEGIN FOR r IN SELECT 'customers' AS t LOOP EXECUTE format('ALTER TABLE s1.%I ADD COLUMN z int', r.t); END LOOP; END $$;"),
    ("json in DO", True, "DO $$ BEGIN EXECUTE 'ALTER TABLE s1.orders ADD COLUMN doc json'; END $$;"),
    ("json by loop", True, "DO $$ DECLARE t text; BEGIN SELECT 'orders' INTO t; EXECUTE format('ALTER TABLE s1.%I ADD COLUMN doc json', t); END $$;"),
    # types
    ("varchar wider, quoted", False, 'ALTER TABLE "Odd Schema"."My Table" ALTER "Full Name" TYPE varchar(200);'),
    ("varchar unbounded", False, 'ALTER TABLE "Odd Schema"."My Table" ALTER "Full Name" SET DATA TYPE varchar;'),
    ("numeric wider", False, 'ALTER TABLE "Odd Schema"."My Table" ALTER amount TYPE numeric(20,2);'),
    ("numeric unbounded", False, 'ALTER TABLE "Odd Schema"."My Table" ALTER amount TYPE numeric;'),
    ("to timestamptz", False, 'ALTER TABLE "Odd Schema"."My Table" ALTER at TYPE timestamptz;'),
    ("text to varchar", False, "ALTER TABLE s1.orders ALTER state TYPE varchar;"),
    ("wider in DO", False, "DO $$ BEGIN ALTER TABLE t ALTER COLUMN v TYPE varchar(99); END $$;"),
    ("narrower", True, 'ALTER TABLE "Odd Schema"."My Table" ALTER "Full Name" TYPE varchar(25);'),
    ("scale", True, "ALTER TABLE s1.orders ALTER total TYPE numeric(6,2);"),
    ("to bigint by EXECUTE", True, "DO $$ BEGIN EXECUTE 'ALTER TABLE t2 ALTER d TYPE bigint'; END $$;"),
    ("using", True, "ALTER TABLE s1.orders ALTER state TYPE int USING length(state);"),
    # constraints
    ("check, quoted", True, 'ALTER TABLE "Odd Schema"."My Table" ADD CONSTRAINT c CHECK (amount >= 0);'),
    ("check not valid", False, 'ALTER TABLE "Odd Schema"."My Table" ADD CONSTRAINT c CHECK (amount >= 0) NOT VALID;'),
    ("check in two steps", False, "BEGIN; ALTER TABLE s1.orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID; COMMIT; BEGIN; ALTER TABLE s1.orders VALIDATE CONSTRAINT c; COMMIT;"),
    ("check validated at once", True, "BEGIN; ALTER TABLE s1.orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID; ALTER TABLE s1.orders VALIDATE CONSTRAINT c; COMMIT;"),
    ("not null in three steps", False, "BEGIN; ALTER TABLE s1.orders ADD CONSTRAINT nn CHECK (state IS NOT NULL) NOT VALID; COMMIT; BEGIN; ALTER TABLE s1.orders VALIDATE CONSTRAINT nn; COMMIT; BEGIN; ALTER TABLE s1.orders ALTER state SET NOT NULL; COMMIT;"),
    ("not null at once", True, "ALTER TABLE s1.orders ALTER COLUMN total SET NOT NULL;"),
    ("not null again", False, "ALTER TABLE s1.orders ALTER COLUMN customer SET NOT NULL;"),
    ("foreign key, indexed, not valid", False, "ALTER TABLE s1.orders ADD CONSTRAINT fk FOREIGN KEY (customer) REFERENCES s1.customers (id) NOT VALID;"),
    ("foreign key, scan", True, "ALTER TABLE s1.orders ADD FOREIGN KEY (id) REFERENCES s1.orders (id);"),
    ("foreign key without index in DO", True, "DO $$ BEGIN EXECUTE 'ALTER TABLE t2 ADD CONSTRAINT f FOREIGN KEY (pid) REFERENCES parent(id) NOT VALID'; END $$;"),
    ("foreign key, index first", False, "CREATE INDEX CONCURRENTLY t2_pid ON t2 (pid); ALTER TABLE t2 ADD CONSTRAINT f FOREIGN KEY (pid) REFERENCES parent(id) NOT VALID;"),
    ("unique", True, "ALTER TABLE s1.customers ADD UNIQUE (name);"),
    ("unique by index", False, "CREATE UNIQUE INDEX CONCURRENTLY cn ON s1.customers (name); ALTER TABLE s1.customers ADD CONSTRAINT cn UNIQUE USING INDEX cn;"),
    ("primary key by index", False, "CREATE UNIQUE INDEX CONCURRENTLY k ON t2 (k); ALTER TABLE t2 ADD PRIMARY KEY USING INDEX k;"),
    ("drop unique", True, "ALTER TABLE s1.orders DROP CONSTRAINT orders_pkey;"),
    ("drop check in EXECUTE", True, "DO $$ BEGIN EXECUTE 'ALTER TABLE ch DROP CONSTRAINT ' || 'ch_fk'; END $$;"),
    # indexes
    ("index", True, 'CREATE UNIQUE INDEX ON "Odd Schema"."My Table" (amount);'),
    ("index, expression", True, "CREATE INDEX low ON s1.customers (lower(name));"),
    ("index in DO", True, "DO $$ BEGIN CREATE INDEX i ON s1.orders (state); END $$;"),
    ("index by EXECUTE of a variable", True, "DO $$ DECLARE q text := 'CREATE INDEX i ON s1.orders (state)'; BEGIN EXECUTE q; END $$;"),
    ("index concurrently", False, 'CREATE INDEX CONCURRENTLY "Ix" ON "Odd Schema"."My Table" ("Full Name");'),
    ("index on new table", False, "BEGIN; CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY, x int); CREATE INDEX n_x ON n (x); COMMIT;"),
    ("drop index", True, "DROP INDEX s1.orders_customer;"),
    ("drop index in DO", True, "DO $$ BEGIN EXECUTE 'DROP INDEX s1.orders_customer'; END $$;"),
    ("reindex schema table", True, "REINDEX TABLE s1.orders;"),
    ("cluster", True, "CLUSTER s1.orders USING orders_pkey;"),
    ("cic if not exists, unique", True, "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS u ON s1.orders (id, state);"),
    # data
    ("update one", False, "UPDATE s1.orders SET state = 'done' WHERE id = 7;"),
    ("update some", False, "UPDATE s1.orders SET state = 'done' WHERE id IN (1, 2, 3);"),
    ("update all, quoted", True, 'UPDATE "Odd Schema"."My Table" SET amount = 0;'),
    ("update by subquery", True, "UPDATE s1.orders o SET state = c.name FROM s1.customers c WHERE c.id = o.customer;"),
    ("update in CTE", True, "WITH u AS (UPDATE s1.orders SET state = 'x' WHERE total > 1 RETURNING id) SELECT count(*) FROM u;"),
    ("delete many", True, "DELETE FROM s1.orders WHERE id > 10;"),
    ("delete all of few", True, "DELETE FROM t4;"),
    ("delete in function", True, "CREATE FUNCTION wipe() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM s1.orders WHERE id < 2500; END $$; SELECT wipe();"),
    ("insert values", False, "INSERT INTO s1.customers VALUES (1001, 'x', '{}'), (1002, 'y', '{}');"),
    ("insert select", True, "INSERT INTO s1.customers SELECT id + 10000, state, '{}' FROM s1.orders;"),
    ("insert select one", False, "INSERT INTO s1.customers SELECT id + 10000, state, '{}' FROM s1.orders WHERE id = 5;"),
    ("insert series", True, "INSERT INTO t2 (k) SELECT g FROM generate_series(1, 5000) g;"),
    ("merge", True, "MERGE INTO s1.orders o USING s1.customers c ON o.customer = c.id WHEN MATCHED THEN UPDATE SET state = 'm';"),
    ("batched", False, "-- changecontrol: batch key=id size=1000\nUPDATE s1.orders SET state = 'done' WHERE state = 'open';"),
    ("fill a new table", False, "BEGIN; CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY); INSERT INTO n SELECT g FROM generate_series(1, 5000) g; UPDATE n SET id = id + 10000; COMMIT;"),
    ("truncate", True, 'TRUNCATE TABLE "Odd Schema"."My Table" RESTART IDENTITY;'),
    ("truncate in EXECUTE", True, "DO $$ BEGIN EXECUTE format('TRUNCATE %I.%I', 's1', 'orders'); END $$;"),
    ("truncate by loop", True, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT 'orders' LOOP EXECUTE 'TRUNCATE s1.' || t; END LOOP; END $$;"),
    ("setval", True, "SELECT setval('sq', 100);"),
    # transactions
    ("two tables apart", False, "BEGIN; ALTER TABLE s1.orders ADD a int; COMMIT; BEGIN; ALTER TABLE s1.customers ADD a int; COMMIT;"),
    ("two tables together", True, 'BEGIN; ALTER TABLE s1.orders ADD a int; ALTER TABLE "Odd Schema"."My Table" ADD a int; COMMIT;'),
    ("two tables in DO", True, "DO $$ BEGIN EXECUTE 'ALTER TABLE s1.orders ADD a int'; EXECUTE 'ALTER TABLE s1.customers ADD a int'; END $$;"),
    ("one table twice", False, "BEGIN; ALTER TABLE s1.orders ADD a int; ALTER TABLE s1.orders ALTER a SET DEFAULT 3; COMMENT ON COLUMN s1.orders.a IS 'x'; COMMIT;"),
    ("partitioned table", False, "ALTER TABLE pt ADD COLUMN note text;"),
    ("ddl and backfill", True, "BEGIN; ALTER TABLE s1.orders ADD a int; UPDATE s1.orders SET a = 1 WHERE id > 5; COMMIT;"),
    ("ddl and one row", False, "BEGIN; ALTER TABLE s1.orders ADD a int; UPDATE s1.orders SET a = 1 WHERE id = 5; COMMIT;"),
    ("index, then more", True, "BEGIN; ALTER TABLE s1.orders ADD a int; CREATE INDEX a ON s1.orders (a); COMMIT;"),
    ("lock share", True, "BEGIN; LOCK TABLE s1.orders IN SHARE MODE; COMMIT;"),
    ("lock in EXECUTE", True, "DO $$ BEGIN EXECUTE 'LOCK TABLE ' || 's1.orders' || ' IN EXCLUSIVE MODE'; END $$;"),
    ("lock by loop", True, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT 'orders' LOOP EXECUTE 'LOCK TABLE s1.' || t; END LOOP; END $$;"),
    # objects
    ("drop column in EXECUTE", True, "DO $$ BEGIN EXECUTE format('ALTER TABLE %I.%I DROP COLUMN total', 's1', 'orders'); END $$;"),
    ("drop column by loop", True, "DO $$ DECLARE c text; BEGIN FOR c IN SELECT 'total' LOOP EXECUTE 'ALTER TABLE s1.orders DROP COLUMN ' || c; END LOOP; END $$;"),
    ("drop column by function of the database", True, "SELECT drops_it();"),
    ("drop what was made", False, "BEGIN; ALTER TABLE s1.orders ADD COLUMN tmp int; ALTER TABLE s1.orders DROP COLUMN tmp; COMMIT;"),
    ("drop table by loop", True, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT 't3' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$;"),
    ("drop default by EXECUTE", True, "DO $$ DECLARE c text; BEGIN FOR c IN SELECT 'state' LOOP EXECUTE 'ALTER TABLE s1.orders ALTER ' || c || ' DROP DEFAULT'; END LOOP; END $$;"),
    ("drop not null by EXECUTE", True, "DO $$ DECLARE c text; BEGIN FOR c IN SELECT 'customer' LOOP EXECUTE 'ALTER TABLE s1.orders ALTER ' || c || ' DROP NOT NULL'; END LOOP; END $$;"),
    ("rename column by loop", True, "DO $$ DECLARE c text; BEGIN FOR c IN SELECT 'total' LOOP EXECUTE 'ALTER TABLE s1.orders RENAME ' || c || ' TO sum'; END LOOP; END $$;"),
    ("rename table, quoted", True, 'ALTER TABLE "Odd Schema"."My Table" RENAME TO plain;'),
    ("rename view", True, "ALTER VIEW tv RENAME TO tv2;"),
    ("rename index", False, "ALTER INDEX t_v RENAME TO t_v2;"),
    ("move schema", True, "ALTER TABLE t3 SET SCHEMA s1;"),
    ("drop function", True, "DROP FUNCTION safe_path();"),
    ("drop sequence", True, "DROP SEQUENCE sq;"),
    ("drop matview", True, "DROP MATERIALIZED VIEW mv;"),
    ("enum in the middle", True, "ALTER TYPE st ADD VALUE IF NOT EXISTS 'm' BEFORE 'b';"),
    ("enum renamed", True, "ALTER TYPE st RENAME VALUE 'a' TO 'aa';"),
    ("new enum", False, "CREATE TYPE fresh AS ENUM ('x', 'y');"),
    ("new view", False, "CREATE VIEW fresh AS SELECT id FROM s1.orders;"),
    ("new or replaced view", False, "CREATE OR REPLACE VIEW fresh AS SELECT id FROM s1.orders;"),
    ("new or replaced function", False, "CREATE OR REPLACE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'select 1';"),
    ("replaced function", True, "CREATE OR REPLACE FUNCTION public.safe_path() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'select 2';"),
    ("replaced by EXECUTE", True, "DO $x$ BEGIN EXECUTE $y$CREATE OR REPLACE FUNCTION volatile_sql() RETURNS int LANGUAGE plpgsql AS $z$ BEGIN RETURN 2; END $z$ $y$; END $x$;"),
    ("sequence, increment", True, "ALTER SEQUENCE sq INCREMENT BY 2;"),
    ("sequence restart by EXECUTE", True, "DO $$ DECLARE s text; BEGIN FOR s IN SELECT 'sq' LOOP EXECUTE 'ALTER SEQUENCE ' || s || ' RESTART'; END LOOP; END $$;"),
    ("new sequence", False, "CREATE SEQUENCE fresh;"),
    ("domain check", True, "ALTER DOMAIN dom ADD CHECK (VALUE < 100000);"),
    ("domain check, unused", False, "ALTER DOMAIN unused ADD CHECK (VALUE <> '');"),
    ("statistics target", False, "ALTER TABLE s1.orders ALTER state SET STATISTICS 500;"),
    ("autovacuum option", False, "ALTER TABLE s1.orders SET (autovacuum_vacuum_scale_factor = 0.01);"),
    ("vacuum", False, "VACUUM (ANALYZE) s1.orders;"),
    ("analyze", False, "ANALYZE s1.orders;"),
    ("vacuum full, options", True, "VACUUM (FULL, ANALYZE) s1.orders;"),
    ("logged again", True, "ALTER TABLE s1.customers SET UNLOGGED;"),
    ("refresh", True, "REFRESH MATERIALIZED VIEW mv;"),
    ("refresh concurrently", False, "REFRESH MATERIALIZED VIEW CONCURRENTLY mv;"),
    ("matview without data", False, "CREATE MATERIALIZED VIEW mv2 AS SELECT * FROM s1.orders WITH NO DATA;"),
    ("matview in DO", True, "DO $$ BEGIN EXECUTE 'CREATE MATERIALIZED VIEW mv2 AS SELECT * FROM s1.orders'; END $$;"),
    ("attach, empty default", True, "ALTER TABLE pt ATTACH PARTITION pt_new FOR VALUES FROM (1000000) TO (1100000);"),
    ("detach concurrently", False, "ALTER TABLE pt2 DETACH PARTITION pt2_a CONCURRENTLY;"),
    # triggers and rules
    ("disable all triggers", True, "ALTER TABLE t DISABLE TRIGGER ALL;"),
    ("disable in DO", True, "DO $$ BEGIN ALTER TABLE t DISABLE TRIGGER trg0; END $$;"),
    ("disable by loop", True, "DO $$ DECLARE g text; BEGIN FOR g IN SELECT 'trg0' LOOP EXECUTE 'ALTER TABLE t DISABLE TRIGGER ' || g; END LOOP; END $$;"),
    ("disable and enable by loop", True, "DO $$ DECLARE g text; BEGIN FOR g IN SELECT 'trg0' LOOP EXECUTE 'ALTER TABLE t DISABLE TRIGGER ' || g; UPDATE t SET a = 5 WHERE id = 1; EXECUTE 'ALTER TABLE t ENABLE TRIGGER ' || g; END LOOP; END $$;"),
    ("enable replica", True, "ALTER TABLE t ENABLE REPLICA TRIGGER trg0;"),
    ("enable always", False, "ALTER TABLE t ENABLE ALWAYS TRIGGER trg0;"),
    ("drop trigger in EXECUTE", True, "DO $$ BEGIN EXECUTE 'DROP TRIGGER trg0 ON public.t'; END $$;"),
    ("drop rule", True, "DROP RULE keep ON secret;"),
    ("disable rule", True, "ALTER TABLE secret DISABLE RULE keep;"),
    ("rule by EXECUTE", True, "DO $$ BEGIN EXECUTE 'CREATE RULE r AS ON UPDATE TO ' || 't3 DO INSTEAD NOTHING'; END $$;"),
    ("trigger by EXECUTE", True, "DO $$ BEGIN EXECUTE 'CREATE TRIGGER g BEFORE UPDATE ON ' || 't2 FOR EACH ROW EXECUTE FUNCTION trgf()'; END $$;"),
    ("trigger on new table", False, "BEGIN; CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY); CREATE TRIGGER g BEFORE UPDATE ON n FOR EACH ROW EXECUTE FUNCTION trgf(); COMMIT;"),
    ("set_config", True, "SELECT set_config('session_replication_role', 'replica', true);"),
    ("set local in DO", True, "DO $$ BEGIN SET LOCAL session_replication_role = replica; UPDATE t SET a = 1 WHERE id = 1; END $$;"),
    ("set by EXECUTE", True, "DO $$ BEGIN EXECUTE 'SET session_replication_role = ' || 'replica'; END $$;"),
    # access
    ("rls off", True, "ALTER TABLE secret DISABLE ROW LEVEL SECURITY;"),
    ("rls off by loop", True, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT 'secret' LOOP EXECUTE 'ALTER TABLE ' || t || ' DISABLE ROW LEVEL SECURITY'; END LOOP; END $$;"),
    ("no force", True, "ALTER TABLE public.secret NO FORCE ROW LEVEL SECURITY;"),
    ("rls on by loop", True, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT 't3' LOOP EXECUTE 'ALTER TABLE ' || t || ' ENABLE ROW LEVEL SECURITY'; END LOOP; END $$;"),
    ("drop policy", True, "DROP POLICY secret_site ON public.secret;"),
    ("drop policy by loop", True, "DO $$ DECLARE p text; BEGIN FOR p IN SELECT 'secret_site' LOOP EXECUTE 'DROP POLICY ' || p || ' ON secret'; END LOOP; END $$;"),
    ("alter policy", True, "ALTER POLICY secret_site ON secret USING (true);"),
    ("grant to public", True, "GRANT SELECT, INSERT ON s1.orders TO PUBLIC;"),
    ("grant on a column", True, "GRANT UPDATE (state) ON s1.orders TO PUBLIC;"),
    ("grant by loop", True, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT 'orders' LOOP EXECUTE format('GRANT SELECT ON s1.%I TO public', t); END LOOP; END $$;"),
    ("grant on all tables", True, "GRANT SELECT ON ALL TABLES IN SCHEMA s1 TO PUBLIC;"),
    ("default privileges", True, "ALTER DEFAULT PRIVILEGES IN SCHEMA s1 GRANT SELECT ON TABLES TO PUBLIC;"),
    ("grant to a role", False, "GRANT SELECT ON s1.orders TO pg_monitor;"),
    ("revoke from public", False, "REVOKE ALL ON FUNCTION safe_path() FROM PUBLIC;"),
    ("definer with path", False, "CREATE FUNCTION ok() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'select 1';"),
    ("definer later", True, "CREATE FUNCTION nok() RETURNS int LANGUAGE sql AS 'select 1'; ALTER FUNCTION nok() SECURITY DEFINER;"),
    ("definer by EXECUTE", True, "DO $$ BEGIN EXECUTE 'CREATE FUNCTION nok() RETURNS int LANGUAGE sql ' || 'SECURITY DEFINER AS ''select 1'''; END $$;"),
    ("path taken away", True, "ALTER FUNCTION safe_path() RESET search_path;"),
    # tables
    ("new table", True, "CREATE TABLE s1.fresh (id bigint PRIMARY KEY);"),
    ("new table, repeatable", False, "CREATE TABLE IF NOT EXISTS s1.fresh (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL, CHECK (note <> ''));"),
    ("new table, int key", True, "CREATE TABLE IF NOT EXISTS s1.fresh (id int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (id));"),
    ("new table, smallserial", True, "CREATE TABLE IF NOT EXISTS fresh (id smallserial PRIMARY KEY);"),
    ("new table, no key", True, "CREATE TABLE IF NOT EXISTS s1.fresh (a bigint, b bigint UNIQUE);"),
    ("table as select", True, "CREATE TABLE fresh AS SELECT * FROM s1.customers;"),
    ("new table, foreign key without index", True, "CREATE TABLE IF NOT EXISTS fresh (id bigint PRIMARY KEY, customer bigint REFERENCES s1.customers (id));"),
    ("new table, foreign key with index", False, "BEGIN; CREATE TABLE IF NOT EXISTS fresh (id bigint PRIMARY KEY, customer bigint REFERENCES s1.customers (id)); CREATE INDEX fresh_customer ON fresh (customer); COMMIT;"),
    ("new table in DO without key", True, "DO $$ DECLARE n text; BEGIN FOR n IN SELECT 'fresh' LOOP EXECUTE 'CREATE TABLE IF NOT EXISTS ' || n || ' (a int)'; END LOOP; END $$;"),
    ("temporary table", False, "CREATE TEMP TABLE scratch (a int);"),
    ("long column", True, "ALTER TABLE s1.orders ADD COLUMN " + "c" * 64 + " int;"),
    ("long name in EXECUTE", True, "DO $$ BEGIN EXECUTE 'ALTER TABLE s1.orders ADD COLUMN " + "d" * 70 + " int'; END $$;"),
    ("63 bytes", False, "ALTER TABLE s1.orders ADD COLUMN " + "e" * 63 + " int;"),
    ("comment on a column", False, "COMMENT ON COLUMN s1.orders.state IS 'x';"),
    ("default set", False, "ALTER TABLE s1.orders ALTER COLUMN state SET DEFAULT 'later';"),
    ("replica identity", False, "ALTER TABLE s1.orders REPLICA IDENTITY FULL;"),
    ("fails", True, "ALTER TABLE nowhere ADD COLUMN a int;"),
    ("read only DO", False, "DO $$ BEGIN IF (SELECT count(*) FROM s1.orders) < 1 THEN RAISE EXCEPTION 'no'; END IF; END $$;"),
)
# fmt: on
