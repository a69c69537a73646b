"""Transaction steps: all or nothing, together with the ledger row."""

from __future__ import annotations

from changecontrol.targets import ledger
from changecontrol.targets.connection import Session, lock
from changecontrol.targets.outcome import Event, Limits
from changecontrol.targets.runner import run
from tests.targets.stage import QUICK, Heard, go, one, order, ran, script, unique


def test_it_commits_the_step_and_its_ledger_row_together(session: Session) -> None:
    heard = Heard()
    outcome = go(session, "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (2);\nCOMMIT;\n", heard=heard)
    assert (outcome.state, outcome.effect, outcome.steps_done, outcome.steps_total) == ("succeeded", "complete", 1, 1)
    done = [row for row in ledger.rows(session) if row.kind == "done"]
    assert [(row.step, row.steps, row.migration, row.actor) for row in done] == [(1, 1, 2, "theo")]
    assert one(session, "SELECT DISTINCT xmin::text::bigint FROM a") == done[0].xid
    assert [event.data["rows"] for event in heard.of("statement_done")] == [0, 2]
    assert heard.kinds[0] == "run_started" and "committed" in heard.kinds


def test_it_leaves_nothing_of_a_step_that_fails(session: Session) -> None:
    outcome = go(session, "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO\n  b VALUES (1);\nCOMMIT;\n")
    assert (outcome.state, outcome.effect, outcome.steps_done) == ("failed", "none", 0)
    assert outcome.error is not None
    assert (outcome.error.sqlstate, outcome.error.statement, outcome.error.line, outcome.error.column) == (
        "42P01",
        2,
        4,
        3,
    )
    assert outcome.error.sentence.startswith('002_example.sql line 4, column 3: relation "b" does not exist (42P01).')
    assert one(session, "SELECT to_regclass('a') IS NULL")
    assert [row.kind for row in ledger.rows(session)] == ["finished"]


def test_it_keeps_finished_steps_when_a_later_one_fails_and_resumes_behind_them(session: Session) -> None:
    first = "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n"
    text = first + "BEGIN;\nCREATE TABLE b (id int REFERENCES c);\nCOMMIT;\nBEGIN;\nCREATE TABLE d (id int);\nCOMMIT;\n"
    outcome = go(session, text)
    assert (outcome.state, outcome.effect, outcome.steps_done, outcome.steps_total) == ("failed", "partial", 1, 3)
    session.execute("CREATE TABLE c (id int PRIMARY KEY)")
    heard = Heard()
    outcome = go(session, text, heard=heard, execution_id="2", attempt=1, fence=2)
    assert (outcome.state, outcome.effect, outcome.steps_done) == ("succeeded", "complete", 3)
    assert [event.step for event in heard.of("step_skipped")] == [1]


def test_it_does_nothing_for_an_order_that_was_carried_out(session: Session) -> None:
    text = "CREATE TABLE a (id int);"
    ran(session, text)
    heard = Heard()
    assert go(session, text, heard=heard).state == "succeeded"
    assert heard.kinds == ["run_started", "step_skipped"]


def test_it_refuses_to_resume_with_another_script(session: Session) -> None:
    tail = "BEGIN;\nSELECT 1/0;\nCOMMIT;\n"
    go(session, "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n" + tail)
    outcome = go(session, "BEGIN;\nCREATE TABLE other (id int);\nCOMMIT;\n" + tail, fence=2, execution_id="2")
    assert outcome.state == "failed" and outcome.effect == "partial"
    assert outcome.error is not None and "came from another script" in outcome.error.sentence


def test_it_resumes_with_a_revision_whose_first_steps_are_the_same(session: Session) -> None:
    head = "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n"
    go(session, head + "BEGIN;\nSELECT 1/0;\nCOMMIT;\n")
    assert go(session, head + "BEGIN;\nSELECT 1/1;\nCOMMIT;\n", fence=2, execution_id="2").effect == "complete"


def test_it_rolls_back_to_nothing_and_runs_forward_again_in_one_execution(session: Session) -> None:
    forward, back = "CREATE TABLE a (id int);", "DROP TABLE a;"
    assert ran(session, forward, pass_no=1).effect == "complete"
    outcome = ran(session, back, direction="rollback", pass_no=2)
    assert (outcome.effect, outcome.steps_done) == ("none", 1)
    assert go(session, forward, pass_no=1).effect == "none"  # a redelivered first pass does not run again
    assert one(session, "SELECT to_regclass('a') IS NULL")
    assert ran(session, forward, pass_no=3).effect == "complete"


