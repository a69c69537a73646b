"""Batched steps on a copy."""

from __future__ import annotations

from changecontrol.rules.certificate import Verdict
from changecontrol.targets.connection import Where
from tests.targets.rehearsals import rehearsed
from tests.targets.stage import Heard

PEOPLE = """
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, born date);
INSERT INTO people VALUES (1, 'Ada', '1815-12-10'), (2, 'Grace', '1906-12-09');
"""


def test_nobody_rests_on_a_copy(where: Where) -> None:
    """The duty that spares a target's users would only make a rehearsal last."""
    heard = Heard()
    base = "CREATE TABLE many (id int PRIMARY KEY, old boolean NOT NULL);"
    base += "INSERT INTO many SELECT n, false FROM generate_series(1, 3000) n;"
    forward = "-- changecontrol: batch key=id size=100 duty=1\nUPDATE many SET old = true WHERE NOT old;\n"
    rehearsed(where, base, forward, "UPDATE many SET old = false;", on_event=heard)
    worked = sum(event.data["ms"] for event in heard.of("progress") if "batch" in event.data)
    whole = sum(event.data["ms"] for event in heard.of("committed"))
    assert heard.of("progress") and whole < worked * 20


def test_batched_steps_are_rehearsed(where: Where) -> None:
    forward = (
        "ALTER TABLE people ADD old boolean;\n-- changecontrol: batch key=id size=100\n"
        "UPDATE people SET old = true WHERE old IS NULL;\n"
    )
    found = rehearsed(where, PEOPLE, forward, "ALTER TABLE people DROP old;")
    assert (found.verdict, found.lossless, len(found.prefixes)) == (Verdict.EXACT, True, 1), found
