"""Which reviews a script needs, and the sentence that says why."""

from __future__ import annotations

import pytest

from changecontrol.rules.deeds import deeds
from changecontrol.rules.policy import Policy, RoutingRule
from changecontrol.rules.routing import COMPLIANCE, TECHNICAL, Routing, route
from changecontrol.rules.script import Direction
from tests.rules.statements import script, statement

POLICY = Policy(protected_tables=("record_audit",), hashed_columns=("record_audit.data",))

SPARED = [
    "CREATE TABLE wards (ward_id int PRIMARY KEY)",
    "ALTER TABLE wards ADD COLUMN floor integer",
    "COMMENT ON TABLE wards IS 'x'",
    "CREATE INDEX CONCURRENTLY wards_floor_idx ON wards (floor)",
    "DROP INDEX CONCURRENTLY wards_floor_idx",
    "CREATE SEQUENCE ward_number",
    "SELECT count(*) FROM wards",
]
NEEDED = [
    "COMMENT ON COLUMN record_audit.reason IS 'x'",
    "CREATE INDEX i ON public.record_audit (reason)",
    "SELECT * FROM record_audit",
    "DROP TRIGGER t ON record_audit",
    "GRANT SELECT ON record_audit TO reader",
    "CREATE VIEW v AS SELECT * FROM record_audit",
    "ALTER TABLE wards ADD COLUMN seal_hash bytea",
    "ALTER TABLE wards RENAME COLUMN a TO signature",
    "CREATE TRIGGER t AFTER INSERT ON wards FOR EACH ROW EXECUTE FUNCTION f()",
    "ALTER TABLE wards DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "CREATE RULE r AS ON DELETE TO wards DO INSTEAD NOTHING",
    "ALTER TABLE wards DISABLE ROW LEVEL SECURITY",
    "CREATE POLICY p ON wards USING (true)",
    "ALTER POLICY p ON wards USING (true)",
    "DROP POLICY p ON wards",
    "REVOKE SELECT ON wards FROM reader",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader",
    "ALTER TABLE wards OWNER TO someone",
    "ALTER FUNCTION f() OWNER TO someone",
    "CREATE ROLE reader",
    "GRANT reader TO someone",
    "SET ROLE someone",
    "DELETE FROM wards",
    "TRUNCATE wards",
    "UPDATE wards SET floor = 1",
    "MERGE INTO wards USING x ON wards.a = x.a WHEN MATCHED THEN DELETE",
    "INSERT INTO wards VALUES (1) ON CONFLICT (ward_id) DO UPDATE SET floor = 1",
    "WITH gone AS (DELETE FROM wards RETURNING *) SELECT count(*) FROM gone",
    "ALTER TABLE wards ALTER COLUMN floor TYPE bigint",
    "ALTER TABLE wards DROP COLUMN floor",
    "ALTER TABLE wards ADD COLUMN floor integer DEFAULT random()",
    "ALTER TABLE wards ADD COLUMN floor my_domain",
    "DROP TABLE wards",
    "VACUUM FULL wards",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DO $$ BEGIN PERFORM 1; END $$",
    "CALL tidy()",
    "SELECT setval('ward_number', 1)",
    "ALTER SEQUENCE ward_number RESTART",
    "CREATE OR REPLACE VIEW v AS SELECT 1",
    "CREATE SCHEMA s GRANT SELECT ON wards TO reader",
    "ALTER TABLE wards ADD COLUMN floor integer, ADD CONSTRAINT c CHECK (floor > 0)",
]


def reviews(sql: str, policy: Policy = POLICY) -> frozenset[str]:
    return route([script(sql), None], policy).reviews


@pytest.mark.parametrize("sql", SPARED)
def test_it_asks_only_for_the_technical_review(sql: str) -> None:
    assert reviews(sql) == {TECHNICAL}


@pytest.mark.parametrize("sql", NEEDED)
def test_it_asks_for_the_compliance_review(sql: str) -> None:
    assert reviews(sql) == {TECHNICAL, COMPLIANCE}