def test_it_runs_the_passes_of_a_new_attempt_again(session: Session) -> None:
    """Staging begins anew after a killed worker: a pass must not count because an earlier attempt had done it."""
    forward, back = "CREATE TABLE a (id int);", "DROP TABLE a;"
    for attempt in (1, 2, 3):
        assert ran(session, forward, pass_no=1, attempt=attempt).effect == "complete"
        assert one(session, "SELECT to_regclass('a') IS NOT NULL")
        assert ran(session, back, direction="rollback", pass_no=2, attempt=attempt).effect == "none"
        assert one(session, "SELECT to_regclass('a') IS NULL")


def test_it_knows_a_rollback_that_an_earlier_attempt_finished(session: Session) -> None:
    ran(session, "CREATE TABLE a (id int);")
    ran(session, "DROP TABLE a;", direction="rollback", execution_id="2", fence=2)
    outcome = ran(session, "DROP TABLE a;", direction="rollback", execution_id="2", fence=2, attempt=2)
    assert (outcome.effect, outcome.steps_done) == ("none", 1)


def test_it_rolls_back_what_is_partly_on(session: Session) -> None:
    go(session, "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\nBEGIN;\nSELECT 1/0;\nCOMMIT;\n")
    assert ran(session, "DROP TABLE IF EXISTS a;", direction="rollback", execution_id="2", fence=2).effect == "none"


def test_it_refuses_to_roll_back_what_is_not_on(session: Session) -> None:
    outcome = go(session, "SELECT 1;", direction="rollback")
    assert outcome.state == "failed" and outcome.effect == "none"
    assert outcome.error is not None and "nothing to roll back" in outcome.error.sentence


def test_it_refuses_to_run_forward_over_a_half_done_rollback(session: Session) -> None:
    ran(session, "CREATE TABLE a (id int);")
    back = "BEGIN;\nALTER TABLE a ADD b int;\nCOMMIT;\nBEGIN;\nSELECT 1/0;\nCOMMIT;\n"
    outcome = go(session, back, direction="rollback", execution_id="2", fence=2)
    assert (outcome.effect, outcome.steps_done) == ("partial", 1)
    again = go(session, "CREATE TABLE a (id int);", execution_id="3", fence=3)
    assert again.error is not None and "rollback of 002 is partly done" in again.error.sentence


def test_it_refuses_a_target_without_a_ledger(other: Session) -> None:
    outcome = go(other, "SELECT 1;")
    assert outcome.state == "failed" and outcome.error is not None
    assert outcome.error.sentence == "The target has no ledger. Register it first."


def test_it_sends_percent_signs_and_backslashes_verbatim(session: Session) -> None:
    ran(session, r"""CREATE TABLE a AS SELECT '100 % of %s and %(name)s, 50%% \n' AS t, 7 % 4 AS n;""")
    assert session.execute("SELECT t, n FROM a").fetchone() == (r"100 % of %s and %(name)s, 50%% \n", 3)


def test_it_discards_what_a_script_set(session: Session) -> None:
    text = (
        "BEGIN;\nSET TimeZone = 'Asia/Tokyo';\nSET search_path = pg_catalog;\nSET lock_timeout = '9min';\n"
        "SET client_min_messages = error;\nCOMMIT;\n"
        "BEGIN;\nCREATE TABLE a AS SELECT current_setting('TimeZone') AS zone,\n"
        "  current_setting('search_path') AS path;\n"
        "COMMIT;\n"
    )
    ran(session, text)
    assert session.execute("SELECT zone, path FROM public.a").fetchone() == ("UTC", "public")
    assert one(session, "SHOW lock_timeout") == "3s"


def test_it_writes_the_ledger_in_its_own_role_whatever_the_script_became(session: Session) -> None:
    role = unique("reader")
    session.execute(f"CREATE ROLE {role}".encode())
    session.execute(f"GRANT CREATE ON SCHEMA public TO {role}".encode())
    seen: list[int] = []

    def reads(event: Event) -> None:
        if event.kind == "committed":
            seen.append(len(ledger.rows(session)))

    text = script(f"SET ROLE {role};\nCREATE TABLE a (id int);\n")
    assert run(session, script=text, order=order(text), on_event=reads, limits=QUICK).state == "succeeded"
    assert seen == [1]  # a callback may read the ledger over the same session
    assert one(session, "SELECT tableowner FROM pg_tables WHERE tablename = 'a'") == role
    assert one(session, "SELECT current_user") == "postgres"
    session.execute(b"DROP TABLE a")
    session.execute(f"REVOKE CREATE ON SCHEMA public FROM {role}; DROP ROLE {role}".encode())


def test_it_tells_notices_with_their_statement(session: Session) -> None:
    heard = Heard()
    go(session, "SELECT 1;\nDO $$ BEGIN RAISE NOTICE 'hello 100%%'; RAISE WARNING 'careful'; END $$;\n", heard=heard)
    told = [(event.statement, event.text, event.data["severity"]) for event in heard.of("notice")]
    assert told == [(2, "hello 100%", "NOTICE"), (2, "careful", "WARNING")]


