"""Lock class and tables of a statement, against what was measured on PostgreSQL 14 to 18."""

from __future__ import annotations

import pytest

from tests.rules.reading import read

CASES: list[tuple[str, str, tuple[str, ...]]] = [
    ("ALTER TABLE s.t ADD COLUMN c int", "strong", ("s.t",)),
    ("ALTER TABLE t ADD FOREIGN KEY (p) REFERENCES parent (id)", "strong", ("t", "parent")),
    ("ALTER TABLE t VALIDATE CONSTRAINT c", "patient", ("t",)),
    ("ALTER TABLE t ALTER c SET STATISTICS 100", "patient", ("t",)),
    ("ALTER TABLE t VALIDATE CONSTRAINT c, DROP COLUMN d", "strong", ("t",)),
    ("ALTER TABLE t RENAME c TO d", "strong", ("t",)),
    ("ALTER INDEX i RENAME TO j", "strong", ()),
    ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "patient", ("t", "p")),
    ("ALTER FUNCTION f() RENAME TO g", "none", ()),
    ("ALTER DOMAIN d ADD CHECK (VALUE > 0)", "strong", ()),
    ("ALTER TYPE e ADD VALUE 'x'", "none", ()),
    ("CREATE INDEX i ON t (a)", "strong", ("t",)),
    ("CREATE INDEX CONCURRENTLY i ON t (a)", "patient", ("t",)),
    ("DROP INDEX i", "strong", ()),
    ("DROP INDEX CONCURRENTLY i", "patient", ()),
    ("REINDEX TABLE CONCURRENTLY t", "patient", ("t",)),
    ("CREATE TABLE n (x int PRIMARY KEY)", "none", ("n",)),
    ("CREATE TABLE n (x int REFERENCES parent)", "strong", ("n", "parent")),
    ("CREATE TABLE n PARTITION OF p DEFAULT", "strong", ("n", "p")),
    ("CREATE TABLE n AS SELECT * FROM t", "none", ("t", "n")),
    ("CREATE VIEW v AS SELECT * FROM t", "none", ("v", "t")),
    ("CREATE OR REPLACE VIEW v AS SELECT * FROM t", "strong", ("v", "t")),
    ("CREATE TRIGGER g BEFORE INSERT ON s.t EXECUTE FUNCTION f()", "strong", ("s.t",)),
    ("DROP TRIGGER g ON s.t", "strong", ("s.t",)),
    ("CREATE POLICY p ON t USING (EXISTS (SELECT 1 FROM u))", "strong", ("t", "u")),
    ("DROP POLICY p ON t", "strong", ("t",)),
    ("CREATE RULE r AS ON DELETE TO t DO INSTEAD INSERT INTO a VALUES (1)", "strong", ("t", "a")),
    ("DROP RULE r ON t", "strong", ("t",)),
    ("DROP TABLE a, s.b", "strong", ("a", "s.b")),
    ("DROP FUNCTION f()", "none", ()),
    ("DROP TYPE e CASCADE", "strong", ()),
    ("TRUNCATE a, b", "strong", ("a", "b")),
    ("LOCK TABLE t", "strong", ("t",)),
    ("LOCK TABLE t IN ROW EXCLUSIVE MODE", "write", ("t",)),
    ("VACUUM t", "patient", ("t",)),
    ("VACUUM FULL t", "strong", ("t",)),
    ("VACUUM (FULL off) t", "patient", ("t",)),
    ("REINDEX (CONCURRENTLY false) TABLE t", "strong", ("t",)),
    ("EXPLAIN (ANALYZE false) DELETE FROM t", "none", ("t",)),
    ("ANALYZE t", "patient", ("t",)),
    ("COMMENT ON COLUMN s.t.c IS 'x'", "patient", ("s.t",)),
    ("COMMENT ON FUNCTION f() IS 'x'", "none", ()),
    ("GRANT SELECT ON t, s.u TO r", "none", ("t", "s.u")),
    ("GRANT USAGE ON SEQUENCE q TO r", "none", ()),
    ("CREATE SEQUENCE q OWNED BY s.t.c", "none", ("s.t",)),
    ("INSERT INTO t SELECT * FROM u", "write", ("t", "u")),
    ("UPDATE t SET a = (SELECT 1 FROM u) FROM v WHERE true", "write", ("t", "u", "v")),
    ("DELETE FROM t USING u WHERE true", "write", ("t", "u")),
    ("WITH x AS (SELECT 1 FROM t) SELECT * FROM x", "none", ("t",)),
    ("WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x", "write", ("t",)),
    ("SELECT 1 FROM t FOR UPDATE", "write", ("t",)),
    ("DO $$ BEGIN NULL; END $$", "strong", ()),
    ("CALL p()", "strong", ()),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "none", ()),
    ('UPDATE "My Table" SET a = 1', "write", ("My Table",)),
    ("CREATE FOREIGN TABLE f (a int) SERVER s", "none", ("f",)),
    ("CREATE FOREIGN TABLE f PARTITION OF t DEFAULT SERVER s", "strong", ("f", "t")),
]


@pytest.mark.parametrize(("sql", "lock", "tables"), CASES, ids=[case[0] for case in CASES])
def test_it_knows_the_lock_and_the_tables(sql: str, lock: str, tables: tuple[str, ...]) -> None:
    (statement,) = read(sql).statements
    assert statement.lock == lock
    assert sorted(statement.tables) == sorted(tables)
    assert statement.kind.endswith("Stmt")
