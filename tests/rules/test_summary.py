"""Statements in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from changecontrol.rules.script import Direction, parse
from changecontrol.rules.summary import sentence
from tests.rules.statements import statement

REPOSITORY = Path(__file__).parents[2] / "migrations_repo"

#: What happens when one sentence has to hold several parts; single kinds of statement are in test_every_statement.
SAID = [
    (
        "ALTER TABLE t ADD a numeric(10,2), ADD b text[], DROP c, DROP d CASCADE",
        "data",
        "Adds two empty columns: `a` (numeric(10,2), may be empty) and `b` (text[], may be empty) to `t`. No existing "
        "row is changed or read. Removes the columns `c` and `d` from `t`, with everything stored in them. Whatever "
        "depends on it goes too.",
    ),
    (
        "UPDATE t AS x SET a = y.a /* why */ FROM u AS y WHERE y.id = x.id -- all\n AND x.a IS NULL",
        "data",
        "Sets `a` to `y.a` in `t`, with values from `u`, in the rows where `y.id = x.id AND x.a IS NULL`.",
    ),
    (
        "DO $$ BEGIN IF EXISTS (SELECT FROM t) THEN RAISE EXCEPTION 'x'; END IF; DELETE FROM t; END $$",
        "data",
        "Runs code once: If `EXISTS (SELECT FROM t)`: [Stops with the error “x”.] Deletes every row of `t`.",
    ),
    (
        "DO $$ BEGIN IF wipe() THEN RAISE EXCEPTION 'x'; END IF; END $$",
        "data",
        "Runs code once: If `wipe()`: [Stops with the error “x”.]",
    ),
    (
        "DO $$ << outer >> BEGIN -- comment\n BEGIN NULL; END; << each >> FOR i IN 1..2 LOOP x[i] := (CASE WHEN i > 1 "
        "THEN 1 ELSE 2 END); END LOOP each; END outer $$",
        "other",
        "Runs code once: Does nothing. For each number (`i`) in `1..2`: [Sets `x[i]` to `(CASE WHEN i > 1 THEN 1 ELSE "
        "2 END)`.]",
    ),
    ("DO LANGUAGE plpgsql $$ BEGIN /* x */ END $$", "other", "Runs code once: It does nothing."),
]

NOT_UNDERSTOOD = [
    ("DO $$ BEGIN EXECUTE 'DROP TABLE ' || x; END $$", "what that does is known only then"),
    ("DO $$ BEGIN SOMETHING new; END $$", "cannot be put in words: `SOMETHING new`"),
    (
        "DO $$ BEGIN IF x THEN DELETE FROM t; END $$",
        "that we cannot put in words: `BEGIN IF x THEN DELETE FROM t; END`",
    ),
    ("DO $$ DELETE FROM t $$", "that we cannot put in words: `DELETE FROM t`"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN END LOOP; END $$", "cannot read"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT FROM WHERE $$", "cannot read"),
]


@pytest.mark.parametrize(("sql", "kind", "text"), SAID)
def test_it_says_in_words_what_a_statement_does(sql: str, kind: str, text: str) -> None:
    said = sentence(statement(sql))
    assert (said.text, said.kind, said.understood) == (text, kind, True)


@pytest.mark.parametrize(("sql", "admits"), NOT_UNDERSTOOD)
def test_it_admits_what_it_cannot_put_in_words(sql: str, admits: str) -> None:
    said = sentence(statement(sql))
    assert admits in said.text
    assert not said.understood


def test_blocks_inside_blocks_without_end_are_not_read() -> None:
    assert not sentence(statement(f"DO $$ {'BEGIN ' * 100} NULL; {'END; ' * 100} $$")).understood


def test_a_chain_that_is_too_long_to_be_written_back_is_named_as_such() -> None:
    said = sentence(statement(f"DELETE FROM t WHERE {' + '.join(['a'] * 300)} > 0"))
    assert said.text == "Deletes the rows of `t` where `something too deeply nested to be shown here`."


def test_it_shortens_long_conditions() -> None:
    said = sentence(statement(f"DELETE FROM t WHERE a IN ({', '.join(map(str, range(500)))})"))
    assert said.text.endswith(" …` (and 1,995 more characters, in the SQL tab).") and len(said.text) < 500


@pytest.mark.parametrize(
    "path", sorted([*REPOSITORY.glob("*.sql"), *REPOSITORY.glob("rollback/*.sql")]), ids=lambda path: path.name
)
def test_it_understands_every_statement_of_our_own_migrations(path: Path) -> None:
    for of in parse(path.read_bytes(), file=path.name, direction=Direction.FORWARD).statements:
        assert sentence(of).understood, of.sql