def test_it_asks_for_the_compliance_review_when_no_rule_fits() -> None:
    routing = route([script("ALTER TABLE wards SET (fillfactor = 70)")], POLICY)
    assert routing.reviews == {TECHNICAL, COMPLIANCE}
    assert routing.reasons[0].rule == ""
    assert routing.reasons[0].sentence == (
        "Statement 1 does something that no rule names; no rule fits it, so a compliance review is needed."
    )


def test_it_asks_for_the_compliance_review_when_there_is_nothing_to_judge() -> None:
    assert route([None], POLICY).reviews == {TECHNICAL, COMPLIANCE}
    assert route([script("-- nothing\n", Direction.ROLLBACK)], POLICY).reviews == {TECHNICAL, COMPLIANCE}


def test_it_needs_what_any_statement_in_either_script_needs() -> None:
    forward = script("CREATE TABLE wards (a int);\nCOMMENT ON TABLE wards IS 'x';\n")
    back = script("DROP TABLE wards;\n", Direction.ROLLBACK)
    routing = route([forward, back], POLICY)
    assert routing.reviews == {TECHNICAL, COMPLIANCE}
    assert [(reason.statement_number, reason.direction) for reason in routing.for_compliance] == [(1, "rollback")]
    assert routing.for_compliance[0].sentence == (
        "Statement 1 of the rollback drops something: rule 5, “data is deleted or rewritten”, asks for a compliance "
        "review."
    )


def test_it_says_which_rule_fired_on_which_statement() -> None:
    routing = route([script("ALTER TABLE record_audit ADD COLUMN device_info jsonb")], POLICY)
    assert routing.reasons[0].sentence == (
        "Statement 1 touches `record_audit`, a protected table: rule 1, “protected table”, asks for a compliance "
        "review."
    )


def test_it_sees_protected_tables_in_the_code_of_functions_and_blocks() -> None:
    for sql in (
        "DO $$ BEGIN DELETE FROM record_audit; END $$",
        "CREATE FUNCTION f() RETURNS int AS 'TABLE record_audit' ",
    ):
        routing = route([script(sql)], POLICY)
        assert "names `record_audit`, a protected table, in its code" in routing.reasons[0].sentence


def two_rules(first: RoutingRule, second: RoutingRule) -> Routing:
    return route([script("COMMENT ON TABLE wards IS 'x'")], Policy(routing=(first, second)))


def test_it_lets_the_first_rule_that_fits_decide() -> None:
    spares = RoutingRule("spares", (), when=("comment",))
    asks = RoutingRule("asks", (COMPLIANCE,), when=("comment",))
    assert two_rules(spares, asks).reasons[0].rule == "spares"
    assert two_rules(asks, spares).reasons[0].rule == "asks"


def test_it_spares_nothing_behind_a_harmless_part_of_the_same_statement() -> None:
    spares = Policy(routing=(RoutingRule("spares", (), when=("new-column",)),))
    assert reviews("ALTER TABLE wards ADD COLUMN a int", spares) == {TECHNICAL}
    assert reviews("ALTER TABLE wards ADD COLUMN a int, OWNER TO someone", spares) == {TECHNICAL, COMPLIANCE}


def test_it_matches_kinds_and_tables_too() -> None:
    policy = Policy(routing=(RoutingRule("wards", (), kinds=("UpdateStmt",), tables=("wards",)),))
    assert reviews("UPDATE wards SET a = 1", policy) == {TECHNICAL}
    assert reviews("UPDATE public.wards SET a = 1", policy) == {TECHNICAL}
    assert reviews("DELETE FROM wards", policy) == {TECHNICAL, COMPLIANCE}
    assert reviews("UPDATE beds SET a = 1", policy) == {TECHNICAL, COMPLIANCE}


@pytest.mark.parametrize("sql", SPARED + NEEDED)
def test_it_finds_at_least_one_deed_in_every_statement(sql: str) -> None:
    assert deeds(statement(sql), POLICY)
