"""The same deeds under other names, types and hiding places: the probe sees what an observer of its own sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.targets.connection import Where
from tests.targets.observing import Templates, independently, rehearsed, summed

SETUP = (
    """
CREATE SCHEMA "Ward 7";
CREATE TABLE "Ward 7"."Order Lines" ("Line No" int PRIMARY KEY, "Qty." smallint, note varchar(10), at timestamp);
INSERT INTO "Ward 7"."Order Lines" SELECT g, g % 100, 'n' || g % 7, now() FROM generate_series(1, 3000) g;
CREATE INDEX "by note" ON "Ward 7"."Order Lines" (note);
CREATE TABLE patients (code char(8) PRIMARY KEY, born date, weight numeric(5,1), tags text[], doc jsonb);
INSERT INTO patients SELECT lpad(g::text, 8, '0'), '1980-01-01', g % 90, '{}', '{}' FROM generate_series(1, 2000) g;
CREATE TABLE visits (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient char(8) REFERENCES patients
  ON DELETE CASCADE, kind text, cost numeric(8,2));
INSERT INTO visits (patient, kind, cost) SELECT lpad((1 + g % 2000)::text, 8, '0'), 'k', g
  FROM generate_series(1, 4000) g;
CREATE INDEX visits_patient ON visits (patient);
CREATE TABLE readings (at timestamptz, v float8, sensor int) PARTITION BY LIST (sensor);
CREATE TABLE readings_1 PARTITION OF readings FOR VALUES IN (1);
CREATE TABLE readings_2 PARTITION OF readings FOR VALUES IN (2);
CREATE TABLE readings_rest PARTITION OF readings DEFAULT;
INSERT INTO readings SELECT now(), g, 1 + g % 4 FROM generate_series(1, 1200) g;
CREATE TABLE base (a int); CREATE TABLE derived (b int) INHERITS (base);
INSERT INTO derived SELECT g, g FROM generate_series(1, 500) g;
CREATE TABLE journal (what text);
CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO journal VALUES (TG_OP); RETURN NULL; END';
CREATE TRIGGER noted AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION note_it();
CREATE VIEW heavy AS SELECT code, weight FROM patients WHERE weight > 80;
CREATE MATERIALIZED VIEW per_kind AS SELECT kind, count(*) AS n FROM visits GROUP BY kind;
CREATE UNIQUE INDEX per_kind_kind ON per_kind (kind);
CREATE DOMAIN positive AS int DEFAULT (random() * 100)::int + 1 CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE FUNCTION widen(relation regclass, col text, type text) RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', relation, col, type); END $$;
CREATE FUNCTION widen_all() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM widen('visits', 'cost', 'numeric(9,3)'); PERFORM widen('base', 'a', 'bigint'); RETURN 2; END $$;
CREATE FUNCTION stable_number() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 7';
DO $$ BEGIN CREATE ROLE clerk; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT ALL ON visits TO clerk;
""",
    "VACUUM ANALYZE",
)

ORDER_LINES = '"Ward 7"."Order Lines"'
VARIANTS: dict[str, list[str]] = {
    "quoted names": [f'ALTER TABLE {ORDER_LINES} ALTER COLUMN "Qty." TYPE integer USING "Qty." + 1'],
    "smallint to int in a quoted table": [f'ALTER TABLE {ORDER_LINES} ALTER "Qty." TYPE int'],
    "several actions, one rewrite": [
        f"ALTER TABLE {ORDER_LINES} ADD stamp uuid DEFAULT gen_random_uuid(), ALTER note TYPE text, DROP COLUMN at"
    ],
    "widened under the search path": [
        'SET search_path = "Ward 7"',
        'ALTER TABLE "Order Lines" ALTER note TYPE varchar',
    ],
    "an index kept by its file": [f"ALTER TABLE {ORDER_LINES} ALTER note TYPE varchar(30)"],
    "primary key rebuilt": ["ALTER TABLE visits ALTER id TYPE bigint"],
    "constrained domain": ["ALTER TABLE visits ADD score positive"],
    "inlined volatile default": ["ALTER TABLE visits ADD n int DEFAULT stable_number()"],
    "default in a DO block": [
        "DO $$ BEGIN ALTER TABLE patients ADD seen timestamptz DEFAULT clock_timestamp(); END $$"
    ],
    "EXECUTE over a catalog": [
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT oid::regclass AS t FROM pg_class"
        " WHERE relname LIKE 'readings\\__' LOOP EXECUTE format('CREATE INDEX ON %s (v)', r.t); END LOOP; END $$"
    ],
    "function called by SELECT": ["SELECT widen('journal', 'what', 'varchar(20)')"],
    "nested functions": ["SELECT widen_all()"],
    "kept in an exception block": [
        "DO $$ BEGIN BEGIN CREATE INDEX base_a ON derived (a); EXCEPTION WHEN OTHERS THEN NULL; END; END $$"
    ],
    "index on all partitions": ["CREATE INDEX readings_v ON readings (v, at)"],
    "partition beside a default": ["CREATE TABLE readings_9 PARTITION OF readings FOR VALUES IN (9)"],
    "partition detached and attached": [
        "ALTER TABLE readings DETACH PARTITION readings_2",
        "ALTER TABLE readings ATTACH PARTITION readings_2 FOR VALUES IN (2)",
    ],
    "children of a parent": ["ALTER TABLE base ADD CONSTRAINT positive_a CHECK (a > 0)"],
    "foreign key the other way": [f"ALTER TABLE visits ADD line int, ADD FOREIGN KEY (line) REFERENCES {ORDER_LINES}"],
    "cascading delete": ["DELETE FROM patients WHERE code < '00000100'"],
    "trigger writes elsewhere": ["UPDATE patients SET weight = weight + 1 WHERE born < '1990-01-01'"],
    "merge": [
        "MERGE INTO visits v USING patients p ON v.patient = p.code WHEN MATCHED AND v.id % 2 = 0 THEN UPDATE SET"
        " kind = 'm' WHEN MATCHED AND v.id % 3 = 0 THEN DELETE WHEN NOT MATCHED THEN INSERT (kind) VALUES ('n')"
    ],
    "writing WITH": ["WITH gone AS (DELETE FROM visits WHERE id < 50 RETURNING kind) INSERT INTO journal TABLE gone"],
    "truncate with everything behind it": ["TRUNCATE patients CASCADE"],
    "materialized view refreshed": ["REFRESH MATERIALIZED VIEW per_kind"],
    "materialized view refreshed politely": ["REFRESH MATERIALIZED VIEW CONCURRENTLY per_kind"],
    "clustered": ["CLUSTER visits USING visits_patient"],
    "unlogged": ["ALTER TABLE journal SET UNLOGGED"],
    "reindexed": ["REINDEX TABLE visits"],
    "view over the table": ["CREATE OR REPLACE VIEW heavy AS SELECT code, weight FROM patients WHERE weight > 85"],
    "sequence behind a column": ["ALTER SEQUENCE visits_id_seq RESTART WITH 9000"],
    "rows locked": ["SELECT count(*) FROM (SELECT id FROM visits WHERE id < 10 FOR UPDATE) x"],
    "table locked in a function": ["DO $$ BEGIN LOCK TABLE visits, journal IN SHARE ROW EXCLUSIVE MODE; END $$"],
    "policies": ["ALTER TABLE visits ENABLE ROW LEVEL SECURITY", "CREATE POLICY own ON visits USING (kind = 'k')"],
    "a new table is nobody's": [
        "CREATE TABLE fresh (id int)",
        "INSERT INTO fresh SELECT generate_series(1, 700)",
        "CREATE INDEX fresh_id ON fresh (id)",
        "ALTER TABLE fresh ADD u uuid DEFAULT gen_random_uuid()",
        "DELETE FROM fresh WHERE id < 100",
    ],
    "renamed first": [
        "ALTER TABLE visits RENAME TO encounters",
        "ALTER TABLE encounters ALTER cost TYPE float8",
        "UPDATE encounters SET kind = 'x' WHERE id <= 10",
    ],
    "moved and swapped": [
        "CREATE TABLE journal_new (LIKE journal)",
        "INSERT INTO journal_new TABLE journal",
        "ALTER TABLE journal RENAME TO journal_old",
        "ALTER TABLE journal_new RENAME TO journal",
        "INSERT INTO journal VALUES ('x')",
    ],
    "an index of ours rebuilt by a later statement": [
        "CREATE INDEX visits_cost ON visits (cost)",
        "ALTER TABLE visits ALTER cost TYPE numeric(10,4)",
    ],
    "not valid, then valid": [
        "ALTER TABLE visits ADD CONSTRAINT dear CHECK (cost < 1000000) NOT VALID",
        "ALTER TABLE visits VALIDATE CONSTRAINT dear",
        "ALTER TABLE visits ALTER cost SET NOT NULL",
    ],
    "as a clerk": ["SET LOCAL ROLE clerk", "UPDATE visits SET kind = 'c' WHERE id BETWEEN 5 AND 9", "RESET ROLE"],
    "temporary table": ["CREATE TEMP TABLE scratch AS SELECT * FROM visits", "DELETE FROM scratch WHERE id < 100"],
    "enum over a column": ["ALTER TABLE journal ADD m mood DEFAULT 'low'"],
    "collation": [
        f'ALTER TABLE {ORDER_LINES} ALTER note TYPE varchar(10) COLLATE "C"',
        f"CREATE INDEX ON {ORDER_LINES} (at)",
    ],
}
#: Dropped relations are no longer in the views the independent observer reads.
DROPS: dict[str, tuple[list[str], dict[str, str]]] = {
    "schema": (
        ['DROP SCHEMA "Ward 7" CASCADE'],
        {'"Ward 7"."Order Lines"': "ACCESS EXCLUSIVE"},
    ),
    "table in a loop": (
        [
            "DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['visits', 'journal'] LOOP EXECUTE 'DROP TABLE ' || t"
            " || ' CASCADE'; END LOOP; END $$"
        ],
        {
            "public.journal": "ACCESS EXCLUSIVE",
            "public.patients": "ACCESS EXCLUSIVE",
            "public.per_kind": "ACCESS EXCLUSIVE",
            "public.visits": "ACCESS EXCLUSIVE",
            "public.visits_id_seq": "ACCESS EXCLUSIVE",
        },
    ),
}


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


@pytest.fixture(params=[18, 17])
def server(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue("cluster" if request.param == 18 else "older_cluster")
    return found


@pytest.fixture
def copy(server: Cluster, templates: Templates) -> Iterator[Where]:
    with templates.clone(server, SETUP) as where:
        yield where


@pytest.mark.parametrize("statements", [pytest.param(v, id=k) for k, v in VARIANTS.items()])
def test_it_sees_what_an_observer_of_its_own_sees(statements: list[str], copy: Where) -> None:
    expected = independently(copy, statements)
    outcome, observed = rehearsed(copy, ";\n".join(statements) + ";")
    assert outcome.state == "succeeded", outcome
    seen = summed(observed)
    assert seen == expected
    assert all(one.exact for one in observed)


@pytest.mark.parametrize(("statements", "locks"), [pytest.param(*v, id=k) for k, v in DROPS.items()])
def test_it_names_what_is_gone_afterwards(statements: list[str], locks: dict[str, str], copy: Where) -> None:
    outcome, observed = rehearsed(copy, ";\n".join(statements) + ";")
    assert outcome.state == "succeeded", outcome
    assert summed(observed).locks == locks
