"""A rehearsal overrules what the text predicts: false alarms go, what only execution shows is added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from changecontrol.rules import judging
from changecontrol.rules.context import Column, Constraint, Context, Index, Table
from changecontrol.rules.finding import Finding
from changecontrol.rules.observed import Observed
from changecontrol.rules.plan import Direction
from changecontrol.rules.policy import Limits, Policy
from changecontrol.rules.refusal import Refused
from tests.rules.statements import script
from tests.rules.test_every_statement import FILES, read

CONTEXT = Context(
    server_major=18,
    tables={
        "public.t": Table(
            rows=20000,
            columns={"v": Column("character varying(20)"), "k": Column("bigint", not_null=True)},
            indexes={"t_k": Index(("k",))},
            constraints={"nn": Constraint("c", "CHECK ((v IS NOT NULL))", ("v",))},
        ),
        "public.u": Table(rows=50),
        "public.pt": Table(kind="p"),
        "public.pt_1": Table(parent="public.pt"),
        "public.pt_2": Table(parent="public.pt"),
    },
)
AEL, SUE, SHARE = "ACCESS EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE"


def final(
    sql: str,
    *seen: dict[str, Any],
    changed: dict[str, Any] | None = None,
    policy: Policy | None = None,
    context: Context = CONTEXT,
) -> list[Finding]:
    """Judge a text with what was seen of each of its statements."""
    policy = policy or Policy()
    of = script(sql)
    steps = [(step.number, statement) for step in of.steps for statement in step.statements]
    observed = [
        replace(Observed(step, one.number, 1.0, one.line, one.column, one.sql, one.kind, one.source), **what)
        for (step, one), what in zip(steps, seen, strict=True)
    ]
    predicted = judging.static(of, None, policy=policy)
    return judging.final(predicted, [], observed=observed, changed=changed or {}, context=context, policy=policy)


def blocking(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(one.rule, one.basis) for one in found if one.blocks]


def test_a_type_change_without_a_rewrite_was_a_false_alarm() -> None:
    assert final("ALTER TABLE t ALTER v TYPE varchar(40)", {"locks": {"public.t": AEL}}) == []


def test_a_rewrite_confirms_it_and_is_said() -> None:
    seen = {"locks": {"public.t": AEL}, "rewrites": ("public.t",), "indexes": ("public.t_k",)}
    (found,) = final("ALTER TABLE t ALTER v TYPE int4", seen)
    assert (found.rule, found.severity, found.basis) == ("change-type", "error", "observed")
    assert found.message.endswith("The rehearsal saw public.t written anew.")


def test_a_doubtful_default_that_rewrites_becomes_an_error() -> None:
    seen = {"locks": {"public.t": AEL}, "rewrites": ("public.t",)}
    (found,) = final("ALTER TABLE t ADD c int DEFAULT mine()", seen)
    assert (found.rule, found.severity, found.basis) == ("add-column-rewrites", "error", "observed")


def test_a_rewrite_that_nobody_predicted_is_added() -> None:
    seen = {"locks": {"public.t": AEL}, "rewrites": ("public.t",)}
    assert blocking(final("ALTER TABLE t ADD c positive", seen)) == [("rewrites-table", "observed")]


def test_a_scan_needs_a_lock_that_blocks_writers() -> None:
    validate = "ALTER TABLE t VALIDATE CONSTRAINT c"
    assert final(validate, {"locks": {"public.t": SUE}, "scans": {"public.t": 20000}}) == []
    both = f"BEGIN; ALTER TABLE t ADD c int; {validate}; COMMIT"
    seen = ({"locks": {"public.t": AEL}}, {"scans": {"public.t": 20000}, "says": ('verifying table "t"',)})
    assert blocking(final(both, *seen)) == [("lock-held-meanwhile", "observed")]
    apart = f"BEGIN; ALTER TABLE t ADD c int; COMMIT; {validate}"
    assert final(apart, *seen) == []


def test_a_foreign_key_of_a_new_table_has_no_row_to_check() -> None:
    key = "ALTER TABLE {} ADD FOREIGN KEY (k) REFERENCES u"
    seen = {"locks": {"public.u": "SHARE ROW EXCLUSIVE"}, "says": ('validating foreign key constraint "f"',)}
    made = "BEGIN; CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY, k bigint UNIQUE); {}; COMMIT"
    assert final(made.format(key.format("n")), {"new": ("public.n",)}, seen) == []
    empty = {**seen, "locks": {"public.u": "SHARE ROW EXCLUSIVE", "public.t": "SHARE ROW EXCLUSIVE"}}
    assert ("add-foreign-key", "observed") in blocking(final(key.format("t"), empty))


def test_a_valid_check_spares_the_scan() -> None:
    assert final("ALTER TABLE t ALTER v SET NOT NULL", {"locks": {"public.t": AEL}}) == []


def test_an_index_under_share_blocks_and_one_built_concurrently_does_not() -> None:
    built = {"indexes": ("public.i",)}
    assert blocking(final("CREATE INDEX i ON t (v)", {"locks": {"public.t": SHARE}, **built})) == [
        ("create-index", "observed")
    ]
    assert final("CREATE INDEX CONCURRENTLY i ON t (v)", {"locks": {"public.t": SUE}, "exact": False, **built}) == []


def test_rows_count_over_the_whole_transaction() -> None:
    half = {"rows": {"public.t": 600}, "scans": {"public.t": 20000}}
    two = "UPDATE t SET v = 'a' WHERE k < 600; UPDATE t SET v = 'b' WHERE k > 600"
    assert blocking(final(f"BEGIN; {two}; COMMIT", half, half)) == [("update-many", "observed")]
    assert final(f"BEGIN; {two.replace('; ', '; COMMIT; BEGIN; ')}; COMMIT", half, half) == []


def test_all_rows_of_a_small_copy_are_many() -> None:
    seen = {"rows": {"public.u": 50}, "scans": {"public.u": 50}}
    assert blocking(final("UPDATE u SET a = 1 WHERE b > 0", seen)) == [("update-many", "observed")]


def test_the_limit_is_the_policys() -> None:
    seen = {"rows": {"public.t": 600}, "scans": {"public.t": 20000}}
    policy = Policy(limits=Limits(rows_in_one_transaction=500))
    assert blocking(final("UPDATE t SET v = 'a' WHERE k < 600", seen, policy=policy)) == [("update-many", "observed")]


def test_an_empty_copy_contradicts_nothing() -> None:
    empty = Context(tables={"public.t": Table(rows=0), "public.u": Table(rows=0)})
    found = final("INSERT INTO t SELECT * FROM u", {"locks": {"public.t": "ROW EXCLUSIVE"}}, context=empty)
    assert blocking(found) == [("insert-select", "predicted")]
    assert blocking(final("INSERT INTO t SELECT * FROM u", {"locks": {"public.t": "ROW EXCLUSIVE"}})) == []


def test_batches_are_not_one_transaction() -> None:
    sql = "-- changecontrol: batch key=k size=1000\nUPDATE t SET v = 'a' WHERE v IS NULL"
    assert final(sql, {"rows": {"public.t": 20000}, "exact": False}) == []


def test_rows_of_new_tables_count_for_nothing() -> None:
    sql = "BEGIN; CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY); INSERT INTO n SELECT k FROM t; COMMIT"
    assert final(sql, {"new": ("public.n",)}, {"rows": {"public.n": 20000}, "scans": {"public.t": 20000}}) == []


def test_partitions_are_one_table() -> None:
    locks = dict.fromkeys(("public.pt", "public.pt_1", "public.pt_2"), AEL)
    assert final("ALTER TABLE pt ADD c int", {"locks": locks}) == []
    assert blocking(final("ALTER TABLE pt ADD c int", {"locks": locks | {"public.t": AEL}})) == [
        ("two-tables-locked", "observed")
    ]


def test_a_partition_is_one_with_its_table_from_the_moment_it_is_attached() -> None:
    locks = {"public.pt": SUE, "public.pt_1": AEL, "public.u": AEL}
    attach = "ALTER TABLE pt ATTACH PARTITION u FOR VALUES IN (1)"
    assert blocking(final(attach, {"locks": locks})) == []
    assert ("attach-partition", "observed") in blocking(final(attach, {"locks": locks, "scans": {"public.u": 50}}))


def test_the_first_rows_of_a_table_are_not_all_of_it() -> None:
    few = {"rows": {"public.u": 5}, "scans": {"public.u": 5}}
    assert final("INSERT INTO u SELECT a FROM u LIMIT 5", few) == []


def test_a_table_that_was_emptied_was_there_whatever_the_text_says() -> None:
    text = "BEGIN; CREATE TABLE IF NOT EXISTS o (id bigint PRIMARY KEY); TRUNCATE o; COMMIT"
    old = {"locks": {"public.t": AEL}, "rewrites": ("public.t",)}
    assert blocking(final(text, {}, old)) == [("truncate", "observed")]
    assert blocking(final("TRUNCATE t", old)) == [("truncate", "observed")]
    assert blocking(final(text, {"new": ("public.o",)}, {})) == []


def test_settings_left_changed_are_critical() -> None:
    seen = {"settings": {"session_replication_role": "replica"}}
    (found,) = [one for one in final("SELECT switch_off()", seen) if one.blocks]
    assert (found.rule, found.severity, found.basis) == ("replication-role", "critical", "observed")


def test_a_failure_is_an_error_with_its_words() -> None:
    (found,) = [one for one in final("ALTER TABLE t ADD k int", {"error": "42701 it exists"}) if one.blocks]
    assert found.rule == "forward-failed" and "42701 it exists" in found.message


def test_statements_behind_a_failure_keep_their_predictions() -> None:
    predicted = judging.static(script("ALTER TABLE t ALTER v TYPE varchar(40)"), None, policy=Policy())
    found = judging.final(predicted, [], observed=[], changed={}, context=CONTEXT, policy=Policy())
    assert blocking(found) == [("change-type", "predicted")]


def test_the_policy_decides_how_grave_a_rule_is() -> None:
    policy = Policy(severities={"drop-column": "note", "rewrites-table": "warning"})
    seen = {"locks": {"public.t": AEL}, "rewrites": ("public.t",)}
    assert final("ALTER TABLE t DROP v", {"locks": {"public.t": AEL}}, policy=policy)[0].severity == "note"
    assert final("ALTER TABLE t ADD c positive", seen, policy=policy)[0].severity == "warning"


def test_cascades_are_named() -> None:
    says = ("drop cascades to view v", "drop cascades to constraint f on table u")
    (found,) = final("DROP TABLE t CASCADE", {"locks": {"public.t": AEL}, "says": says})
    assert found.message.endswith("In the rehearsal view v, constraint f on table u fell with it.")


def test_what_the_context_does_not_know_was_made_by_the_migration_itself() -> None:
    seen = {"locks": {"public.n": AEL, "public.m": AEL}, "rewrites": ("public.m",), "rows": {"public.n": 9000}}
    assert blocking(final("SELECT take_back()", seen)) == []


# --- what the catalog shows


def difference(**lists: dict[str, tuple[str, str]]) -> dict[str, Any]:
    definitions = {name: both for found in lists.values() for name, both in found.items()}
    return {kind: list(found) for kind, found in lists.items()} | {"definitions": definitions}


DO = "DO $$ DECLARE x text; BEGIN FOR x IN SELECT q FROM jobs LOOP EXECUTE x; END LOOP; END $$"


def opaque(**lists: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
    seen = {"locks": {"public.t": AEL}}
    return blocking(final(DO, seen, changed=difference(**lists)))


def test_what_code_dropped_is_found_in_the_catalog() -> None:
    gone = {"column public.t.v": ("text", ""), "trigger g on public.t": ("CREATE TRIGGER g …", "")}
    assert sorted(opaque(missing=gone)) == [("drop-column", "observed"), ("drop-trigger", "observed")]


def test_members_of_a_dropped_table_are_not_told_one_by_one() -> None:
    gone = {"table public.t": ("owner @self", ""), "column public.t.v": ("text", ""), "index public.t_k": ("", "")}
    assert opaque(missing=gone) == [("drop-table", "observed")]


def test_a_json_column_that_a_partition_brings_from_its_table_is_no_new_one() -> None:
    new = {"table public.n": ("", "owner @self; partition FOR VALUES IN (1); inherits public.pt")}
    assert ("json-column", "observed") not in opaque(extra={**new, "column public.n.v": ("", "json inherited")})
    assert ("json-column", "observed") in opaque(extra={**new, "column public.n.v": ("", "json")})


def test_a_rename_is_one_thing() -> None:
    found = opaque(missing={"column public.t.v": ("text", "")}, extra={"column public.t.w": ("", "text")})
    assert found == [("rename-column", "observed")]


def test_protection_that_was_weakened_is_critical() -> None:
    on = "owner @self; row security on; row security forced; grants @self=SELECT"
    off = "owner @self; row security on; grants @self=SELECT, public=SELECT"
    assert sorted(opaque(changed={"table public.t": (on, off)})) == [
        ("disable-row-security", "observed"),
        ("grant-to-public", "observed"),
    ]
    state = {"trigger g on public.t": ("CREATE TRIGGER g", "CREATE TRIGGER g; DISABLED")}
    assert opaque(changed=state) == [("disable-trigger", "observed")]


def test_functions_are_judged_by_their_definition() -> None:
    path = "\n SET search_path TO 'pg_catalog'"
    safe = f"owner @self; CREATE FUNCTION f()\n SECURITY DEFINER{path}\nAS 'x'; grants public=EXECUTE"
    unsafe = safe.replace(path, "")
    found = {rule for rule, _basis in opaque(changed={"function public.f()": (safe, unsafe)})}
    assert found == {"security-definer-path", "replace-function", "opaque-lock"}


def test_an_added_column_explains_its_lock() -> None:
    assert opaque(extra={"column public.t.w": ("", "text")}) == []
    assert opaque(extra={"column public.u.w": ("", "text")}) == [("opaque-lock", "observed")]


def test_what_a_finding_says_already_is_not_said_again() -> None:
    changed = difference(missing={"column public.t.v": ("text", "")})
    found = final("ALTER TABLE t DROP v", {"locks": {"public.t": AEL}}, changed=changed)
    assert blocking(found) == [("drop-column", "predicted")]


def test_a_new_function_was_not_replaced() -> None:
    sql = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'"
    new = {"function public.f()": ("", "owner @self; CREATE FUNCTION f() …; grants @self=EXECUTE, public=EXECUTE")}
    assert final(sql, {}, changed=difference(extra=new)) == []
    old = {"function public.f()": ("owner @self; a", "owner @self; b")}
    assert blocking(final(sql, {}, changed=difference(changed=old))) == [("replace-function", "predicted")]


# --- nothing breaks it


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_statement_of_postgresql_can_be_judged(file: Path) -> None:
    for sql, _sentence in read(file):
        try:
            of = script(sql)
        except Refused:
            continue
        predicted = judging.static(of, of, policy=Policy(protected_tables=("t",), hashed_columns=("t.a",)))
        assert all(one.message and "{" not in one.rule for one in predicted), sql
        judging.static(of, None, policy=Policy(), context=CONTEXT)


# --- places, and both directions


def test_findings_stand_at_their_statement() -> None:
    found = judging.static(script("SELECT 1;\n\n  ALTER TABLE t\n    DROP v;"), None, policy=Policy())
    assert [(one.file, one.line, one.column) for one in found] == [("009_example.sql", 3, 3)]


def test_a_table_that_was_there_is_not_new_because_the_text_says_so() -> None:
    text = "CREATE TABLE IF NOT EXISTS t (id bigint PRIMARY KEY); TRUNCATE t;"
    assert judging.static(script(text), None, policy=Policy()) == []
    assert [one.rule for one in judging.static(script(text), None, policy=Policy(), context=CONTEXT)] == ["truncate"]


def test_a_table_of_the_same_name_in_another_schema_is_another_one() -> None:
    text = "CREATE TABLE IF NOT EXISTS s.t (id bigint PRIMARY KEY); TRUNCATE {}.t;"
    assert [one.rule for one in judging.static(script(text.format("r")), None, policy=Policy())] == ["truncate"]
    assert judging.static(script(text.format("s")), None, policy=Policy()) == []


def test_inside_code_the_line_is_said() -> None:
    sql = "DO $$\nBEGIN\n  PERFORM 1;\n  TRUNCATE t;\nEND $$"
    (found,) = judging.static(script(sql), None, policy=Policy())
    assert (found.line, found.message[:27]) == (1, "In the DO block, line 4: TR")


def test_a_rollback_may_drop_what_its_migration_made() -> None:
    forward = script("ALTER TABLE t ADD c int; CREATE TABLE IF NOT EXISTS n (id bigint PRIMARY KEY);")
    back = script("DROP TABLE n; ALTER TABLE t DROP c; ALTER TABLE t DROP d;", Direction.ROLLBACK)
    found = judging.static(forward, back, policy=Policy())
    assert [one.message[:15] for one in found if one.rule == "drop-column"] == ["The values of d"]


def test_what_the_rollback_forgets_is_said_at_the_statement_that_makes_it() -> None:
    forward = script("CREATE INDEX CONCURRENTLY i ON t (a);\nALTER TABLE t ADD c int;")
    back = script("DROP INDEX CONCURRENTLY i;", Direction.ROLLBACK)
    found = [one for one in judging.static(forward, back, policy=Policy()) if one.rule == "rollback-leaves-behind"]
    assert [(one.line, one.severity) for one in found] == [(2, "warning")]
