"""add-not-null-column: at once with a constant default, else empty, filled in batches, then required."""

from __future__ import annotations

from dataclasses import dataclass

from changecontrol.rules.patterns import checks, expressions, forms, names
from changecontrol.rules.patterns.answers import Answers, AnswersMissing, TwoWays
from changecontrol.rules.patterns.member import Member
from changecontrol.rules.patterns.names import Name, Table


@dataclass(frozen=True, slots=True)
class _Filled:
    """A column whose existing rows and forgetful writers get the value of an expression."""

    table: Table
    column: Name
    type: str
    value: str
    key: Name
    size: int
    comment: str
    release: str

    @property
    def function(self) -> Table:
        return self.table.beside(self.column.text, "fill")

    @property
    def trigger(self) -> Name:
        return names.named("zz", self.table.name.text, self.column.text, "fill")


def add(answers: Answers) -> list[Member]:
    """Add a column that no row may leave empty."""
    answers.need("table", "column", "type")
    if answers.text("default") and answers.text("expression"):
        raise TwoWays
    if answers.text("default"):
        return [_at_once(answers)]
    if not answers.text("expression"):
        raise AnswersMissing(
            pattern=answers.pattern,
            missing="--default (a constant for existing rows) or --expression (their value, made of other columns)",
        )
    answers.need("key", "release")
    column = checks.new_column(answers.text("column"))
    checks.key_stays(answers.key, column)
    filled = _Filled(
        answers.table,
        column,
        answers.type,
        checks.made_of(answers.text("expression"), "--expression", answers.table, without=column),
        answers.key,
        answers.size,
        answers.comment,
        answers.release,
    )
    return [_expand(filled), _require(filled), _contract(filled)]


def _at_once(answers: Answers) -> Member:
    table, column = answers.table, checks.new_column(answers.text("column"))
    return Member(
        description="",
        title=f"Add {column.text}",
        purpose=f"Add {column.text} to {table.name.text} with a value for every row, old and new",
        rollback=f"lossy, values written to {column.text} since are lost",
        forward_sql=forms.block(
            f"ALTER TABLE {table.sql} ADD COLUMN {column.sql} {answers.type} NOT NULL DEFAULT {answers.default};",
            forms.comment_on("COLUMN", f"{table.sql}.{column.sql}", answers.comment),
        ),
        rollback_sql=forms.block(f"ALTER TABLE {table.sql} DROP COLUMN {column.sql};"),
        verify_sql=forms.join(forms.has_column(table, column, answers.type), _no_check(table, column)),
        notes=(
            "A constant default is kept in the catalog: no row is rewritten and none has to be filled. Old code that "
            "does not name the column gets the default.",
        ),
    )


def _no_check(table: Table, column: Name) -> str:
    return forms.is_required(table, column).partition("\n\n")[0]


def _fill_function(filled: _Filled) -> str:
    column = f"NEW.{filled.column.sql}"
    value = expressions.over_row(filled.value, "NEW", "--expression")
    body = f"""BEGIN
    IF {column} IS NULL THEN
        {column} := {value};
    END IF;
    RETURN NEW;
END"""
    said = f"Gives {filled.column.text} of {filled.table.name.text} a value where the writer does not know the column"
    return forms.trigger_function(filled.function, body, said, expressions=True)


def _trigger(filled: _Filled) -> str:
    return (
        f"CREATE TRIGGER {filled.trigger.sql} BEFORE INSERT OR UPDATE ON {filled.table.sql}\n"
        f"    FOR EACH ROW EXECUTE FUNCTION {filled.function.sql}();"
    )


def _expand(filled: _Filled) -> Member:
    table, column = filled.table, filled.column
    batch = (
        f"-- changecontrol: batch key={filled.key.sql} size={filled.size} expect>0\n"
        f"UPDATE {table.sql}\n   SET {column.sql} = {filled.value}\n WHERE {column.sql} IS NULL;"
    )
    return Member(
        description="expand",
        title=f"Add {column.text}: filled for every row",
        purpose=f"Add {column.text} to {table.name.text}, give it a value in new rows, then in existing ones",
        rollback=f"lossy, values written to {column.text} by new code are lost",
        forward_sql=forms.join(
            forms.block(
                _fill_function(filled),
                f"ALTER TABLE {table.sql} ADD COLUMN {column.sql} {filled.type};",
                forms.comment_on("COLUMN", f"{table.sql}.{column.sql}", filled.comment),
                _trigger(filled),
            ),
            batch,
        ),
        rollback_sql=forms.block(
            f"DROP TRIGGER {filled.trigger.sql} ON {table.sql};",
            f"ALTER TABLE {table.sql} DROP COLUMN {column.sql};",
            f"DROP FUNCTION {filled.function.sql}();",
        ),
        verify_sql=forms.join(
            forms.has_column(table, column, filled.type),
            forms.has_trigger(table, filled.trigger, what="fills the column"),
            forms.nothing_left(table, f"{column.sql} IS NULL", "every row has a value"),
        ),
        notes=(
            "New rows first, old rows second: the trigger fills what writers leave empty, then existing rows are "
            "filled in batches that each commit, so nobody waits and an aborted run goes on where it stopped.",
        ),
    )


def _require(filled: _Filled) -> Member:
    column = filled.column
    return Member(
        description="require",
        title=f"Require {column.text}",
        purpose=f"Refuse rows without {column.text}, without stopping anyone while existing rows are checked",
        rollback="lossless",
        forward_sql=forms.require(filled.table, column),
        rollback_sql=forms.no_longer_required(filled.table, column),
        verify_sql=forms.is_required(filled.table, column),
        notes=(
            "SET NOT NULL alone would read the whole table while nobody can use it. A check that is first promised "
            "for new rows and then validated under a weak lock proves the same, and SET NOT NULL believes it unread.",
        ),
        rollback_notes=(forms.REQUIRE_BACK_NOTE,),
    )


def _contract(filled: _Filled) -> Member:
    return Member(
        description="contract",
        title=f"Add {filled.column.text}: the trigger goes",
        purpose=f"Stop filling {filled.column.text} by trigger once every running release writes it itself",
        rollback="lossless",
        requires_release=filled.release,
        forward_sql=forms.block(
            f"DROP TRIGGER {filled.trigger.sql} ON {filled.table.sql};", f"DROP FUNCTION {filled.function.sql}();"
        ),
        rollback_sql=forms.block(_fill_function(filled), _trigger(filled)),
        verify_sql=forms.join(
            forms.has_trigger(filled.table, filled.trigger, there=False, what="filled the column"),
            _no_check(filled.table, filled.column),
        ),
    )
