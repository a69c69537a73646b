"""A rehearsal gives the verdict that the script deserves, and says why."""

from __future__ import annotations

import pytest

from changecontrol.rules.certificate import Verdict
from changecontrol.targets.connection import Where
from tests.targets.rehearsals import rehearsed

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
