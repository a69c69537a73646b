"""Errors of a target as sentences: what happened, where in the file, what to do."""

from __future__ import annotations

import pytest

from changecontrol.rules.script import Statement
from changecontrol.targets.connection import Session
from changecontrol.targets.errors import place
from tests.targets.stage import go, one, script


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("53100", "The target's disk is full: free space there, then resume."),
        ("53200", "The target ran out of memory"),
        ("23514", "The data on this target violates the constraint."),
        ("22003", "A value in the data does not fit."),
        ("58030", "Its administrator must look at it."),
        ("XX001", "reports an internal error"),
    ],
)
def test_it_says_what_to_do(session: Session, code: str, words: str) -> None:
    text = (
        "BEGIN;\nCREATE TABLE a (id int);\n"
        f"DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{code}', DETAIL = 'patient 7'; END $$;\n"
        "COMMIT;\n"
    )
    outcome = go(session, text)
    assert (outcome.state, outcome.effect) == ("failed", "none")
    assert outcome.error is not None and outcome.error.sqlstate == code
    assert outcome.error.sentence.startswith(f"002_example.sql line 3, column 1: could not extend file ({code}).")
    assert words in outcome.error.sentence and "patient 7" not in outcome.error.sentence
    assert one(session, "SELECT to_regclass('a') IS NULL")


def test_it_hands_on_the_servers_hint(session: Session) -> None:
    session.execute("CREATE TABLE a (note text)")
    outcome = go(session, "SELECT nota FROM a;")
    assert outcome.error is not None
    assert outcome.error.sentence == (
        '002_example.sql line 1, column 8: column "nota" does not exist (42703). The script names a column that does '
        'not exist on this target. Hint of the server: Perhaps you meant to reference the column "a.note".'
    )


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_it_finds_the_place_behind_unicode_and_line_ends(session: Session, ends: str) -> None:
    text = ends.join(["-- Größe ☃", "SELECT 'ä ☃ 𝄞',", "  'ö' || wrong;", ""])
    outcome = go(session, text)
    assert outcome.error is not None and (outcome.error.line, outcome.error.column) == (3, 10)


def test_it_counts_lines_and_columns_from_the_statement() -> None:
    of: Statement = script("SELECT 1;\n  SELECT a,\n b;").statements[1]
    assert (of.line, of.column) == (2, 3)
    assert [place(of, position) for position in (None, 1, 8, 12)] == [(2, 3), (2, 3), (2, 10), (3, 2)]
