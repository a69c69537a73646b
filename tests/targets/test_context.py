"""The context is read whole, in few queries, from a database as it is."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from changecontrol.rules.context import Column, Constraint, Function, Index
from changecontrol.targets import context
from changecontrol.targets.connection import Where

SCHEMA = """
CREATE SCHEMA "Odd";
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE parent (id bigint PRIMARY KEY);
CREATE TABLE "Odd"."Child" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Parent" bigint NOT NULL, p positive,
  note varchar(20) DEFAULT 'x', CONSTRAINT fk FOREIGN KEY ("Parent") REFERENCES parent (id));
ALTER TABLE "Odd"."Child" ADD CONSTRAINT later CHECK (p < 9) NOT VALID;
CREATE INDEX by_parent ON "Odd"."Child" ("Parent", lower(note)) WHERE p > 1;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql STABLE AS 'begin return new; end';
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'select 1';
CREATE TRIGGER g BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION f();
ALTER TABLE parent DISABLE TRIGGER g;
ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
CREATE VIEW shown AS SELECT id FROM parent;
CREATE TABLE part (id int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (9);
CREATE TABLE part_d PARTITION OF part DEFAULT;
INSERT INTO parent SELECT generate_series(1, 700);
ANALYZE parent;
"""


@pytest.fixture(params=["where", "older"])
def conn(request: pytest.FixtureRequest) -> Any:
    place: Where = request.getfixturevalue(request.param)
    with psycopg.connect(place.dsn, autocommit=True) as opened:
        opened.execute(SCHEMA)
        yield opened


def test_it_reads_what_rules_ask(conn: psycopg.Connection[Any]) -> None:
    found = context.read(conn)
    child, parent = found.tables['"Odd"."Child"'], found.tables["public.parent"]
    assert child.columns["note"] == Column("character varying(20)", default="'x'::character varying")
    assert child.columns["p"] == Column("public.positive", domain="public.positive")
    assert child.columns["Parent"].not_null
    assert child.constraints["fk"] == Constraint(
        "f", 'FOREIGN KEY ("Parent") REFERENCES public.parent(id)', ("Parent",), True, "public.parent"
    )
    assert not child.constraints["later"].validated
    index = child.indexes["by_parent"]
    assert (index.columns, index.partial, index.unique, index.valid) == (("Parent", ""), True, False, True)
    assert child.indexes["Child_pkey"] == Index(("id",), True, definition=child.indexes["Child_pkey"].definition)
    assert (parent.kind, parent.rows, parent.row_security, parent.forced) == ("r", 700, True, False)
    assert parent.bytes > 0
    assert parent.triggers == {"g": "D"}
    assert parent.views == ("public.shown",)
    assert found.tables["public.part_1"].parent == "public.part"
    assert [name for name, one in found.tables.items() if one.default_partition] == ["public.part_d"]
    assert found.root("public.part_d") == "public.part"
    assert found.functions["public.f"] == (
        Function("plpgsql", "begin return new; end", "s"),
        Function("sql", "select 1", "i"),
    )
    assert found.domains == {"public.positive": ('"Odd"."Child"',)}
    assert found.enums == {"public.mood": ("good", "bad")}
    assert found.server_major == conn.info.server_version // 10000


def test_names_are_found_with_and_without_their_schema(conn: psycopg.Connection[Any]) -> None:
    found = context.read(conn)
    assert found.full_name("parent") == found.full_name("public.parent") == "public.parent"
    assert found.full_name('"Odd"."Child"') == found.full_name('"Child"') == '"Odd"."Child"'
    assert found.full_name("nowhere") == ""
    assert len(found.named_function("f")) == len(found.named_function("public.f")) == 2
    assert found.named_function("other.f") == ()


def test_it_asks_few_queries_and_leaves_nothing_behind(conn: psycopg.Connection[Any]) -> None:
    asked: list[Any] = []

    class Counting(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            asked.append(query)
            return super().execute(query, *args, **kwargs)

    conn.cursor_factory = Counting
    before = context.read(conn)
    assert len(asked) <= 12
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert context.read(conn) == before
