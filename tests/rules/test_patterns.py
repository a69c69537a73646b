"""Patterns as pure functions: what they are told, what they refuse, and the text they give."""

from __future__ import annotations

from typing import Any

import pytest

from changecontrol.rules.naming import MigrationName
from changecontrol.rules.patterns import PATTERNS, Answers, expressions, members, names
from changecontrol.rules.patterns.member import Place, Signed, contents
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Direction, StepKind, parse

TOLD: dict[str, dict[str, Any]] = {
    "add-not-null-column": {"table": "t", "column": "c", "type": "int", "expression": "length(a)", "key": "id"},
    "rename-column": {"table": "t", "column": "a", "to": "b", "type": "text", "key": "id", "not-null": True},
    "change-type": {
        "table": "s.t", "column": "a", "to": "b", "from-type": "text", "type": "bytea", "key": "id",
        "using": "decode(a, 'hex')", "back": "encode(b, 'hex')",
    },
    "add-foreign-key": {"table": "t", "column": "x, y", "references": "other(a, b)"},
    "add-index": {"table": "t", "columns": "a, lower(b) DESC"},
    "split-table": {"table": "t", "to": "u", "columns": "a numeric(10, 2), b text", "key": "id", "key-type": "bigint"},
    "drop-column": {"table": "t", "column": "a", "type": "text"},
}  # fmt: skip


def told(pattern: str, **changed: Any) -> Answers:
    return Answers(pattern, {"release": "app >= 4.2", **TOLD[pattern], **changed})


def written(answers: Answers) -> list[str]:
    found = []
    for number, member in enumerate(members(answers), 2):
        name = MigrationName(number, f"x_{member.description}".rstrip("_"))
        place = Place("x", number - 1, len(members(answers)))
        found += contents(
            member, name, place=place, signed=Signed("T-1", "Ada", "2026-01-05"), dependencies="001"
        ).values()
    return found


@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_asks_for_everything_that_is_missing_at_once(pattern: str) -> None:
    with pytest.raises(Refused, match=r"also needs --table .*works without a database") as refusal:
        members(Answers(pattern, {}))
    for question in TOLD[pattern]:
        if question not in ("expression", "key", "not-null"):
            assert f"--{question} (" in refusal.value.sentence


@pytest.mark.parametrize("pattern", PATTERNS)
def test_names_that_need_quotes_get_them_everywhere(pattern: str) -> None:
    """Each statement parses, and none names the relation without its quotes."""
    odd = {"table": '"My schema"."Order ""7"""'} | ({"key": '"Key"'} if "key" in TOLD[pattern] else {})
    for member in members(told(pattern, **odd)):
        for sql, direction in (
            (member.forward_sql, Direction.FORWARD),
            (member.rollback_sql, Direction.ROLLBACK),
            (member.verify_sql, Direction.VERIFY),
        ):
            script = parse(sql.encode(), file="002_x.sql", direction=direction)
            assert script.steps
            assert {table for one in script.statements for table in one.tables if "rder" in table} <= {
                "My schema.Order \"7\"", "Order \"7\"",
            }  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_line_fits_and_every_note_stays_a_comment(pattern: str) -> None:
    for text in written(told(pattern)):
        assert max(len(line) for line in text.splitlines()) <= 120
        assert text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_last_migration_waits_for_the_release_where_old_code_would_break(pattern: str) -> None:
    waits = [bool(one.requires_release) for one in members(told(pattern))]
    alone = pattern in ("add-foreign-key", "add-index")
    assert waits == [False] * (len(waits) - 1) + [not alone]


def test_long_names_are_cut_by_us_and_stay_different() -> None:
    table = "a" * 60
    found = {names.named(table, word, "dual_write").text for word in ("one", "two")}
    assert len(found) == 2
    assert all(len(one.encode()) <= 63 for one in found)
    for member in members(told("rename-column", table=table, to="é" * 20)):
        assert member.forward_sql


