"""add-index and add-foreign-key: built and checked while people keep writing."""

# ruff: noqa: S608  # writes SQL files for people to read; every name in it is checked and quoted
from __future__ import annotations

import re

from changecontrol.rules.parser import parse_one
from changecontrol.rules.patterns import expressions, forms, names
from changecontrol.rules.patterns.answers import Answers
from changecontrol.rules.patterns.member import Member
from changecontrol.rules.patterns.names import Name, Table, literal
from changecontrol.rules.refusal import Refused

ACTIONS = ("no action", "restrict", "cascade", "set null", "set default")


class BadIndex(Refused):
    """“{columns}” cannot be indexed{where}. Write columns or expressions as in CREATE INDEX, commas between them."""


class BadReference(Refused):
    """“{value}” names no table and columns. Write it as in CREATE TABLE, for example sites(site_id)."""


class BadAction(Refused):
    """“{value}” is nothing that can happen on delete. Choose one of: {allowed}."""


class ColumnsDiffer(Refused):
    """{given} columns refer to {wanted}. Name as many on one side as on the other, in the same order."""


def index(answers: Answers) -> list[Member]:
    """Build an index without stopping writers."""
    answers.need("table", "columns")
    columns = answers.text("columns")
    unique = answers.yes("unique")
    name = _index_name(answers.table, columns, "key" if unique else "idx", answers.text("name"))
    where = f"\n    WHERE {expressions.expression(answers.text('where'), '--where')}" if answers.text("where") else ""
    method = f"USING {names.name(answers.text('method'), 'an index method').sql} " if answers.text("method") else ""
    kind = "UNIQUE INDEX" if unique else "INDEX"
    build = f"CREATE {kind} CONCURRENTLY {name.name.sql} ON {answers.table.sql} {method}({columns}){where};"
    listed = parse_one(f"CREATE INDEX ON t ({columns})")  # nothing may close the parenthesis and go on behind it
    built = parse_one(build)
    if built is None or listed is None or listed.index_including_params or listed.HasField("where_clause"):
        raise BadIndex(columns=columns, where=f" where {answers.text('where')}" if where else "")
    return [_index(answers.table, name, build, columns, unique=unique, comment=answers.comment)]


def _index_name(table: Table, columns: str, end: str, given: str) -> Table:
    if given:
        return Table(names.name(given, "an index"), table.schema)
    words = re.findall(r"[a-z0-9_]+", columns.lower())
    return table.beside(*[word for word in words if word not in ("asc", "desc", "nulls", "first", "last")][:3], end)


def _index(table: Table, name: Table, build: str, said: str, *, unique: bool, comment: str = "") -> Member:
    described = forms.comment_on("INDEX", name.sql, comment)
    what = "Allow each value once" if unique else "Find rows"
    once = "\n              AND indisunique" if unique else ""
    return Member(
        description="",
        title=f"Index {table.name.text}",
        purpose=f"{what} in {table.name.text} by {' '.join(said.split())}",
        rollback="lossless",
        forward_sql=forms.join(build, forms.block(described) if described else ""),
        rollback_sql=f"DROP INDEX CONCURRENTLY {name.sql};",
        verify_sql=f"""SELECT 'the index exists and is valid' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_index
            WHERE indexrelid = {name.regclass}
              AND indrelid = {table.regclass}
              AND indisvalid
              AND indisready{once}
       ) AS ok;""",
        notes=(
            "CONCURRENTLY lets people go on writing while the index is built; it runs outside a transaction, so it "
            "stands alone.",
        ),
    )


def foreign_key(answers: Answers) -> list[Member]:
    """Add a foreign key: first the index that it needs, then the constraint, promised and checked apart."""
    answers.need("table", "column", "references")
    table = answers.table
    columns = [names.name(one, "a column") for one in answers.text("column").split(",")]
    other, others = _referenced(answers.text("references"))
    if len(columns) != len(others):
        raise ColumnsDiffer(given=len(columns), wanted=len(others))
    action = " ".join(answers.text("on-delete").lower().split()) or "no action"
    if action not in ACTIONS:
        raise BadAction(value=answers.text("on-delete"), allowed=", ".join(ACTIONS))
    listed, referred = (", ".join(one.sql for one in each) for each in (columns, others))
    on_delete = "" if action == "no action" else f" ON DELETE {action.upper()}"
    constraint = table.beside(*(one.text for one in columns), "fkey").name
    found = []
    if not answers.yes("indexed"):
        name = table.beside(*(one.text for one in columns), "idx")
        build = f"CREATE INDEX CONCURRENTLY {name.name.sql} ON {table.sql} ({listed});"
        indexed = _index(table, name, build, listed, unique=False)
        found.append(_renamed(indexed, f"Index {', '.join(one.text for one in columns)}"))
    promise = (
        f"ALTER TABLE {table.sql}\n    ADD CONSTRAINT {constraint.sql} FOREIGN KEY ({listed})\n"
        f"        REFERENCES {other.sql} ({referred}){on_delete} NOT VALID;"
    )
    return [*found, _constraint(table, other, constraint, promise)]


def _renamed(member: Member, title: str) -> Member:
    return Member(
        description="index",
        title=title,
        purpose=f"{member.purpose}: the foreign key looks for referring rows whenever one it refers to goes",
        rollback=member.rollback,
        forward_sql=member.forward_sql,
        rollback_sql=member.rollback_sql,
        verify_sql=member.verify_sql,
        notes=member.notes,
    )


def _constraint(table: Table, other: Table, constraint: Name, promise: str) -> Member:
    return Member(
        description="constrain",
        title=f"Refer to {other.name.text}",
        purpose=f"Refuse rows of {table.name.text} that refer to nothing in {other.name.text}",
        rollback="lossless",
        forward_sql=forms.join(
            forms.block(promise), forms.block(f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT {constraint.sql};")
        ),
        rollback_sql=forms.block(f"ALTER TABLE {table.sql} DROP CONSTRAINT {constraint.sql};"),
        verify_sql=f"""SELECT 'the foreign key exists and holds for every row' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = {table.regclass}
              AND confrelid = {other.regclass}
              AND conname = {literal(constraint.text)}
              AND convalidated
       ) AS ok;""",
        notes=(
            "Promised first: from its commit on no new row can refer to nothing, and the lock lasts a moment. Checked "
            "second, under a lock that writers do not feel. Rows that refer to nothing stop the check; it names one.",
        ),
    )


def _referenced(value: str) -> tuple[Table, list[Name]]:
    match = re.fullmatch(r"(.+?)\s*\(([^()]+)\)", value, re.S)
    if match is None:
        raise BadReference(value=value)
    return (
        names.table(match.group(1), "a table that is referred to"),
        [names.name(one, "a column that is referred to") for one in match.group(2).split(",")],
    )
