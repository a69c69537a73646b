"""The probe of a rehearsal, statement by statement."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from changecontrol.rules.observed import Observed
from changecontrol.targets.connection import Session, Where, connect
from changecontrol.targets.outcome import Event
from changecontrol.targets.probe import Probe
from changecontrol.targets.runner import run
from tests.targets import stage
from tests.targets.observing import rehearsed
from tests.targets.stage import Heard, go, order, script


@pytest.fixture
def copy(where: Where) -> Iterator[Where]:
    """Two tables and a ledger."""
    with stage.registered(where) as session:
        session.execute("CREATE TABLE a (id int PRIMARY KEY, v varchar(20))")
        session.execute("INSERT INTO a SELECT g, 'v' FROM generate_series(1, 2000) g")
        session.execute("CREATE TABLE b (id int)")
    yield where


def seen(where: Where, text: str, *, heard: Heard | None = None) -> list[Observed]:
    outcome, observed = rehearsed(where, text, heard=heard)
    assert outcome.state == "succeeded", outcome
    return observed


def test_it_tells_each_statement_apart(copy: Where) -> None:
    text = "BEGIN;\nALTER TABLE a ADD c int;\n  UPDATE a SET c = 1;\nCREATE TABLE n (id int);\nCOMMIT;\nSELECT 1;\n"
    add, update, create, select = seen(copy, text)
    assert [(one.step, one.statement) for one in (add, update, create, select)] == [(1, 1), (1, 2), (1, 3), (2, 4)]
    assert (update.line, update.column, update.file, update.kind) == (3, 3, "002_example.sql", "UpdateStmt")
    assert update.sql == "UPDATE a SET c = 1"
    assert add.locks == {"public.a": "ACCESS EXCLUSIVE"} and not add.rows and not add.scans
    assert update.locks == {"public.a": "ROW EXCLUSIVE"} and update.rows == {"public.a": 2000}
    assert update.replaced == {"public.a": 2000}
    assert create.new == ("public.n",) and not create.locks
    assert update.wal_bytes > 100_000 > select.wal_bytes


def test_what_the_session_read_before_is_not_the_scripts(copy: Where) -> None:
    with connect(copy, application_name="test") as session:
        session.execute("SELECT count(*) FROM a")  # the server hands its counts on only once a second
        probe = Probe(session)
        text = script("BEGIN;\nSELECT 1;\nALTER TABLE a ADD c int;\nCOMMIT;\n")
        assert run(session, script=text, order=order(text), probe=probe).state == "succeeded"
        probe.close()
    assert [dict(one.scans) for one in probe.observed] == [{}, {}]


def test_it_holds_a_lock_from_its_statement_to_the_commit(copy: Where) -> None:
    text = "BEGIN;\nALTER TABLE a ADD c int;\nSELECT pg_sleep(0.2);\nALTER TABLE b ADD c int;\nCOMMIT;\n"
    first, pause, last = seen(copy, text)
    assert pause.ms >= 200
    assert first.held_ms["public.a"] >= first.ms + pause.ms
    assert last.ms <= last.held_ms["public.b"] < 200
    assert not pause.held_ms


def test_it_lets_the_script_set_its_isolation_level_first(copy: Where) -> None:
    text = (
        "BEGIN;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nSET LOCAL row_security = off;\n"
        "INSERT INTO b SELECT count(*) FROM a WHERE current_setting('transaction_isolation') = 'serializable';\n"
        "COMMIT;\n"
    )
    level, security, insert = seen(copy, text)
    assert not level.settings and security.settings == {"row_security": "off"} and not insert.settings
    assert insert.rows == {"public.b": 1} and insert.scans == {"public.a": 2000}
    assert insert.replaced == {}


def test_it_reports_a_guarded_setting_where_it_is_left_changed(copy: Where) -> None:
    text = (
        "BEGIN;\nUPDATE a SET v = 'x' WHERE id = 1;\nDO $$ BEGIN PERFORM set_config('session_replication_role',"
        " 'replica', false); END $$;\nDELETE FROM a WHERE id = 1;\nSET session_replication_role = origin;\nCOMMIT;\n"
    )
    assert [one.settings for one in seen(copy, text)] == [{}, {"session_replication_role": "replica"}, {}, {}]


def test_it_sees_rows_read_by_a_statement_that_fails(copy: Where) -> None:
    outcome, observed = rehearsed(copy, "BEGIN;\nSELECT 1;\nALTER TABLE a ALTER v TYPE int USING v::int;\nCOMMIT;\n")
    assert outcome.state == "failed" and len(observed) == 2
    assert observed[1].error == '22P02 invalid input syntax for type integer: "v"'
    assert observed[1].scans == {"public.a": 1} and not observed[1].locks


def test_it_hears_the_server_and_leaves_the_script_its_own_notices(copy: Where) -> None:
    heard = Heard()
    text = (
        "ALTER TABLE a ADD CHECK (id > 0);\nDO $$ BEGIN RAISE NOTICE 'mine'; RAISE DEBUG 'hidden'; END $$;\n"
        "DROP TABLE IF EXISTS nothing;\n"
    )
    check, raised, drop = seen(copy, text, heard=heard)
    assert check.says == ('verifying table "a"',) and raised.says == ()
    assert 'table "nothing" does not exist, skipping' in drop.says
    told = [(event.statement, event.text) for event in heard.of("notice")]
    assert told == [(2, "mine"), (3, 'table "nothing" does not exist, skipping')]


def test_it_survives_what_a_script_does_to_its_session(copy: Where) -> None:
    text = (
        "BEGIN;\nDO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$;\nSET search_path = pg_temp;\n"
        "SET client_min_messages = error;\n"
        "CREATE TABLE public.pg_class (relation int, oid int);\nSET search_path = public, pg_catalog;\n"
        "UPDATE public.a SET v = 'y' WHERE id < 11;\nCOMMIT;\n"
        "BEGIN;\nALTER TABLE a ADD c int;\nUPDATE a SET v = 'z' WHERE id < 6;\nDROP TABLE b;\nCOMMIT;\n"
    )
    observed = seen(copy, text)
    assert [dict(one.rows) for one in observed[-4:]] == [{"public.a": 10}, {}, {"public.a": 5}, {}]


def test_it_forgets_a_try_that_was_rolled_back(copy: Where, other: Session) -> None:
    """The second try makes the same table again: it is new, and what it rewrites is rewritten once more."""
    other.execute("BEGIN; LOCK TABLE b IN ACCESS SHARE MODE")

    def lets_go(event: Event) -> None:
        if event.kind == "retry":
            other.execute("COMMIT")

    text = "BEGIN;\nCREATE TABLE n (id int);\nALTER TABLE a ALTER id TYPE bigint;\nDROP TABLE b;\nCOMMIT;\n"
    of = script(text)
    with stage.registered(copy) as session:
        probe = Probe(session)
        outcome = run(session, script=of, order=order(of), probe=probe, on_event=lets_go, limits=stage.QUICK)
    assert outcome.state == "succeeded"
    assert [one.statement for one in probe.observed] == [1, 2, 3]
    assert probe.observed[0].new == ("public.n",) and probe.observed[1].rewrites == ("public.a",)
    assert probe.observed[1].indexes == ("public.a_pkey",)


def test_it_knows_across_steps_what_the_script_made_itself(copy: Where) -> None:
    text = (
        "BEGIN;\nCREATE TABLE n (id int, v text);\nINSERT INTO n SELECT id, v FROM a;\nCOMMIT;\n"
        "CREATE INDEX CONCURRENTLY n_v ON n (v);\n"
        "BEGIN;\nALTER TABLE n ALTER id TYPE bigint;\nALTER TABLE n ADD PRIMARY KEY (id);\nCOMMIT;\n"
    )
    create, insert, build, alter, key = seen(copy, text)
    assert create.new == ("public.n",) and insert.rows == {"public.n": 2000}
    for one in (build, alter, key):
        assert (dict(one.locks), one.rewrites, one.indexes, one.new) == ({}, (), (), ())


def test_it_keeps_the_names_of_the_time_before(copy: Where) -> None:
    text = "BEGIN;\nALTER TABLE a RENAME TO z;\nCOMMIT;\nBEGIN;\nALTER TABLE z ALTER id TYPE bigint;\nCOMMIT;\n"
    rename, rewrite = seen(copy, text)
    assert rename.locks == {"public.a": "ACCESS EXCLUSIVE"}
    assert rewrite.rewrites == ("public.a",) and rewrite.indexes == ("public.a_pkey",)


def test_it_samples_what_runs_outside_a_transaction(copy: Where) -> None:
    text = "CREATE INDEX CONCURRENTLY a_v ON a (v);\nREINDEX INDEX CONCURRENTLY a_v;\nVACUUM FULL a;\nVACUUM b;\n"
    build, rebuild, full, vacuum, drop = seen(copy, text + "DROP INDEX CONCURRENTLY a_v;\n")
    assert not any(one.exact for one in (build, rebuild, full, vacuum))
    assert (build.locks, build.indexes) == ({"public.a": "SHARE UPDATE EXCLUSIVE"}, ("public.a_v",))
    assert (rebuild.locks, rebuild.indexes) == ({"public.a": "SHARE UPDATE EXCLUSIVE"}, ("public.a_v",))
    assert full.locks == {"public.a": "ACCESS EXCLUSIVE"} and full.rewrites == ("public.a",)
    assert full.indexes == ("public.a_pkey", "public.a_v")
    assert vacuum.locks == {"public.b": "SHARE UPDATE EXCLUSIVE"} and not vacuum.rewrites
    assert drop.locks == {"public.a": "SHARE UPDATE EXCLUSIVE"} and not drop.indexes


def test_it_samples_a_lock_that_only_looking_can_find(copy: Where) -> None:
    with stage.registered(copy) as session:
        session.execute("CREATE TABLE big AS SELECT g AS id, repeat('x', 200) AS t FROM generate_series(1, 60000) g")
        session.execute("CREATE INDEX big_t ON big (t); CLUSTER big USING big_t")
    (cluster,) = seen(copy, "CLUSTER;\n")
    assert cluster.locks == {"public.big": "ACCESS EXCLUSIVE"}
    assert 0 < cluster.held_ms["public.big"] <= cluster.ms + 2


def test_it_keeps_what_a_failed_single_step_left(copy: Where) -> None:
    with stage.registered(copy) as session:
        session.execute("INSERT INTO b VALUES (1), (1)")
    outcome, observed = rehearsed(copy, "CREATE UNIQUE INDEX CONCURRENTLY b_id ON b (id);\n")
    assert outcome.state == "failed"
    assert observed[0].error == '23505 could not create unique index "b_id"' and observed[0].exact is False


def test_it_counts_a_batched_step_as_one(copy: Where) -> None:
    text = "-- changecontrol: batch key=id size=300\nINSERT INTO b SELECT id FROM a WHERE id <= 1000;\n"
    (batched,) = seen(copy, text)
    assert batched.rows == {"public.b": 1000} and batched.locks == {"public.b": "ROW EXCLUSIVE"}
    assert batched.exact is False and batched.ms > 0 and batched.line == 2


def test_it_leaves_a_run_without_a_probe_as_light_as_it_was(copy: Where) -> None:
    """A production run sends the script, its timeouts and the ledger; the server still hides its remarks."""
    heard = Heard()
    with stage.registered(copy) as session:
        assert go(session, "ALTER TABLE a ADD CHECK (id > 0);", heard=heard).state == "succeeded"
        assert stage.one(session, "SHOW client_min_messages") == "notice"
    assert heard.of("notice") == []


def test_it_reads_the_older_version_alike(older: Where) -> None:
    with stage.registered(older) as session:
        session.execute("CREATE TABLE a AS SELECT g AS id FROM generate_series(1, 500) g")
    alter, build = seen(older, "ALTER TABLE a ALTER id TYPE bigint;\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n")
    assert alter.rewrites == ("public.a",) and alter.scans == {"public.a": 500} and alter.exact
    assert build.indexes == ("public.a_id",) and build.locks == {"public.a": "SHARE UPDATE EXCLUSIVE"}


def test_it_measures_the_tables_that_a_statement_worked_through(copy: Where) -> None:
    text = (
        "ANALYZE a;\nSELECT * FROM a LIMIT 5;\nUPDATE a SET v = 'w';\n"
        "ALTER TABLE a ADD u uuid DEFAULT gen_random_uuid();\n"
        "CREATE INDEX ON b (id);\nCREATE TABLE n AS SELECT * FROM b;\n"
    )
    with stage.registered(copy) as session:
        session.execute("ANALYZE a; INSERT INTO b SELECT generate_series(1, 100)")
    analyze, part, update, rewrite, build, fresh = seen(copy, text)
    assert not analyze.sizes and not part.sizes and part.scans == {"public.a": 5}
    assert update.sizes["public.a"] > 2000 * 28 and update.reported == 2000
    assert rewrite.sizes["public.a"] > 2000 * 44 and set(build.sizes) == {"public.b"}
    assert set(fresh.sizes) == {"public.b"} and fresh.reported == 100


def test_it_measures_after_a_single_step_as_well(copy: Where) -> None:
    (build,) = seen(copy, "CREATE INDEX CONCURRENTLY a_v ON a (v);\n")
    assert build.sizes["public.a"] > 2000 * 28


def test_it_blames_the_commit_for_what_only_the_commit_finds(copy: Where) -> None:
    text = (
        "BEGIN;\nALTER TABLE b ADD FOREIGN KEY (id) REFERENCES a DEFERRABLE INITIALLY DEFERRED;\n"
        "INSERT INTO b VALUES (0);\nCOMMIT;\n"
    )
    outcome, (key, insert) = rehearsed(copy, text)
    assert outcome.state == "failed" and not key.error
    assert insert.error.startswith("23503 insert or update on table") and insert.error.endswith("(at COMMIT)")


def test_it_takes_no_snapshot_before_the_last_set_transaction(copy: Where) -> None:
    text = (
        "BEGIN;\nLOCK TABLE a IN SHARE MODE;\nSET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n"
        "INSERT INTO b VALUES (1);\nCOMMIT;\n"
    )
    assert seen(copy, text)[-1].locks == {"public.a": "SHARE", "public.b": "ROW EXCLUSIVE"}


def test_it_finds_whole_schemas_by_what_was_rebuilt_in_them(copy: Where) -> None:
    with stage.registered(copy) as session:
        session.execute("CREATE TABLE p (id int) PARTITION BY LIST (id)")
        session.execute("CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE INDEX p_id ON p (id)")
    rebuild, detach = seen(copy, "REINDEX SCHEMA public;\nALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;\n")
    assert rebuild.locks == {"public.a": "SHARE", "public.p1": "SHARE"}
    assert rebuild.indexes == ("public.a_pkey", "public.p1_id_idx")
    assert detach.locks == {"public.p": "SHARE UPDATE EXCLUSIVE", "public.p1": "ACCESS EXCLUSIVE"}


def test_it_adds_up_two_tables_of_one_name(copy: Where) -> None:
    """DROP and CREATE in one statement: what was read of the old and of the new one bears the same name."""
    text = (
        "DO $$ BEGIN CREATE TEMP TABLE kept AS SELECT * FROM a; DROP TABLE a; CREATE TABLE a (id int, v text);"
        " INSERT INTO a SELECT * FROM kept; PERFORM count(*) FROM a; END $$;\n"
    )
    (swap,) = seen(copy, text)
    assert swap.rows == {"pg_temp.kept": 2000, "public.a": 2000}
    assert swap.scans == {"pg_temp.kept": 2000, "public.a": 4000}
    assert swap.locks == {"public.a": "ACCESS EXCLUSIVE"} and not swap.rewrites and not swap.indexes


def test_a_session_may_have_one_probe_after_the_other(copy: Where) -> None:
    text = "ALTER TABLE a ADD x int;\nALTER TABLE a ADD y int;\nALTER TABLE b ADD x int;\n"
    with stage.registered(copy) as session:
        for migration in (7, 8):
            of = script(text.replace(" int", f"{migration} int"))
            probe = Probe(session)
            outcome = run(session, script=of, order=order(of, migration=migration), probe=probe, limits=stage.QUICK)
            assert outcome.state == "succeeded", outcome
            assert [dict(one.locks) for one in probe.observed] == [
                {"public.a": "ACCESS EXCLUSIVE"},
                {},
                {"public.b": "ACCESS EXCLUSIVE"},
            ]