@pytest.mark.parametrize(("value", "sql"), [
    ("Sites", "sites"), ('"Sites"', '"Sites"'), ("order", '"order"'), ("größe", '"größe"'), ('"a""b"', '"a""b"'),
    ("name", "name"), ("begin", '"begin"'), ("table", '"table"'), ("user", '"user"'), ("value", "value"),
])  # fmt: skip
def test_a_name_is_folded_and_quoted_as_postgresql_does(value: str, sql: str) -> None:
    assert names.name(value, "a column").sql == sql


@pytest.mark.parametrize("value", ["", "1a", "a b", "a;b", "a.b", '"a', "a-b", "a--b", "x" * 64, '""'])
def test_what_is_no_name_is_refused(value: str) -> None:
    with pytest.raises(names.BadName):
        names.name(value, "a column")


@pytest.mark.parametrize(
    "value", ["text", "numeric(10, 2)", "timestamp with time zone", "text[]", "clinic.mood", 'text COLLATE "C"']
)
def test_a_type_is_taken_as_it_is_written(value: str) -> None:
    assert names.type_name(value) == value


@pytest.mark.parametrize(
    "value", ["", "int; DROP TABLE t", "int AS x", "int, 1", "int FROM t", "int -- x", "int + 1", "'a'", "int) x"]
)
def test_what_is_no_type_is_refused(value: str) -> None:
    with pytest.raises(names.BadType):
        names.type_name(value)


@pytest.mark.parametrize(
    "value", ["", "1; DROP TABLE t", "1, 2", "a FROM t", "a) FROM (t", "(SELECT 1)", "a -- x", "a /* x */", "'a", "*"]
)
def test_what_is_no_expression_over_one_row_is_refused(value: str) -> None:
    with pytest.raises(expressions.BadExpression):
        expressions.over_row(value, "NEW", "--using")


def test_columns_of_an_expression_become_those_of_the_row() -> None:
    value = "lower(t.\"Name\") || coalesce(größe::text, 'größe') || 'name'"
    assert expressions.over_row(value, "NEW", "--using") == (
        "lower(NEW.\"Name\") || coalesce(NEW.\"größe\"::text, 'größe') || 'name'"
    )


@pytest.mark.parametrize("value", ["now()", "gen_random_uuid()", "a + 1", "CURRENT_DATE"])
def test_only_a_constant_default_is_added_at_once(value: str) -> None:
    answers = Answers("add-not-null-column", {"table": "t", "column": "c", "type": "text", "default": value})
    with pytest.raises(expressions.BadExpression, match="Give it as --expression"):
        members(answers)


def test_a_constant_default_needs_one_migration_and_no_batches() -> None:
    answers = Answers("add-not-null-column", {"table": "t", "column": "c", "type": "text", "default": "'x'::text"})
    [member] = members(answers)
    script = parse(member.forward_sql.encode(), file="002_x.sql", direction=Direction.FORWARD)
    assert [step.kind for step in script.steps] == [StepKind.TRANSACTION]


