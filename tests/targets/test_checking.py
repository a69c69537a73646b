"""Verify scripts and standing checks only read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from changecontrol.rules.script import Direction
from changecontrol.targets.connection import Session
from changecontrol.targets.runner import CheckRow, check, fallen, verify
from tests.targets.stage import one, script


def look(session: Session, text: str, **options: bool) -> tuple[bool, str]:
    result = verify(session, script=script(text, direction=Direction.VERIFY, file="verify/002_verify.sql"), **options)
    return result.ok, result.sentence


def test_it_passes_without_an_ok_column(session: Session) -> None:
    assert look(session, "SELECT 1 AS n; SELECT 2 AS n;") == (True, "verify/002_verify.sql passed with 2 answers.")


@pytest.mark.parametrize("answer", ["false", "NULL::boolean", "'f'"])
def test_it_fails_on_anything_but_true(session: Session, answer: str) -> None:
    text = f"SELECT 'one' AS name, true AS ok UNION ALL SELECT 'two', {answer}::boolean;"
    assert look(session, text) == (False, "verify/002_verify.sql: name two is not ok.")


def test_it_fails_on_an_error_with_its_place(session: Session) -> None:
    ok, said = look(session, "SELECT true AS ok;\nSELECT device_info FROM\n  missing;")
    assert not ok and said.startswith('verify/002_verify.sql line 3, column 3: relation "missing" does not exist')


def test_it_must_fail_after_a_rollback(session: Session) -> None:
    text = "SELECT to_regclass('a') IS NOT NULL AS ok;"
    assert look(session, text, expect_failure=True)[0]
    session.execute("CREATE TABLE a (id int)")
    ok, said = look(session, text, expect_failure=True)
    assert not ok and said.endswith("still passes after the rollback: what it looks for is still there.")


def test_it_cannot_write(session: Session) -> None:
    session.execute("CREATE TABLE a (id int)")
    session.execute(
        "CREATE FUNCTION sly() RETURNS boolean LANGUAGE sql AS 'INSERT INTO public.a VALUES (1); SELECT true'"
    )
    ok, said = look(session, "SELECT sly() AS ok;")
    assert not ok and "read-only transaction" in said
    assert one(session, "SELECT count(*) FROM a") == 0


def test_it_reads_a_standing_check(session: Session) -> None:
    text = (
        "-- what must hold\n"
        "SELECT 'rows of a' AS name, true AS ok, 'fine' AS detail, 42 AS value, true AS must_not_fall\n"
        "UNION ALL SELECT 'chain', false, 'broken at 7', NULL, false;\n"
    )
    assert check(session, name="chain.sql", sql=text) == [
        CheckRow("rows of a", True, "fine", Decimal(42), True),
        CheckRow("chain", False, "broken at 7", None, False),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1/0;", "division by zero"),
        ("SELECT true AS ok WHERE false;", "no answer at all"),
        ("SELEC 1;", "syntax error"),
        ("COMMIT; DROP TABLE a;", "COMMIT"),
        ("SELECT 1 AS n;", ""),
    ],
)
def test_it_is_not_ok_when_a_check_cannot_answer(session: Session, text: str, words: str) -> None:
    found = check(session, name="x.sql", sql=text.encode())
    assert len(found) == 1 and not found[0].ok and words in found[0].detail


def test_it_notices_values_that_fell() -> None:
    before = [CheckRow("a", True, "", Decimal(5), True), CheckRow("b", True, "", Decimal(5), False)]
    after = [CheckRow("a", True, "", Decimal(4), True), CheckRow("b", True, "", Decimal(1), False)]
    assert fallen(before, after) == ("a fell from 5 to 4.",)
    assert fallen(before, []) == ("a was 5 before and gives no value now.",)
    assert fallen(before, before) == ()
