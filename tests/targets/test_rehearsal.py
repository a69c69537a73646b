"""A rehearsal gives the verdict that the script deserves, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.repository import Repository
from changecontrol.rules.certificate import Basis, Verdict
from changecontrol.rules.plan import RollbackClass
from changecontrol.rules.refusal import Refused
from changecontrol.targets import limiting
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.copies import build_copy
from changecontrol.targets.limiting import RehearsalLimits, RehearsalStopped
from changecontrol.targets.rehearsal import rehearse
from tests.targets.rehearsals import rehearsed
from tests.targets.stage import one, script

PEOPLE = """
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, born date);
INSERT INTO people VALUES (1, 'Ada', '1815-12-10'), (2, 'Grace', '1906-12-09');
"""


def test_a_rollback_that_gives_everything_back_is_exact(where: Where) -> None:
    found = rehearsed(where, PEOPLE, "ALTER TABLE people ADD note text;", "ALTER TABLE people DROP note;")
    assert (found.verdict, found.passed, found.lossless) == (Verdict.EXACT, True, True), found
    assert found.fingerprints["before"] == found.fingerprints["rollback"]
    assert found.fingerprints["forward"] == found.fingerprints["again"] != found.fingerprints["before"]
    assert found.changed["extra"] == ["column public.people.note"]
    assert found.basis.rows == {"public.people": [2, "migrations"]}
    assert [one.kind for one in found.statements] == ["AlterTableStmt"]
    assert found.statements[0].locks == {"public.people": "ACCESS EXCLUSIVE"}


@pytest.mark.parametrize(
    ("forward", "rollback", "verdict", "said"),
    [
        ("CREATE TABLE x (id int);", None, "no_rollback", "There is no rollback script."),
        ("CREATE TABLE x (id int);", "-- nothing", "empty_rollback", "The rollback script holds no statement."),
        ("ALTER TABLE nobody ADD x int;", "SELECT 1;", "forward_failed", r'relation "nobody" does not exist'),
        ("CREATE TABLE x (id int);", "DROP TABLE y;", "rollback_failed", r'table "y" does not exist'),
        ("CREATE TABLE x (id int);", "SELECT 1;", "differs", "Table public.x is there in addition."),
    ],
)
def test_each_failure_has_its_own_verdict(
    where: Where, forward: str, rollback: str | None, verdict: str, said: str
) -> None:
    found = rehearsed(where, PEOPLE, forward, rollback)
    assert found.verdict == verdict and said in found.sentence and not found.passed, found


# --- data


def test_values_a_rollback_cannot_give_back_are_named(where: Where) -> None:
    found = rehearsed(where, PEOPLE, "ALTER TABLE people DROP born;", "ALTER TABLE people ADD born date;")
    assert (found.verdict, found.lossless) == (Verdict.EXACT, False)
    assert found.lost == ("Column born of public.people lost 2 of its 2 values.",)
    assert found.shortfall == f"The rollback is declared lossless, and this is lost: {found.lost[0]}"
    declared = rehearsed(
        where,
        PEOPLE,
        "ALTER TABLE people DROP born;",
        "ALTER TABLE people ADD born date;",
        declared=RollbackClass.LOSSY,
    )
    assert declared.passed and declared.lost == found.lost


@pytest.mark.parametrize(
    ("forward", "rollback", "lost"),
    [
        ("DELETE FROM people WHERE id = 1;", "SELECT 1;", "Table public.people lost 1 row of 2."),
        ("TRUNCATE people;", "SELECT 1;", "Table public.people lost 2 rows of 2."),
        (
            "UPDATE people SET name = upper(name);",
            "UPDATE people SET name = lower(name);",
            "Column name of public.people holds other values than before.",
        ),
        (
            "INSERT INTO people VALUES (9, 'Eve', NULL) ON CONFLICT DO NOTHING;",
            "SELECT 1;",
            "Table public.people holds 1 row more than before.",
        ),
        (
            "ALTER TABLE people ALTER name TYPE varchar(3) USING left(name, 3);",
            "ALTER TABLE people ALTER name TYPE text;",
            "Column name of public.people holds other values than before.",
        ),
        (
            "CREATE TABLE kept AS SELECT * FROM people; DROP TABLE people;",
            "DROP TABLE kept; CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, born date);",
            "Table public.people lost 2 rows of 2.",
        ),
    ],
)
def test_rows_that_are_not_what_they_were_are_named(where: Where, forward: str, rollback: str, lost: str) -> None:
    found = rehearsed(where, PEOPLE, forward, rollback)
    assert (found.lossless, found.lost, found.passed) == (False, (lost,), False), found


def test_what_a_script_does_not_name_is_compared_as_well(where: Where) -> None:
    base = PEOPLE + (
        "CREATE TABLE trail (said text); INSERT INTO trail VALUES ('begin');"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO trail VALUES (NEW.name); RETURN NEW; END $$;"
        "CREATE TRIGGER note AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION note();"
    )
    found = rehearsed(
        where, base, "UPDATE people SET name = name || '.';", "UPDATE people SET name = rtrim(name, '.');"
    )
    assert found.lost == ("Table public.trail holds 4 rows more than before.",)


def test_rows_are_made_where_there_are_none(where: Where) -> None:
    base = "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, born date);"
    found = rehearsed(where, base, "ALTER TABLE people DROP born;", "ALTER TABLE people ADD born date;")
    assert found.basis.rows == {"public.people": [24, "generated"]}
    assert found.lossless is False and found.lost == ("Column born of public.people lost 21 of its 21 values.",)
    with connect(where, application_name="x") as session:
        assert one(session, "SELECT count(*) FROM people") == 0  # forward is on, what was made is gone
        assert one(session, "SELECT count(*) FROM pg_attribute WHERE attname = 'born'") == 0


def test_a_rollback_that_only_works_without_rows_fails(where: Where) -> None:
    base = "CREATE TABLE people (id int PRIMARY KEY, code text NOT NULL);"
    found = rehearsed(where, base, "ALTER TABLE people DROP code;", "ALTER TABLE people ADD code text NOT NULL;")
    assert found.verdict is Verdict.ROLLBACK_FAILED and "contains null values" in found.sentence


def test_made_up_rows_that_a_migration_does_not_bear_are_no_fault(where: Where) -> None:
    base = "CREATE TABLE people (id int PRIMARY KEY, code text NOT NULL);"
    found = rehearsed(
        where,
        base,
        "ALTER TABLE people ALTER code TYPE int USING code::int;",
        "ALTER TABLE people ALTER code TYPE text;",
    )
    assert (found.verdict, found.lossless, found.passed) == (Verdict.EXACT, None, True), found
    assert "generated rows are refused" in found.not_exercised[0] and found.basis.rows == {}
    assert "invalid input syntax" in found.basis.not_generated["public.people"]


def test_nulls_that_a_migration_does_not_bear_are_left_out(where: Where) -> None:
    base = "CREATE TABLE people (id int PRIMARY KEY, code text, note text);"
    found = rehearsed(
        where,
        base,
        "ALTER TABLE people ALTER code SET NOT NULL;",
        "ALTER TABLE people ALTER code DROP NOT NULL;",
    )
    assert (found.verdict, found.lossless, found.not_exercised) == (Verdict.EXACT, True, ()), found
    assert found.basis.rows == {"public.people": [24, "generated"]}


def test_what_belongs_to_a_session_does_not_stay_for_the_next_run(where: Where) -> None:
    forward = "CREATE TEMP TABLE names AS SELECT name FROM people; CREATE TABLE more AS SELECT * FROM names;"
    assert rehearsed(where, PEOPLE, forward, "DROP TABLE more;").verdict is Verdict.EXACT


def test_a_rollback_that_guards_rows_is_tried_without_them(where: Where) -> None:
    base = "CREATE TABLE people (id int PRIMARY KEY);"
    guard = (
        "DO $$ BEGIN IF EXISTS (SELECT FROM people) THEN RAISE EXCEPTION 'records are there'; END IF; END $$;"
        " ALTER TABLE people DROP note;"
    )
    found = rehearsed(where, base, "ALTER TABLE people ADD note text;", guard)
    assert (found.verdict, found.lossless) == (Verdict.EXACT, None), found
    assert "records are there" in found.not_exercised[0]


def test_tables_that_defeat_generation_are_not_exercised(where: Where) -> None:
    base = (
        "CREATE TABLE people (id int PRIMARY KEY); CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'closed'; END $$;"
        "CREATE TRIGGER no BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION no();"
    )
    found = rehearsed(where, base, "ALTER TABLE people ADD note text;", "ALTER TABLE people DROP note;")
    assert (found.verdict, found.lossless, found.not_exercised) == (Verdict.EXACT, None, ("public.people: closed",))


def test_sequences_are_told_apart(where: Where) -> None:
    base = "CREATE TABLE people (id serial PRIMARY KEY, name text); INSERT INTO people (name) VALUES ('Ada');"
    found = rehearsed(
        where, base, "INSERT INTO people (name) VALUES ('Eve');", "DELETE FROM people WHERE name = 'Eve';"
    )
    assert (found.verdict, found.lossless) == (Verdict.EXACT, True)
    assert found.sequences == ("Sequence public.people_id_seq stands at 2, before at 1.",)
    with connect(where, application_name="x") as session:
        assert one(session, "SELECT max(id) FROM people") == 2  # as if forward had run once


# --- order, spelling, moments, comments


@pytest.mark.parametrize(
    ("forward", "rollback", "said"),
    [
        (
            "ALTER TABLE people DROP name;",
            "ALTER TABLE people ADD name text NOT NULL DEFAULT 'x'; ALTER TABLE people ALTER name DROP DEFAULT;",
            "Table public.people has its columns in another order: id, born, name.",
        ),
        (
            "ALTER TABLE moments DROP at;",
            "ALTER TABLE moments ADD at timestamptz DEFAULT 'now';",
            "Column public.moments.at holds the moment at which it was made, as now() gave it then.",
        ),
    ],
)
def test_order_and_moments_are_reported_as_what_they_are(where: Where, forward: str, rollback: str, said: str) -> None:
    base = PEOPLE + "CREATE TABLE moments (id int, at timestamptz DEFAULT 'now');"
    found = rehearsed(where, base, forward, rollback)
    assert found.verdict is Verdict.ORDER_ONLY and found.differences["said"] == [said], found


def test_a_comment_alone_is_told_as_a_comment(where: Where) -> None:
    base = PEOPLE + "COMMENT ON TABLE people IS 'All.';"
    found = rehearsed(where, base, "COMMENT ON TABLE people IS 'Some.';", "COMMENT ON TABLE people IS NULL;")
    assert found.verdict is Verdict.DIFFERS
    assert found.sentence == (
        "The rollback does not give back the comments: Comment on table public.people is missing."
    )


# --- the second time, and parts


def test_what_cannot_be_applied_again_is_found(where: Where) -> None:
    found = rehearsed(where, PEOPLE, "INSERT INTO people VALUES (3, 'Eve', NULL);", "SELECT 1;")
    assert found.verdict is Verdict.REAPPLY_FAILED
    assert 'duplicate key value violates unique constraint "people_pkey"' in found.sentence
    with connect(where, application_name="x") as session:
        assert one(session, "SELECT count(*) FROM people") == 3


def test_what_differs_the_second_time_is_found(where: Where) -> None:
    forward = (
        "CREATE SEQUENCE IF NOT EXISTS runs;"
        "DO $$ BEGIN EXECUTE format('CREATE TABLE run_%s (id int)', nextval('counter')); END $$;"
    )
    rollback = (
        "DROP SEQUENCE runs; DO $$ DECLARE name text; BEGIN FOR name IN SELECT relname FROM pg_class"
        " WHERE relname LIKE 'run\\_%' LOOP EXECUTE format('DROP TABLE %I', name); END LOOP; END $$;"
    )
    found = rehearsed(where, "CREATE SEQUENCE counter;", forward, rollback)
    assert found.verdict is Verdict.REAPPLY_DIFFERS, found
    assert found.again_differences["extra"] == ["column public.run_2.id", "table public.run_2"]


STEPS = (
    "BEGIN; ALTER TABLE people ADD a int; COMMIT; BEGIN; ALTER TABLE people ADD b int; COMMIT;"
    " CREATE INDEX CONCURRENTLY people_b ON people (b);"
)


def test_every_beginning_of_a_migration_can_be_taken_back(where: Where) -> None:
    rollback = "DROP INDEX IF EXISTS people_b; ALTER TABLE people DROP COLUMN IF EXISTS b, DROP COLUMN IF EXISTS a;"
    found = rehearsed(where, PEOPLE, STEPS, rollback)
    assert (found.verdict, found.passed) == (Verdict.EXACT, True), found
    assert [(one.steps, one.verdict) for one in found.prefixes] == [(1, Verdict.EXACT), (2, Verdict.EXACT)]


def test_a_rollback_that_only_takes_back_the_whole_is_found(where: Where) -> None:
    rollback = "DROP INDEX people_b; ALTER TABLE people DROP COLUMN b, DROP COLUMN a;"
    found = rehearsed(where, PEOPLE, STEPS, rollback)
    assert (found.verdict, found.passed) == (Verdict.EXACT, False)
    assert [one.verdict for one in found.prefixes] == [Verdict.ROLLBACK_FAILED, Verdict.ROLLBACK_FAILED]
    assert 'index "people_b" does not exist' in found.prefixes[0].error
    assert found.shortfall.startswith("After step 1 alone the rollback does not restore:")
    half = "DROP INDEX IF EXISTS people_b; ALTER TABLE people DROP COLUMN IF EXISTS b;" + (
        " DO $$ BEGIN IF (SELECT count(*) FROM pg_attribute WHERE attname = 'a') > 0 AND current_setting('x.y', true)"
        " IS NULL THEN ALTER TABLE people DROP COLUMN a; END IF; END $$;"
    )
    assert rehearsed(where, PEOPLE, STEPS, half).passed


# --- verify


def test_a_verify_script_that_fails_is_a_failed_forward(where: Where) -> None:
    found = rehearsed(
        where, PEOPLE, "ALTER TABLE people ADD x int;", "ALTER TABLE people DROP x;", "SELECT 'x' AS name, false AS ok;"
    )
    assert found.verdict is Verdict.FORWARD_FAILED and "name x is not ok" in found.sentence


def test_a_verify_script_that_does_not_notice_the_rollback_is_a_finding(where: Where) -> None:
    forward, rollback = "ALTER TABLE people ADD x int;", "ALTER TABLE people DROP x;"
    found = rehearsed(where, PEOPLE, forward, rollback, "SELECT true AS ok;")
    (finding,) = [one for one in found.findings if one["rule"] == "verify-after-rollback"]
    assert found.verdict is Verdict.EXACT and "still passes after the rollback" in finding["message"]
    fine = rehearsed(where, PEOPLE, forward, rollback, "-- After-rollback: passes\n\nSELECT true AS ok;")
    assert not [one for one in fine.findings if one["rule"] == "verify-after-rollback"]
    assert fine.verify["rollback"]["ok"] and fine.verify["again"]["ok"]


# --- limits


def test_a_script_that_runs_away_is_stopped_by_time(where: Where) -> None:
    found = rehearsed(
        where,
        PEOPLE,
        "ALTER TABLE people ADD x int; DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$;",
        "SELECT 1;",
        limits=RehearsalLimits(seconds=1),
    )
    assert found.verdict is Verdict.FORWARD_FAILED
    assert "stopped, because it took longer than the 1 s a rehearsal may take." in found.sentence


def test_a_script_that_ignores_being_canceled_is_stopped(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiting, "_PATIENCE_S", 1.0)
    stubborn = (
        "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;"
    )
    found = rehearsed(where, PEOPLE, stubborn, "SELECT 1;", limits=RehearsalLimits(seconds=1))
    assert found.verdict is Verdict.FORWARD_FAILED
    assert "stopped, because it took longer than the 1 s a rehearsal may take." in found.sentence


def test_a_script_that_fills_the_disk_is_stopped(where: Where) -> None:
    found = rehearsed(
        where,
        PEOPLE,
        "CREATE TABLE full_up AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, 100000000) n;",
        "DROP TABLE full_up;",
        limits=RehearsalLimits(seconds=60, bytes=30 << 20),
    )
    assert found.verdict is Verdict.FORWARD_FAILED, found
    assert "MB of disk, more than the 30 MB a rehearsal may use." in found.sentence


def test_a_rehearsal_can_be_stopped(where: Where) -> None:
    with pytest.raises(RehearsalStopped, match="asked by Olga"):
        rehearsed(where, PEOPLE, "SELECT pg_sleep(60);", "SELECT 1;", stop=lambda: "asked by Olga")


def test_a_refused_script_is_refused(where: Where) -> None:
    with pytest.raises(Refused) as refusal:
        script("\\! ls")
    found = rehearsed(where, PEOPLE, refusal.value, None)  # type: ignore[arg-type]
    assert (found.verdict, found.sentence) == (Verdict.REFUSED, refusal.value.sentence)


def test_a_copy_that_cannot_be_compared_proves_nothing(where: Where) -> None:
    basis = Basis("schema", of="staging", not_comparable="the sandbox server runs PostgreSQL 17, the target 18.")
    found = rehearsed(
        where, PEOPLE, "ALTER TABLE people ADD x int;", "ALTER TABLE people DROP x;", basis=basis, leave_applied=False
    )
    assert (found.verdict, found.passed) == (Verdict.EXACT, False)
    assert found.shortfall == (
        "This copy proves nothing for the target: the sandbox server runs PostgreSQL 17, the target 18."
    )
    assert found.passes[-1]["name"] == "fingerprint again"


# --- the repository's own migrations

DECLARED = {8: (Verdict.EXACT, False)}


@pytest.mark.slow
def test_every_migration_of_the_repository_is_as_declared(older_cluster: Cluster) -> None:
    files = Repository(Path(__file__).parents[2] / "migrations_repo")
    server, before = Where(older_cluster.dsn(), name="the sandbox server"), []
    for number in range(1, 9):
        frozen = files.read(number)
        with build_copy(server, kind="migrations", before=before) as copy:
            found = rehearse(
                copy.where,
                forward=frozen.forward_script,
                rollback=frozen.rollback_script,
                verify=frozen.verify_script,
                script_digest=frozen.script_digest,
                declared=frozen.forward_script.header.rollback_class,
                basis=copy.basis,
                policy=files.policy(),
                restore=copy.restore,
            )
        wanted = DECLARED.get(number, (Verdict.EXACT, True))
        assert (found.verdict, found.lossless) == wanted and found.passed, (number, found.sentence, found.lost)
        if number == 8:
            assert found.lost == ("Column initials of public.participants lost 12 of its 12 values.",)
        before.append(frozen.forward_script)