@pytest.mark.parametrize(
    ("pattern", "changed", "said"),
    [
        ("rename-column", {"to": "A"}, "is the old one"),
        ("rename-column", {"release": "soon"}, "names no release"),
        ("rename-column", {"batch-size": "0"}, "no size of a batch"),
        ("rename-column", {"type": "no type at all"}, "is no type"),
        ("change-type", {"default": "'x'"}, "A default has to be given for both"),
        ("add-not-null-column", {"default": "1"}, "either --default or --expression"),
        ("add-not-null-column", {"expression": ""}, "--default .* or --expression"),
        ("add-not-null-column", {"key": ""}, "also needs --key"),
        ("add-foreign-key", {"references": "other"}, "names no table and columns"),
        ("add-foreign-key", {"references": "other(a)"}, "2 columns refer to 1"),
        ("add-foreign-key", {"on-delete": "explode"}, "Choose one of: no action, restrict"),
        ("add-index", {"columns": "a,"}, "cannot be indexed"),
        ("split-table", {"columns": "a"}, "no columns with types"),
        ("split-table", {"columns": "a text UNIQUE"}, "no columns with types"),
        ("split-table", {"columns": "a text DEFAULT now()"}, "only a constant"),
        ("split-table", {"columns": "a text, A int"}, "a is named twice"),
        ("split-table", {"columns": "id int"}, "id cannot be the key"),
        ("split-table", {"columns": "a serial"}, "no type but stands for"),
        ("split-table", {"key": "ctid"}, "only the place of a row"),
        ("split-table", {"key": "a, b"}, "batches walk along one"),
        ("rename-column", {"key": "a"}, "a cannot be the key"),
        ("rename-column", {"to": "id"}, "id cannot be the key"),
        ("rename-column", {"to": "xmin"}, "has a column xmin of its own"),
        ("rename-column", {"type": "bigserial"}, "no type but stands for"),
        ("rename-column", {"default": "NULL"}, "NULL is no value"),
        ("rename-column", {"type": "timestamptz", "default": "'2026-01-05'"}, "another moment in another session"),
        ("rename-column", {"type": "date", "default": "'today'::date"}, "another moment in another session"),
        ("rename-column", {"type": "timestamp(3)", "default": "'01/02/2026'"}, "another moment in another session"),
        ("rename-column", {"using": "a", "unique": True}, "has no use for --using and --unique"),
        ("change-type", {"using": "b::bytea"}, "it reads b, which it is to make"),
        ("change-type", {"using": "x::bytea"}, "it does not read a"),
        ("change-type", {"using": "NEW.a::bytea"}, "name a alone, as a column of t"),
        ("change-type", {"back": "max(b)"}, "looks at several rows"),
        ("add-not-null-column", {"expression": "c + 1"}, "it reads c, which it is to make"),
        ("add-not-null-column", {"expression": "NULL::int"}, "NULL is no value"),
        ("add-not-null-column", {"expression": "row_number() OVER ()"}, "looks at several rows"),
        ("add-not-null-column", {"key": "c"}, "c cannot be the key"),
        ("add-index", {"columns": "a) WHERE (a > 0"}, "cannot be indexed"),
        ("add-index", {"columns": "a) INCLUDE (b"}, "cannot be indexed"),
        ("add-index", {"column": "a"}, "has no use for --column"),
        ("drop-column", {"key": "id"}, "has no use for --key"),
        ("split-table", {"columns": "a text, PRIMARY KEY (a)"}, "no columns with types"),
        ("split-table", {"to": "T"}, "is the old one"),
    ],
)
def test_it_refuses_what_it_cannot_write_safely(pattern: str, changed: dict[str, str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        members(told(pattern, **changed))


@pytest.mark.parametrize(("type_", "text"), [("numeric", True), ("json", True), ("citext", True), ("text", False)])
def test_values_are_compared_so_that_every_difference_shows(type_: str, text: bool) -> None:
    expand = members(told("rename-column", type=type_))[0].forward_sql
    assert ("NEW.b::text IS DISTINCT FROM OLD.b::text" in expand) is text


def test_an_expression_is_held_together_beside_an_operator() -> None:
    told_ = told("change-type", type="text", using="a = 'x' OR a = 'y'", back="b || 'z'")
    expand = members(told_)[0].forward_sql
    assert "IS DISTINCT FROM (NEW.a = 'x' OR NEW.a = 'y')" in expand
    assert "AND (a = 'x' OR a = 'y') IS NOT NULL" in expand
    assert "IS DISTINCT FROM (NEW.b || 'z')" in expand


def test_both_columns_of_a_type_change_keep_a_default_of_their_own() -> None:
    told_ = told("change-type", **{"from-default": "'00'", "default": "'\\\\x00'"})
    expand, contract = members(told_)
    assert "ALTER COLUMN b SET DEFAULT '\\\\x00';" in expand.forward_sql
    assert "ALTER COLUMN a SET DEFAULT '00';" in contract.rollback_sql
    assert "DEFAULT" not in contract.forward_sql


def test_a_null_that_was_written_is_told_from_a_value_that_was_left_out() -> None:
    expand = members(told("rename-column", type="numeric(10, 2)", default="0"))[0].forward_sql
    assert "IF NEW.b::text IS NOT DISTINCT FROM ((0)::numeric(10, 2))::text THEN" in expand
    assert "IF NEW.b IS NULL THEN" in members(told("rename-column"))[0].forward_sql


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        *(
            ("timestamptz", one)
            for one in ("'2026-01-05 00:00:00+00'", "'infinity'", "timestamptz '2026-01-05T00:00Z'")
        ),
        *(("date", "'2026-01-05'"), ("timestamp", "'2026-01-05 10:00'"), ("time", "'10:00'"), ("text", "'today'")),
    ],
)
def test_a_default_that_means_the_same_everywhere_is_taken(type_: str, default: str) -> None:
    assert f"SET DEFAULT {default};" in members(told("rename-column", type=type_, default=default))[0].forward_sql


