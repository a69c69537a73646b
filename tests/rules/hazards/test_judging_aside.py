"""What a rehearsal did not come to, and what it saw happen on the side: other rows, other tables, records."""

from __future__ import annotations

import pytest

from changecontrol.rules.context import Context, Table
from changecontrol.rules.policy import Policy
from tests.rules.hazards.test_judging import AEL, blocking, final, opaque

# --- lines of code that the rehearsal did not come to

GUARDED = "DO $$ BEGIN IF {} THEN ALTER TABLE t ALTER v SET NOT NULL; END IF; END $$"


def test_what_code_decides_by_rows_may_still_happen() -> None:
    (found,) = final(GUARDED.format("(SELECT count(*) FROM u) > 9"), {"locks": {"public.u": "ACCESS SHARE"}})
    assert (found.rule, found.severity, found.basis) == ("set-not-null", "error", "predicted")
    assert found.message.endswith("did not come to this line; other rows may.")


def test_what_code_decides_by_the_catalog_was_decided_in_the_rehearsal() -> None:
    guard = "NOT EXISTS (SELECT FROM pg_indexes WHERE indexname = 't_k')"
    assert final(GUARDED.format(guard), {"locks": {}}) == []


def test_a_line_that_ran_and_did_no_harm_was_a_false_alarm() -> None:
    assert final(GUARDED.format("true"), {"locks": {"public.t": AEL}}) == []


def test_children_are_locked_with_the_table_they_inherit_from() -> None:
    family = {"public.t": Table(), "public.kid": Table(inherits="public.t"), "public.u": Table()}
    locks = {"public.t": AEL, "public.kid": AEL}
    assert final("ALTER TABLE t ADD c int", {"locks": locks}, context=Context(tables=family)) == []
    both = final("ALTER TABLE t ADD c int", {"locks": locks | {"public.u": AEL}}, context=Context(tables=family))
    assert blocking(both) == [("two-tables-locked", "observed")]


# --- records under regulation, on whatever way they are changed

FAMILY = Context(
    tables={
        "public.t": Table(rows=9),
        "public.record_audit": Table(kind="p"),
        "public.old": Table(rows=9, parent="public.record_audit"),
    }
)
PROTECTS = Policy(protected_tables=("record_audit",))


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("UPDATE v SET a = 1 WHERE id = 1", "public.record_audit"),
        ("INSERT INTO t VALUES (1)", "public.record_audit"),
        ("UPDATE old SET a = 1 WHERE id = 1", "public.old"),
    ],
    ids=["through a view", "by a trigger", "in a partition"],
)
def test_protected_rows_that_changed_are_critical(sql: str, table: str) -> None:
    (found,) = final(sql, {"rows": {table: 1}, "replaced": {table: 1}}, policy=PROTECTS, context=FAMILY)
    assert (found.rule, found.severity, found.basis) == ("protected-rows", "critical", "observed")


def test_new_records_are_what_an_audit_trail_is_for() -> None:
    assert final("SELECT note()", {"rows": {"public.record_audit": 1}}, policy=PROTECTS, context=FAMILY) == []


def test_rows_of_a_protected_table_that_the_script_itself_makes_are_no_records_yet() -> None:
    sql = "CREATE TABLE record_audit (a int); SELECT fill()"
    filled = {"rows": {"public.record_audit": 2}, "replaced": {"public.record_audit": 1}}
    found = final(sql, {"new": ("public.record_audit",)}, filled, policy=PROTECTS, context=Context())
    assert "protected-rows" not in [one.rule for one in found]
    assert [one.rule for one in final("SELECT fill()", filled, policy=PROTECTS, context=FAMILY)] == ["protected-rows"]


def test_a_predicted_change_of_protected_rows_is_confirmed_once() -> None:
    seen = {"rows": {"public.record_audit": 1}, "replaced": {"public.record_audit": 1}}
    (found,) = final("UPDATE record_audit SET a = 1 WHERE id = 1", seen, policy=PROTECTS, context=FAMILY)
    assert (found.rule, found.basis) == ("protected-rows", "observed")


def test_reading_a_whole_table_while_another_is_locked_holds_everybody_up() -> None:
    sql = "BEGIN; ALTER TABLE u ADD c int; SELECT count(*) FROM t; COMMIT"
    seen = ({"locks": {"public.u": AEL}}, {"locks": {"public.t": "ACCESS SHARE"}, "scans": {"public.t": 20000}})
    assert blocking(final(sql, *seen)) == [("lock-held-meanwhile", "observed")]
    few = ({"locks": {"public.u": AEL}}, {"locks": {"public.t": "ACCESS SHARE"}, "scans": {"public.t": 20}})
    assert final(sql, *few) == []


def test_a_child_that_leaves_its_table_in_code() -> None:
    child = "owner @self; inherits public.u; grants @self=SELECT"
    gone = {
        "table public.t": (child, child.replace("inherits public.u; ", "")),
        "column public.t.v": ("text inherited", "text"),
        "constraint c on public.t": ("CHECK inherited", "CHECK"),
    }
    assert opaque(changed=gone) == [("no-inherit", "observed")]
