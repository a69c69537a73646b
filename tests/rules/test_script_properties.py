"""What holds for every text: statements in order, exact offsets, and nothing but named refusals."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Direction, from_json, parse, to_json
from tests.rules.reading import FILE, read

PLAIN = st.sampled_from(
    [
        "SELECT 1",
        "SELECT 'é;' -- ;",
        "CREATE TABLE t (x int)",
        "ALTER TYPE e ADD VALUE 'x'",
        "DO $$ BEGIN NULL; END $$",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
    ]
)
ALONE = st.sampled_from(["VACUUM t", "CREATE INDEX CONCURRENTLY i ON t (a)", "DROP INDEX CONCURRENTLY i"])
BATCHED = st.just("UPDATE t SET a = 1 WHERE a IS NULL")
BLOCKS = st.lists(
    st.tuples(st.just("block"), st.lists(PLAIN, min_size=1, max_size=3))
    | st.tuples(st.just("bare"), st.lists(PLAIN | ALONE, min_size=1, max_size=3))
    | st.tuples(st.just("batch"), st.lists(BATCHED, min_size=1, max_size=1)),
    min_size=1,
    max_size=5,
)
GAPS = st.lists(st.sampled_from(["\n", "\r\n", " /* ü */ ", "\n-- é\n", "\n;\n"]), min_size=1, max_size=2).map("".join)
FRAGMENTS = st.sampled_from(
    [
        *("SELECT 1", "BEGIN", "COMMIT", "END", ";", ";\n", "VACUUM t", "\\i x.sql\n", "SET ROLE x", "ROLLBACK"),
        *("UPDATE t SET a=1 WHERE a", "-- changecontrol: batch key=id size=5\n", "DO $$ BEGIN COMMIT; END $$"),
        *("'", "$$", "(", ")", "é", "\ufeff", "\r\n", "\\echo\n", ":a", "\u202e", "changecontrol.x"),
        *("-- Migration: 002 - x\n", "-- Purpose:\n", "-- a\n"),
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=10).map(lambda parts: "".join(parts).encode())
SOURCES = {"x.sql": "SELECT 7; -- é".encode()}


@settings(max_examples=150, deadline=None)
@given(BLOCKS, GAPS)
def test_it_covers_every_statement_once_and_in_order(blocks: list[tuple[str, list[str]]], gap: str) -> None:
    parts: list[str] = []
    for kind, statements in blocks:
        if kind == "batch":
            parts.append(f"\n-- changecontrol: batch key=id size=5\n{statements[0]}")
        else:
            parts += ["BEGIN", *statements, "COMMIT"] if kind == "block" else statements
    script = read(gap.join(f"{part}\n;" for part in parts))
    wanted = [statement.removesuffix(" -- ;") for _kind, statements in blocks for statement in statements]
    assert [statement.sql for step in script.steps for statement in step.statements] == wanted
    assert [statement.number for statement in script.statements] == list(range(1, len(wanted) + 1))


@settings(max_examples=300, deadline=None)
@given(TEXTS | st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))
def test_it_raises_nothing_but_refusals(data: bytes) -> None:
    for direction in Direction:
        with contextlib.suppress(Refused):
            script = parse(data, file=FILE, direction=direction, sources=SOURCES)
            assert from_json(json.loads(json.dumps(to_json(script)))) == script
            for statement in script.statements:
                source = {FILE: data, **SOURCES}[statement.source]
                assert source[statement.start : statement.end].decode() == statement.sql
                assert source[: statement.start].count(b"\n") == statement.line - 1
