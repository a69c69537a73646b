"""Statements in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from changecontrol.rules.script import Direction, parse
from changecontrol.rules.summary import sentence
from tests.rules.statements import statement

REPOSITORY = Path(__file__).parents[2] / "migrations_repo"

SAID = [
    (
        "ALTER TABLE record_audit ADD COLUMN device_info jsonb",
        "schema",
        "Adds an empty column `device_info` (jsonb) to `record_audit`. No existing row is changed or read.",
    ),
    (
        "ALTER TABLE t ADD a numeric(10,2), ADD b text[], DROP c, DROP d CASCADE",
        "data",
        "Adds two empty columns: `a` (numeric(10,2)) and `b` (text[]) to `t`. No existing row is changed or read. "
        "Removes the columns `c` and `d` from `t`, with everything stored in them. Whatever depends on it goes too.",
    ),
    (
        "ALTER TABLE t ADD COLUMN a int DEFAULT 5 NOT NULL",
        "data",
        "Adds the column `a` (integer) to `t`. Existing and new rows get `5`. Rows without a value are refused.",
    ),
    (
        "ALTER TABLE t ADD COLUMN a my_domain",
        "schema",
        "Adds the column `a` (my_domain) to `t`. Whether existing rows get a value depends on that type.",
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0 AND (b) < 9) NOT VALID",
        "schema",
        "From then on, refuses rows of `t` unless `a > 0 AND (b) < 9`. Existing rows are not read.",
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (b)",
        "schema",
        "From then on, `a` of `t` must exist in `u`. Existing rows are read first, while writers wait.",
    ),
    (
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "schema",
        "Checks that every existing row of `t` obeys the rule `c`, while people keep working.",
    ),
    (
        "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
        "access",
        "Switches row-level security off for `t`: who may read it sees every row.",
    ),
    (
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a, lower(b)) WHERE c",
        "index",
        "Builds the index `i` over `a` and a computed value of `t` for some of its rows while people keep working. "
        "From then on the same values may not occur twice.",
    ),
    ("DROP TABLE a, b.c", "data", "Removes the table `a` and the table `b.c`, with every row in them."),
    ("DROP TRIGGER x ON t", "access", "Removes the trigger `x` on `t`."),
    ("COMMENT ON COLUMN s.t.c IS 'A `b`'", "other", "Describes the column `c` of `s.t`: “A 'b'”."),
    (
        "UPDATE t AS x SET a = y.a /* why */ FROM u AS y WHERE y.id = x.id -- all\n AND x.a IS NULL",
        "data",
        "Changes `a` in `t`, from `u`, in the rows where `y.id = x.id AND x.a IS NULL`.",
    ),
    ("UPDATE t SET a = 1", "data", "Changes `a` in `t`, in every row."),
    ("DELETE FROM t", "data", "Deletes every row of `t`."),
    ("DELETE FROM t WHERE a = '''' RETURNING a", "data", "Deletes the rows of `t` where `a = ''''`."),
    (
        "INSERT INTO t VALUES (1), (2) ON CONFLICT DO NOTHING",
        "data",
        "Adds two rows to `t`. Rows that exist already are left alone.",
    ),
    (
        "TRUNCATE a, b CASCADE",
        "data",
        "Deletes every row of `a` and `b` at once. Tables that refer to them are emptied too.",
    ),
    ("REVOKE ALL ON t FROM PUBLIC", "access", "Takes from everybody the right to do anything with `t`."),
    (
        "GRANT SELECT, INSERT ON t TO a WITH GRANT OPTION",
        "access",
        "Allows `a` to read and add rows to `t` and to allow that to others.",
    ),
    ("CREATE ROLE a LOGIN SUPERUSER", "access", "Creates the role `a`, which can sign in and may do everything."),
    (
        "CREATE POLICY p ON t AS RESTRICTIVE FOR DELETE TO a USING (b = 1)",
        "access",
        "Lets `a` delete only the rows of `t` where `b = 1`, whatever else allows more (access rule `p`).",
    ),
    (
        "CREATE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING",
        "access",
        "From then on replaces every update on `t` with nothing, silently (rewrite rule `r`).",
    ),
    (
        "CREATE TRIGGER x BEFORE UPDATE OF a OR DELETE ON t FOR EACH ROW WHEN (old.a IS NULL) EXECUTE FUNCTION f()",
        "access",
        "Calls `f` from then on before every update of `a` or delete on `t`, for each row, where a condition holds "
        "(trigger `x`).",
    ),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "schema",
        "Creates the function `f` in SQL. It runs with the rights of its owner, without a fixed search path. It runs "
        "only when something calls it; read its code in the SQL tab.",
    ),
    (
        "DO $$ BEGIN IF EXISTS (SELECT FROM t) THEN RAISE EXCEPTION 'It''s full'; END IF; END $$",
        "other",
        "Looks before it acts: stops the step with “It's full” if that is so.",
    ),
    ("ALTER TYPE e ADD VALUE 'x'", "schema", "Adds the value “x” to the type `e`. It can never be removed again."),
    ("SELECT count(*) FROM t", "other", "Reads `t`; changes nothing."),
    ("VACUUM t", "other", "Clears away what deleted rows left behind in `t`, while people keep working."),
]

NOT_UNDERSTOOD = [
    "DO $$ BEGIN DELETE FROM t; END $$",
    "DO $$ BEGIN IF EXISTS (SELECT FROM t) THEN RAISE EXCEPTION 'x'; END IF; DELETE FROM t; END $$",
    "DO $$ BEGIN IF wipe() THEN RAISE EXCEPTION 'x'; END IF; END $$",
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'a') THEN CREATE ROLE b NOLOGIN; END IF; END $$",
    "DO LANGUAGE plpgsql $$ BEGIN /* x */ END $$",
    "CALL tidy()",
    "SELECT setval('s', 1)",
    "SELECT 1 FROM t FOR UPDATE",
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
    "WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM gone",
    "ALTER TABLE t ADD COLUMN a int, ALTER COLUMN b SET COMPRESSION lz4",
    "CREATE PUBLICATION p FOR ALL TABLES",
]


@pytest.mark.parametrize(("sql", "kind", "text"), SAID)
def test_it_says_in_words_what_a_statement_does(sql: str, kind: str, text: str) -> None:
    said = sentence(statement(sql))
    assert (said.text, said.kind, said.understood) == (text, kind, True)


@pytest.mark.parametrize("sql", NOT_UNDERSTOOD)
def test_it_admits_what_it_cannot_put_in_words(sql: str) -> None:
    of = statement(sql)
    said = sentence(of)
    assert said.text == (f"Runs a statement of kind {of.kind} that we cannot put in words; read it in the SQL tab.")
    assert not said.understood


def test_it_shortens_long_conditions() -> None:
    said = sentence(statement(f"DELETE FROM t WHERE a IN ({', '.join(map(str, range(500)))})"))
    assert said.text.endswith(" …`.") and len(said.text) < 200


@pytest.mark.parametrize(
    "path", sorted([*REPOSITORY.glob("*.sql"), *REPOSITORY.glob("rollback/*.sql")]), ids=lambda path: path.name
)
def test_it_understands_every_statement_of_our_own_migrations(path: Path) -> None:
    for of in parse(path.read_bytes(), file=path.name, direction=Direction.FORWARD).statements:
        assert sentence(of).understood, of.sql
