"""What no script may hold: each with its sentence, its line and its column."""

from __future__ import annotations

import pytest

from changecontrol.rules.script import Direction
from tests.rules.reading import FILE, read, refused

STATEMENTS = {
    "ALTER SYSTEM SET work_mem = '64MB'": "ServerWide",
    "CREATE DATABASE other": "ServerWide",
    "DROP DATABASE other": "ServerWide",
    "ALTER DATABASE other SET TABLESPACE s": "ServerWide",
    "CREATE TABLESPACE s LOCATION '/s'": "ServerWide",
    "DROP TABLESPACE s": "ServerWide",
    "LOAD 'auto_explain'": "ServerWide",
    "CHECKPOINT": "ServerWide",
    "DISCARD ALL": "SessionWide",
    "LISTEN a": "SessionWide",
    "UNLISTEN *": "SessionWide",
    "PREPARE p AS SELECT 1": "SessionWide",
    "DEALLOCATE ALL": "SessionWide",
    "SELECT pg_advisory_unlock_all()": "SessionWide",
    "SELECT pg_create_physical_replication_slot('s')": "ServerWide",
    "DO $$ BEGIN PERFORM pg_drop_replication_slot('s'); END $$": "ServerWide",
    "COPY t FROM STDIN": "CopyThroughClient",
    "COPY t TO STDOUT": "CopyThroughClient",
    "COPY t FROM '/tmp/t.csv'": "CopyOnServer",
    "COPY t FROM PROGRAM 'cat /etc/passwd'": "CopyOnServer",
    "CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p": "OtherDatabase",
    "CREATE EXTENSION dblink": "OtherDatabase",
    "SELECT dblink_exec('x', 'y')": "OtherDatabase",
    "DO $$ BEGIN PERFORM dblink('x', 'y'); END $$": "OtherDatabase",
    "DELETE FROM changecontrol.ledger": "NamesLedger",
    'DROP SCHEMA "changecontrol" CASCADE': "NamesLedger",
    'SELECT 1 FROM U&"\\0063hangecontrol".ledger': "NamesLedger",
    "SET search_path = changecontrol": "NamesLedger",
    "SELECT set_config('search_path', 'changecontrol', true)": "NamesLedger",
    "DO $$ BEGIN DELETE FROM ChangeControl.ledger; END $$": "NamesLedger",
    "DO $$ BEGIN EXECUTE 'DROP SCHEMA changecontrol'; END $$": "NamesLedger",
    "SELECT 'changecontrol.ledger'::regclass": "NamesLedger",
    "ROLLBACK": "RollbackInside",
    "SAVEPOINT a": "RollbackInside",
    "RELEASE a": "RollbackInside",
    "PREPARE TRANSACTION 'a'": "TwoPhase",
    "COMMIT PREPARED 'a'": "TwoPhase",
    "COMMIT": "CommitWithoutBegin",
    "END": "CommitWithoutBegin",
    "COMMIT AND CHAIN": "CommitAndChain",
    "SET standard_conforming_strings = off": "ChangesHowTextIsRead",
    "SET NAMES 'LATIN1'": "ChangesHowTextIsRead",
    "SET client_encoding = DEFAULT": "ChangesHowTextIsRead",
    "RESET standard_conforming_strings": "ChangesHowTextIsRead",
    "SELECT :name": "PsqlVariable",
    "SELECT :'name'": "PsqlVariable",
    "SELEC 1": "SyntaxWrong",
    "SELECT 'open": "SyntaxWrong",
    "\\echo don't": "PsqlCommand",
    "SELECT 1 \\gexec": "PsqlCommand",
}


@pytest.mark.parametrize("sql", STATEMENTS)
def test_it_refuses(sql: str) -> None:
    found = refused(f"-- é\nSELECT 1;\n  {sql}", STATEMENTS[sql])
    assert f"{FILE}, line 3, column" in found.sentence
    assert found.details["line"] == 3
    line, caret = found.details["excerpt"].splitlines()
    assert line == f"  {sql}".splitlines()[0]
    assert caret.index("^") == found.details["column"] - 1


