"""Observations as sentences for signers, and predictions held against what a run took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from changecontrol.rules import figures
from changecontrol.rules.extrapolation import Compared, compare, estimated, sentences
from changecontrol.rules.observed import Observed

MB, GB = 1024**2, 1024**3
SIZES = {"public.record_audit": [1_200_000, 12 * GB], "public.sites": [40, 64 * 1024]}


def observed(ms: float = 4.0, **fields: Any) -> Observed:
    return Observed(**{"step": 1, "statement": 1, "ms": ms, "kind": "AlterTableStmt", **fields})


def locked(mode: str = "ACCESS EXCLUSIVE", held: float = 4.0, table: str = "public.record_audit") -> dict[str, Any]:
    return {"locks": {table: mode}, "held_ms": {table: held}}


def test_it_says_that_nobody_waits_for_a_moment() -> None:
    assert sentences(observed(**locked()), SIZES) == ["ACCESS EXCLUSIVE on record_audit, 4 ms, too short to notice."]


def test_it_extrapolates_a_rewrite_by_bytes_and_says_so() -> None:
    rewrite = observed(
        300.0, **locked(held=310.0), rewrites=("public.record_audit",), sizes={"public.record_audit": 96 * MB}
    )
    assert sentences(rewrite, SIZES, place="production", registered="12:03") == [
        "ACCESS EXCLUSIVE on record_audit, 310 ms here, while 1.2 million rows of record_audit are rewritten; readers "
        "and writers wait, about 38 s on production (extrapolated by bytes: 96 MB here in 300 ms, 12 GB there; "
        "registered 12:03)."
    ]


def test_it_never_extrapolates_from_milliseconds_alone() -> None:
    rewrite = observed(300.0, **locked(), rewrites=("public.record_audit",), sizes={"public.record_audit": 96 * MB})
    (unknown,) = sentences(rewrite, {})
    assert "an unknown number of rows of record_audit are rewritten" in unknown
    assert "how long on the target is not known (the size of record_audit there is not known)" in unknown
    small = observed(3.0, **locked(), rewrites=("public.record_audit",), sizes={"public.record_audit": 8192})
    assert "not known (8 kB here say nothing about 12 GB there)" in sentences(small, SIZES)[0]
    unseen = observed(3.0, **locked(), rewrites=("public.record_audit",))
    assert "not known (how large its tables are here was not recorded)" in sentences(unseen, SIZES)[0]


def test_it_takes_a_small_original_for_as_quick_as_its_copy() -> None:
    scan = observed(5.0, sizes={"public.sites": 32768}, scans={"public.sites": 40})
    estimate = estimated(scan, SIZES)
    assert estimate is not None and estimate.ms == 5.0 and estimate.basis == "no more than 64 kB there, 32 kB here"


@pytest.mark.parametrize(
    ("mode", "who"),
    [("SHARE", "; writers wait that long"), ("ACCESS EXCLUSIVE", "; readers and writers wait that long")],
)
def test_it_names_who_waits_for_a_long_lock(mode: str, who: str) -> None:
    assert sentences(observed(200.0, **locked(mode, 200.0)), SIZES) == [f"{mode} on record_audit, 200 ms{who}."]


def test_it_says_that_a_lock_outlives_its_statement() -> None:
    assert sentences(observed(2.0, **locked(held=22_000.0)), SIZES) == [
        "ACCESS EXCLUSIVE on record_audit, 22 s, held until the step commits; readers and writers wait that long."
    ]


def test_it_counts_what_later_statements_of_the_step_take_there() -> None:
    """A moment here, because the copy is small; there the lock is held while a table is read as a whole."""
    add = observed(2.0, **locked(held=90.0, table="public.sites"))
    update = observed(
        80.0,
        kind="UpdateStmt",
        rows={"public.record_audit": 9},
        scans={"public.record_audit": 9},
        sizes={"public.record_audit": 96 * MB},
    )
    assert sentences(add, SIZES, after=[observed(1.0), update]) == [
        "ACCESS EXCLUSIVE on sites, 90 ms here, held until the step commits, and the statements after it take about "
        "10 s on the target; readers and writers wait that long."
    ]
    assert "the statements after it take on the target is not known; readers" in sentences(add, {}, after=[update])[0]
    assert sentences(observed(**locked()), SIZES, after=[observed(9.0)])[0].endswith("4 ms, too short to notice.")
    polite = observed(**locked("SHARE UPDATE EXCLUSIVE"))
    assert sentences(polite, SIZES, after=[update])[0].endswith("4 ms, nobody waits.")


def test_it_names_the_work_of_one_table_for_the_lock_on_another() -> None:
    """A foreign key locks both tables for as long as it reads one of them."""
    both = {"public.record_audit": "SHARE ROW EXCLUSIVE", "public.sites": "SHARE ROW EXCLUSIVE"}
    scanned = {"public.record_audit": 9000}
    key = observed(
        40.0, locks=both, held_ms=dict.fromkeys(both, 41.0), scans=scanned, sizes={"public.record_audit": 2 * MB}
    )
    audit, sites = sentences(key, SIZES)
    assert audit.startswith("SHARE ROW EXCLUSIVE on record_audit, 41 ms here, while 1.2 million rows of record_audit")
    assert "on sites, 41 ms here, while 1.2 million rows of record_audit are read; writers wait, about 4 min" in sites


def test_it_leaves_polite_work_polite_and_says_how_it_was_watched() -> None:
    build = observed(
        500.0,
        kind="IndexStmt",
        **locked("SHARE UPDATE EXCLUSIVE", 480.0),
        indexes=("public.audit_at",),
        sizes={"public.record_audit": 96 * MB},
        exact=False,
    )
    said, basis = sentences(build, SIZES)
    assert "while 1 index is built over 1.2 million rows of record_audit; nobody waits, about 64 s" in said
    assert basis == "Its locks were watched from outside, every 2 ms: one that was held for less may be missing here."


def batched(**fields: Any) -> Observed:
    return observed(kind="UpdateStmt", locks={"public.record_audit": "ROW EXCLUSIVE"}, exact=False, **fields)


def test_it_says_of_batches_what_is_known_and_from_what() -> None:
    known = "Each batch commits by itself and locks only its own rows: known from the text, not timed."
    assert sentences(batched(), SIZES) == [
        "On the copy it found no row to change, so the time of a batch is not known.", known
    ]  # fmt: skip
    changed = sentences(batched(rows={"public.record_audit": 20_000}, reported=20_000), SIZES)
    assert changed == [
        "20,000 rows of record_audit changed here batch by batch; the target has 1.2 million rows there.", known
    ]  # fmt: skip
    assert sentences(batched(error="23502 null"), SIZES) == ["It fails: 23502 null.", known]


def test_it_counts_changed_rows_beside_what_is_there() -> None:
    update = observed(
        9.0,
        kind="UpdateStmt",
        locks={"public.record_audit": "ROW EXCLUSIVE"},
        rows={"public.record_audit": 20_000, "public.new": 1},
        scans={"public.sites": 3},
        new=("public.new",),
    )
    assert sentences(update, SIZES) == [
        "3 rows of sites are read here.",
        "20,000 rows of record_audit changed here in one transaction: whoever changes the same rows waits; the target "
        "has 1.2 million rows there.",
        "1 row of new changed here in one transaction: whoever changes the same rows waits.",
    ]


def test_it_says_failures_and_switched_off_protection_and_empties() -> None:
    assert sentences(observed(error="23502 null values"), SIZES) == ["It fails: 23502 null values."]
    off = observed(kind="VariableSetStmt", settings={"session_replication_role": "replica"})
    assert sentences(off, SIZES) == ["It leaves protection switched off: session_replication_role = replica."]
    empties = observed(
        3.0,
        kind="TruncateStmt",
        **locked(),
        rewrites=("public.record_audit",),
        sizes={"public.record_audit": 8192},
    )
    thrown = "1.2 million rows of record_audit are thrown away"
    said = f"ACCESS EXCLUSIVE on record_audit, 4 ms while {thrown}, too short to notice."
    assert sentences(empties, SIZES) == [said]


def test_it_does_not_call_a_hidden_truncate_a_rewrite() -> None:
    hidden = observed(kind="DoStmt", **locked(), rewrites=("public.sites",), sizes={"public.sites": 0})
    assert "40 rows of sites are rewritten or thrown away" in sentences(hidden, SIZES)[0]


def test_it_has_nothing_to_say_of_a_statement_that_did_nothing() -> None:
    assert sentences(observed(), SIZES) == []


# --- predicted against observed


@dataclass(frozen=True)
class Done:
    kind: str
    step: int | None
    statement: int | None
    data: dict[str, Any] = field(default_factory=dict)


def done(ms: float, rows: int = 0, *, step: int = 1, statement: int = 1) -> Done:
    return Done("statement_done", step, statement, {"ms": ms, "rows": rows})


def only(one: Observed, *events: Done) -> Compared:
    (row,) = compare([one], events, SIZES)
    return row


def test_it_calls_what_takes_about_as_long_predicted() -> None:
    row = only(observed(4.0, **locked(), line=7, sql="ALTER"), done(45.0))
    assert (row.word, row.predicted_ms, row.observed_ms, row.line, row.sql) == ("as predicted", 4.0, 45.0, 7, "ALTER")
    assert row.locks == {"public.record_audit": "ACCESS EXCLUSIVE"} and row.predicted_rows is None
    assert row.sentence == "45 ms here, 4 ms in the rehearsal."


def test_it_tells_slower_because_larger_from_slower() -> None:
    rewrite = observed(300.0, rewrites=("public.record_audit",), sizes={"public.record_audit": 96 * MB})
    larger = only(rewrite, done(30_000.0))
    assert larger.word == "slower because larger" and larger.expected_ms == pytest.approx(38_400.0)
    assert "about 38 s was to be expected (extrapolated by bytes" in larger.sentence
    assert only(rewrite, done(120_000.0)).word == "slower"
    assert only(observed(4.0, **locked()), done(900.0)).sentence == (
        "900 ms here, 4 ms in the rehearsal; its time does not depend on how much the tables hold."
    )
    unknown = observed(300.0, rewrites=("public.elsewhere",), sizes={"public.elsewhere": MB})
    assert only(unknown, done(9000.0)).sentence.endswith(
        "what was to be expected is not known: the size of elsewhere there is not known."
    )
    assert only(rewrite, done(20.0)).word == "faster"


def test_it_compares_the_servers_own_counts_of_changed_rows() -> None:
    update = observed(4.0, kind="UpdateStmt", rows={"public.t": 10, "public.by_trigger": 10}, reported=10)
    assert only(update, done(4.0, 10)).word == "as predicted"
    more = only(update, done(4.0, 25))
    assert (more.word, more.predicted_rows, more.observed_rows) == ("more rows", 10, 25)
    assert only(update, done(4.0, 0)).word == "fewer rows"
    select = observed(4.0, kind="SelectStmt", reported=3)
    assert only(select, done(4.0, 9)).word == "as predicted"


def test_it_lists_what_was_not_run_and_what_was_not_rehearsed() -> None:
    second = observed(statement=2)
    rows = compare([observed(), second], [Done("committed", 1, None), done(3.0), done(5.0, step=2, statement=3)])
    assert [(row.statement, row.word) for row in rows] == [(1, "as predicted"), (2, "not run"), (3, "not rehearsed")]


def test_it_counts_the_last_of_several_tries() -> None:
    assert only(observed(), done(900.0), done(5.0)).observed_ms == 5.0


def test_it_writes_figures_as_people_read_them() -> None:
    assert [figures.duration(ms) for ms in (0.44, 12, 310, 1500, 38_400, 240_000, 9_000_000)] == [
        "0.4 ms", "12 ms", "310 ms", "1.5 s", "38 s", "4 min", "2 h",
    ]  # fmt: skip
    assert [figures.size(n) for n in (12, 8192, 96 * MB, 12 * GB, 1.5 * GB)] == [
        "12 bytes", "8 kB", "96 MB", "12 GB", "1.5 GB",
    ]  # fmt: skip
    assert [figures.count(n, "row") for n in (0, 1, 20_000, 1_200_000, 10**9)] == [
        "0 rows", "1 row", "20,000 rows", "1.2 million rows", "1 billion rows",
    ]  # fmt: skip
