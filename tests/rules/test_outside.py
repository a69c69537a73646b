"""The locks that the text of a statement outside a transaction makes certain."""

from __future__ import annotations

import pytest

from changecontrol.rules.outside import Certain, certain, of_rebuilt

POLITE, SHARE, WHOLE = "SHARE UPDATE EXCLUSIVE", "SHARE", "ACCESS EXCLUSIVE"


@pytest.mark.parametrize(
    ("sql", "locks"),
    [
        ('CREATE INDEX CONCURRENTLY i ON s."A b" (x)', [Certain(("s", "A b"), POLITE)]),
        (
            'DROP INDEX CONCURRENTLY s."I", j',
            [Certain(("s", "I"), POLITE, by_index=True), Certain(("j",), POLITE, by_index=True)],
        ),
        ("REINDEX INDEX CONCURRENTLY s.i", [Certain(("s", "i"), POLITE, by_index=True)]),
        ("REINDEX (CONCURRENTLY) TABLE t", [Certain(("t",), POLITE)]),
        ("REINDEX TABLE t", [Certain(("t",), SHARE)]),
        ("REINDEX SCHEMA s", []),
        ("VACUUM (FULL, ANALYZE) a, s.b (x)", [Certain(("a",), WHOLE), Certain(("s", "b"), WHOLE)]),
        ("VACUUM a", [Certain(("a",), POLITE)]),
        ("VACUUM", [Certain((), POLITE)]),
        (
            "ALTER TABLE s.p DETACH PARTITION q CONCURRENTLY",
            [Certain(("s", "p"), POLITE), Certain(("q",), WHOLE)],
        ),
        ("UPDATE s.t SET x = 1", [Certain(("s", "t"), "ROW EXCLUSIVE")]),
        ("INSERT INTO t SELECT * FROM u", [Certain(("t",), "ROW EXCLUSIVE")]),
        ("CLUSTER", []),
        ("this is no SQL", []),
    ],
)
def test_it_knows_what_the_text_makes_certain(sql: str, locks: list[Certain]) -> None:
    assert list(certain(sql)) == locks


def test_it_knows_the_lock_behind_a_rebuilt_index() -> None:
    assert of_rebuilt("REINDEX SCHEMA CONCURRENTLY s") == POLITE
    assert of_rebuilt("REINDEX SCHEMA s") == SHARE
    assert of_rebuilt("CREATE INDEX CONCURRENTLY ON t (x)") == POLITE