def test_it_keeps_the_options_of_begin(session: Session) -> None:
    session.execute("CREATE TABLE level (level text)")
    ran(
        session,
        "BEGIN ISOLATION LEVEL SERIALIZABLE;\n"
        "INSERT INTO level SELECT current_setting('transaction_isolation');\nCOMMIT;\n"
        "BEGIN READ ONLY;\nSELECT 1;\nCOMMIT;\n",
    )
    assert one(session, "SELECT level FROM level") == "serializable"


def test_it_reports_an_error_that_only_commit_finds(session: Session) -> None:
    session.execute("CREATE TABLE parent (id int PRIMARY KEY)")
    session.execute("CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    outcome = go(session, "BEGIN;\nINSERT INTO child VALUES (1);\nCOMMIT;\n")
    assert (outcome.state, outcome.effect) == ("failed", "none")
    assert outcome.error is not None and outcome.error.sqlstate == "23503"
    assert "(id)=(1)" not in outcome.error.sentence  # values of rows are nobody's business here


def test_it_stops_before_the_next_step_when_it_may_not_continue(session: Session) -> None:
    answers = iter([None, "our own database does not answer."])
    outcome = go(session, TWO_STEPS, may_continue=lambda: next(answers))
    assert (outcome.state, outcome.effect, outcome.steps_done) == ("failed", "partial", 1)
    assert outcome.error is not None
    assert outcome.error.sentence == "Stopped before step 2: our own database does not answer."


def test_it_finishes_the_running_step_when_events_cannot_be_stored(session: Session) -> None:
    def broken(event: Event) -> None:
        if event.kind == "statement_done":
            raise ConnectionError

    outcome = run(session, script=script(TWO_STEPS), order=order(script(TWO_STEPS)), on_event=broken, limits=QUICK)
    assert (outcome.effect, outcome.steps_done) == ("partial", 1)
    assert outcome.error is not None and "could not record what happened (ConnectionError)" in outcome.error.sentence


def test_it_aborts_a_statement_in_flight(session: Session) -> None:
    asked = iter([None, None, "Theo pressed abort."] + ["again"] * 1000)
    outcome = go(session, "BEGIN;\nCREATE TABLE a (id int);\nSELECT pg_sleep(60);\nCOMMIT;\n", stop=lambda: next(asked))
    assert (outcome.state, outcome.effect, outcome.steps_done) == ("aborted", "none", 0)
    assert outcome.error is not None and outcome.error.sentence == "Aborted: Theo pressed abort."
    assert one(session, "SELECT to_regclass('a') IS NULL")


def test_it_ends_a_statement_at_the_deadline(session: Session) -> None:
    outcome = go(session, "SELECT pg_sleep(60);", limits=Limits(deadline_s=0.3))
    assert outcome.state == "failed" and outcome.error is not None
    assert "the deadline of 0.3 s passed while this statement was running" in outcome.error.sentence


def test_it_refuses_a_fenced_execution(session: Session) -> None:
    go(session, "SELECT 1/0;", execution_id="2", fence=2)
    outcome = go(session, "CREATE TABLE a (id int);", fence=1)
    assert outcome.error is not None and "A newer execution owns this target" in outcome.error.sentence
    assert one(session, "SELECT to_regclass('a') IS NULL")


def test_it_undoes_a_step_whose_execution_was_fenced_off_meanwhile(session: Session, other: Session) -> None:
    def newer(event: Event) -> None:
        if event.kind == "statement_done":
            ledger.write(other, order(script("SELECT 1;"), fence=9), "finished", step=None, steps=1)

    text = script("CREATE TABLE a (id int);")
    outcome = run(session, script=text, order=order(text), on_event=newer, limits=QUICK)
    assert outcome.error is not None and outcome.error.sqlstate == ledger.FENCED
    assert "replaced by a newer one" in outcome.error.sentence
    assert one(session, "SELECT to_regclass('a') IS NULL")


def test_it_notices_that_a_script_gave_the_lock_away(session: Session) -> None:
    hidden = "DO $$ BEGIN EXECUTE 'SELECT pg_advisory_' || 'unlock_all()'; END $$;"
    text = f"BEGIN;\n{hidden}\nCOMMIT;\nBEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n"
    with lock(session, deadline=0):
        outcome = go(session, text)
    assert outcome.error is not None and "released the lock" in outcome.error.sentence


TWO_STEPS = "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\nBEGIN;\nCREATE TABLE b (id int);\nCOMMIT;\n"