def test_what_an_author_calls_without_a_schema_means_the_same_in_the_trigger() -> None:
    """Batches find it on the search path of the session, a trigger only on its own."""
    expand = members(told("change-type", using="a::mood", back="b::text"))[0].forward_sql
    assert "SET search_path = pg_catalog, s, public, pg_temp" in expand
    filled = members(told("add-not-null-column", expression="my_hash(a)"))[0].forward_sql
    assert "SET search_path = pg_catalog, public, pg_temp" in filled
    assert "SET search_path = pg_catalog, pg_temp" in members(told("rename-column"))[0].forward_sql


def test_a_collation_comes_along_and_hides_no_difference() -> None:
    expand = members(told("rename-column", type='text COLLATE "my"'))[0]
    assert 'ADD COLUMN b text COLLATE "my";' in expand.forward_sql
    assert 'NEW.b::text COLLATE "C" IS DISTINCT FROM OLD.b::text COLLATE "C"' in expand.forward_sql
    assert "'text'::regtype" in expand.verify_sql


def test_what_may_not_be_empty_stays_so_in_the_table_that_is_split_off() -> None:
    columns = '"a,b" numeric(10, 2) DEFAULT 0.5 NOT NULL, c text COLLATE "C" NOT NULL, d int[] DEFAULT \'{}\''
    expand, contract = members(told("split-table", columns=columns))
    assert '"a,b" numeric(10, 2) DEFAULT 0.5 NOT NULL,\n    c text COLLATE "C" NOT NULL,' in expand.forward_sql
    assert (
        'ALTER TABLE t\n    ALTER COLUMN "a,b" DROP NOT NULL,\n    ALTER COLUMN c DROP NOT NULL;' in expand.forward_sql
    )
    assert 'ELSIF NEW."a,b" IS NOT NULL AND NEW.c IS NOT NULL THEN' in expand.forward_sql
    assert expand.rollback_sql.count("SET NOT NULL") == 2 and expand.rollback.startswith("conditional")
    assert "ALTER COLUMN \"a,b\" SET DEFAULT 0.5,\n    ALTER COLUMN d SET DEFAULT '{}';" in contract.rollback_sql


def test_a_case_stands_in_parentheses_where_plpgsql_reads_on_to_then() -> None:
    told_ = told(
        "change-type", using="CASE WHEN a = '' THEN NULL ELSE a END::bytea", back="CASE WHEN b = '' THEN 'x' END"
    )
    expand = members(told_)[0].forward_sql
    assert "IS DISTINCT FROM (CASE WHEN NEW.a = '' THEN NULL ELSE NEW.a END::bytea) THEN" in expand
    assert "IS DISTINCT FROM (CASE WHEN NEW.b = '' THEN 'x' END) THEN" in expand