@pytest.mark.parametrize(
    ("sql", "name", "line"),
    [
        ("BEGIN;\nBEGIN;\nCOMMIT;", "NestedBegin", 2),
        ("SELECT 1;\nBEGIN;\nSELECT 1;", "UnfinishedTransaction", 2),
        ("BEGIN;\nSELECT 1;\nCOMMIT AND CHAIN;", "CommitAndChain", 3),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\nCOMMIT;", "CommitWithoutBegin", 4),
        ("BEGIN;\nSELECT 1;\nROLLBACK;", "RollbackInside", 3),
        ("BEGIN;\nSELECT 1;\nROLLBACK TO a;\nCOMMIT", "RollbackInside", 3),
    ],
)
def test_it_refuses_unbalanced_transactions(sql: str, name: str, line: int) -> None:
    assert refused(sql, name).details["line"] == line


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN COMMIT; END",
        "BEGIN LOOP UPDATE t SET a = 1; commit; END LOOP; END",
        "BEGIN IF x THEN ROLLBACK; END IF; END",
        "DECLARE x int; BEGIN x := 1; /* why */ COMMIT AND CHAIN; END",
    ],
)
def test_it_refuses_a_commit_inside_a_do_block(body: str) -> None:
    refused(f"DO $$ {body} $$;", "CommitInsideCode")
    refused(f"DO LANGUAGE plpgsql '{body}';", "CommitInsideCode")


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN CREATE TEMP TABLE a (x int) ON COMMIT DROP; END",
        "BEGIN -- COMMIT;\n RAISE NOTICE '; COMMIT; '; END",
    ],
)
def test_it_leaves_other_words_in_a_do_block_alone(body: str) -> None:
    read(f"DO $$ {body} $$;")


def test_it_refuses_the_call_of_a_procedure_that_commits() -> None:
    create = "CREATE PROCEDURE s.p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;"
    read(create)
    found = refused(f"{create}\nCALL s.p();", "CallCommits")
    assert found.details["line"] == 2


@pytest.mark.parametrize(
    "sql",
    [
        "COMMENT ON TABLE t IS 'under change control; see changecontrol docs.'",
        "-- changecontrol.ledger\nSELECT 1",
        "SELECT a[1:n], b::int, 'x:y' FROM t",
        "SELECT E'\\\\'",
        "NOTIFY a",
    ],
)
def test_it_allows_what_only_looks_like_it(sql: str) -> None:
    read(sql)


@pytest.mark.parametrize(
    "data", [b"", b" \n", b"-- only a comment", b"/* x */;;\n", b"\xef\xbb\xbf", b"BEGIN; COMMIT;"]
)
def test_it_refuses_a_file_without_statements(data: bytes) -> None:
    refused(data, "EmptyScript")
    refused(data, "EmptyScript" if b"BEGIN" not in data else "VerifyChanges", direction=Direction.VERIFY)


def test_it_finds_a_rollback_without_statements() -> None:
    script = read("-- Rollback: 002 - x\n", direction=Direction.ROLLBACK)
    assert script.steps == ()
    assert [(item.rule, item.severity) for item in script.findings] == [("empty-rollback", "error")]


@pytest.mark.parametrize(
    ("data", "name", "line"),
    [
        (b"SELECT 1;\nSELECT '\xe9';", "NotUtf8", 2),
        (b"\xff\xfeS\0", "NotUtf8", 1),
        (b"SELECT 1;\n\0", "NulByte", 2),
    ],
)
def test_it_refuses_bytes_that_are_no_text(data: bytes, name: str, line: int) -> None:
    found = refused(data, name)
    assert found.details["line"] == line
    assert FILE in found.sentence


def test_it_refuses_more_than_one_mebibyte() -> None:
    assert "Split it" in refused(b" " * (1024 * 1024 + 1), "TooLarge").sentence


def test_it_reads_long_chains_and_refuses_endless_ones() -> None:
    read("SELECT " + " || ".join(["a"] * 1000))
    refused("SELECT " + " || ".join(["a"] * 100_000), "TooDeep")
    refused("SELECT " + "(" * 100_000, "TooDeep")
    refused("SELECT 1" + " UNION SELECT 1" * 50_000, "TooDeep")
    read("INSERT INTO t VALUES " + ", ".join(["(-1, 1::int, 'x')"] * 3000))


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "UPDATE t SET a = 1",
        "SELECT 1 INTO t",
        "SELECT 1 FROM t FOR UPDATE",
        "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1 FROM x",
        "SET search_path = a",
        "CREATE TABLE t (x int)",
    ],
)
def test_it_refuses_a_verify_script_that_does_more_than_read(sql: str) -> None:
    assert refused(f"SELECT true AS ok;\n{sql};", "VerifyChanges", direction=Direction.VERIFY).details["line"] == 2


def test_it_allows_a_local_setting_in_a_verify_script() -> None:
    read("SET LOCAL ROLE clerk; SELECT true AS ok;", direction=Direction.VERIFY)


@pytest.mark.parametrize(
    "text", ["SET client_encoding = 'UTF8'", "SET NAMES 'utf-8'", "SET standard_conforming_strings = on"]
)
def test_what_a_dump_begins_with_changes_nothing(text: str) -> None:
    read(f"{text}; SELECT 1;")
