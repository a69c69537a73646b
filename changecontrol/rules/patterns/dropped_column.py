"""drop-column: first nobody needs it any more, then it goes."""

# ruff: noqa: S608  # writes SQL files for people to read; every name in it is checked and quoted
from __future__ import annotations

from changecontrol.rules.patterns import forms
from changecontrol.rules.patterns.answers import Answers
from changecontrol.rules.patterns.member import Member


def drop(answers: Answers) -> list[Member]:
    """Drop a column; one that may not be empty is first allowed to be, so that new code can leave it out."""
    answers.need("table", "column", "type", "release")
    return [_relax(answers), _drop(answers)] if answers.yes("not-null") else [_drop(answers)]


def _relax(answers: Answers) -> Member:
    table, column = answers.table, answers.column
    check = table.beside(column.text, "present").name.sql
    return Member(
        description="relax",
        title=f"No longer require {column.text}",
        purpose=f"Let releases write {table.name.text} that do not know {column.text} any more",
        rollback="conditional, only while every row has a value",
        forward_sql=forms.block(f"ALTER TABLE {table.sql} ALTER COLUMN {column.sql} DROP NOT NULL;"),
        rollback_sql=forms.require(table, column),
        verify_sql=f"""SELECT 'a value is no longer required' AS name,
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = {table.regclass}
              AND attname = '{column.text.replace("'", "''")}'
              AND NOT attnotnull
       ) AS ok;""",
        rollback_notes=(
            f"Requires the value again without a scan that stops anyone. If it stops at the check {check}, rows "
            "without a value have been written since; give them one first.",
        ),
    )


def _drop(answers: Answers) -> Member:
    table, column = answers.table, answers.column
    default = f" DEFAULT {answers.default}" if answers.default else ""
    after = "with its default" if default else "empty"
    return Member(
        description="drop" if answers.yes("not-null") else "",
        title=f"Drop {column.text}",
        purpose=f"Drop {column.text} of {table.name.text} once no running code reads or writes it any more",
        rollback=f"lossy, {table.name.text}.{column.text} comes back {after}: its values are lost",
        requires_release=answers.release,
        forward_sql=forms.block(f"ALTER TABLE {table.sql} DROP COLUMN {column.sql};"),
        rollback_sql=forms.block(
            f"ALTER TABLE {table.sql} ADD COLUMN {column.sql} {answers.type}{default};",
            forms.comment_on("COLUMN", f"{table.sql}.{column.sql}", answers.comment),
        ),
        verify_sql=forms.lacks_column(table, column),
        notes=(
            "Dropping a column takes a moment and rewrites nothing. Its indexes and constraints go with it; views on "
            "it stop this migration.",
        ),
        rollback_notes=(
            "Restores the column, not its content. Indexes, constraints and rights that it had have to stand here too.",
        ),
    )
