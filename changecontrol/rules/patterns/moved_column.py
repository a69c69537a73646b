"""rename-column and change-type: a new column beside the old one, kept equal in both directions, then the old one goes.

Renaming in place, or changing the type in place, breaks the application code that is running at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from changecontrol.rules.patterns import checks, expressions, forms, names
from changecontrol.rules.patterns.answers import Answers, SameName
from changecontrol.rules.patterns.member import Member
from changecontrol.rules.patterns.names import Name, Table
from changecontrol.rules.refusal import Refused

_STAGES = (
    "Old code writes {old}, new code writes {new}; the trigger carries each write over to the other column. New code "
    "may come once this migration is complete."
)


class DefaultsDiffer(Refused):
    """A default has to be given for both columns, as --from-default for the old one and as --default for the new one:
    whichever code leaves the column out gets it.
    """


@dataclass(frozen=True, slots=True)
class _Move:
    """Two columns of one table. `using` and `back` are expressions over the old and the new column."""

    table: Table
    old: Name
    new: Name
    old_type: str
    new_type: str
    using: str
    back: str
    key: Name
    size: int
    old_default: str
    new_default: str
    required: bool
    comment: str
    release: str

    @property
    def function(self) -> Table:
        return self.table.beside(self.new.text, "dual_write")

    @property
    def trigger(self) -> Name:
        """Triggers fire in the order of their names: last, so that it carries over what the others made."""
        return names.named("zz", self.table.name.text, self.new.text, "dual_write")


def rename(answers: Answers) -> list[Member]:
    """Give a column another name."""
    answers.need("table", "column", "to", "type", "key", "release")
    old = answers.column.sql
    new = checks.new_column(answers.text("to")).sql
    return _members(answers, answers.type, using=old, back=new, verb="Rename", old_default=answers.default)


def change_type(answers: Answers) -> list[Member]:
    """Give a column another type; its values move to a column with another name."""
    answers.need("table", "column", "to", "from-type", "type", "using", "back", "key", "release")
    old, new = answers.column, checks.new_column(answers.text("to"))
    using = checks.made_of(answers.text("using"), "--using", answers.table, without=new, needs=old)
    back = checks.made_of(answers.text("back"), "--back", answers.table, without=old, needs=new)
    default = answers.text("from-default")
    old_default = expressions.constant(default, "--from-default") if default else ""
    old_type, verb = names.type_name(answers.text("from-type")), "Change type of"
    return _members(answers, old_type, using=using, back=back, verb=verb, old_default=old_default)


def _members(answers: Answers, old_type: str, *, using: str, back: str, verb: str, old_default: str) -> list[Member]:
    new = checks.new_column(answers.text("to"))
    if answers.column == new:
        raise SameName(value=new.text)
    checks.key_stays(answers.key, answers.column, new)
    for default, type_, what in (
        (old_default, old_type, "--from-default"),
        (answers.default, answers.type, "--default"),
    ):
        if default:
            expressions.same_everywhere(default, type_, what)
    move = _Move(
        answers.table,
        answers.column,
        new,
        old_type,
        answers.type,
        using,
        back,
        answers.key,
        answers.size,
        old_default,
        answers.default,
        answers.yes("not-null"),
        answers.comment,
        answers.release,
    )
    if bool(move.old_default) != bool(move.new_default):
        raise DefaultsDiffer
    found = [_expand(move, verb)]
    if move.required:
        found.append(_require(move))
    return [*found, _contract(move, verb)]


def _dual_write(move: _Move) -> str:
    """The function: what was written is carried over; where both were and disagree, the new column wins."""
    new, old = f"NEW.{move.new.sql}", f"NEW.{move.old.sql}"
    using, back = (expressions.over_row(text, "NEW", "the value") for text in (move.using, move.back))
    new_value, old_value = forms.comparable(new, move.new_type), forms.comparable(old, move.old_type)
    new_before = forms.comparable(f"OLD.{move.new.sql}", move.new_type)
    old_before = forms.comparable(f"OLD.{move.old.sql}", move.old_type)
    new_wins, old_wins = f"{old} := {back};", f"{new} := {using};"
    given = "ELSE"
    if move.using != move.old.sql:  # two spellings may mean the same: what is right already is left as it was written
        new_differs = f"{new_value} IS DISTINCT FROM {forms.comparable(using, move.new_type)}"
        old_differs = f"{old_value} IS DISTINCT FROM {forms.comparable(back, move.old_type)}"
        given = f"ELSIF {new_differs} THEN"
        new_wins = f"IF {new_differs} THEN\n            {new_wins}\n        END IF;"
        old_wins = f"IF {old_differs} THEN\n            {old_wins}\n        END IF;"
    left_out = f"{new} IS NULL"
    if move.new_default:  # whoever leaves it out writes its default; a NULL then was meant
        default = forms.comparable(f"({move.new_default})::{names.without_collation(move.new_type)}", move.new_type)
        left_out = f"{new_value} IS NOT DISTINCT FROM {default}"
    body = f"""BEGIN
    IF TG_OP = 'INSERT' THEN
        IF {left_out} THEN
            {new} := {using};
        {given}
            {old} := {back};
        END IF;
    ELSIF {new_value} IS DISTINCT FROM {new_before} THEN
        {new_wins}
    ELSIF {old_value} IS DISTINCT FROM {old_before} THEN
        {old_wins}
    END IF;
    RETURN NEW;
END"""
    said = f"Keeps {move.old.text} and {move.new.text} of {move.table.name.text} equal while old and new code write"
    return forms.trigger_function(
        move.function, body, said, expressions=move.using != move.old.sql or bool(move.new_default)
    )


def _trigger(move: _Move) -> str:
    return (
        f"CREATE TRIGGER {move.trigger.sql} BEFORE INSERT OR UPDATE ON {move.table.sql}\n"
        f"    FOR EACH ROW EXECUTE FUNCTION {move.function.sql}();"
    )


def _fill(move: _Move, target: Name, source: Name, value: str) -> str:
    """Fill one column from the other in batches."""
    open_rows = [f"{target.sql} IS NULL", f"{source.sql} IS NOT NULL"]
    if value != source.sql:
        open_rows.append(f"{expressions.grouped(value)} IS NOT NULL")
    where = "\n   AND ".join(open_rows)
    return (
        f"-- changecontrol: batch key={move.key.sql} size={move.size} expect>0\n"
        f"UPDATE {move.table.sql}\n   SET {target.sql} = {value}\n WHERE {where};"
    )


def _default(table: Table, column: Name, default: str) -> str:
    """Set after the column is added: existing rows stay empty, so that the batches find them."""
    return f"ALTER TABLE {table.sql} ALTER COLUMN {column.sql} SET DEFAULT {default};" if default else ""


def _expand(move: _Move, verb: str) -> Member:
    table, new = move.table, move.new
    forward = forms.join(
        forms.block(
            _dual_write(move),
            f"ALTER TABLE {table.sql} ADD COLUMN {new.sql} {move.new_type};",
            _default(table, new, move.new_default),
            forms.comment_on("COLUMN", f"{table.sql}.{new.sql}", move.comment),
            _trigger(move),
        ),
        _fill(move, new, move.old, move.using),
    )
    unfilled = f"{new.sql} IS NULL AND {move.old.sql} IS NOT NULL"
    unfilled += f" AND {expressions.grouped(move.using)} IS NOT NULL" if move.using != move.old.sql else ""
    by_hand = (
        f"What belongs to {move.old.text} does not come along by itself. Add to the next migration what it has of "
        "indexes, other constraints, views and rights on the single column."
    )
    return Member(
        description="expand",
        title=f"{verb} {move.old.text}: both side by side",
        purpose=f"Add {new.text} beside {move.old.text} of {table.name.text}, keep both equal and fill existing rows",
        rollback=f"lossless, every value is in {move.old.text} as well",
        forward_sql=forward,
        rollback_sql=forms.block(
            f"DROP TRIGGER {move.trigger.sql} ON {table.sql};",
            f"ALTER TABLE {table.sql} DROP COLUMN {new.sql};",
            f"DROP FUNCTION {move.function.sql}();",
        ),
        verify_sql=forms.join(
            forms.has_column(table, new, move.new_type),
            forms.has_trigger(table, move.trigger),
            forms.nothing_left(table, unfilled, "no row is left to fill"),
        ),
        notes=(_STAGES.format(old=move.old.text, new=new.text), *_losing(move), by_hand),
    )


def _losing(move: _Move) -> tuple[str, ...]:
    if move.old_type == move.new_type:
        return ()
    return (
        f"The way back loses nothing as long as {move.old_type} can hold every value that new code writes, and every "
        "value comes back spelled as it was. If not, declare it lossy here and in the last migration. A value that "
        "cannot be converted stops the filling, and old code that writes one is refused from then on: look for them "
        "before.",
    )


def _require(move: _Move) -> Member:
    return Member(
        description="require",
        title=f"Require {move.new.text}",
        purpose=f"Refuse rows without {move.new.text}, as {move.old.text} does, without stopping anyone meanwhile",
        rollback="lossless",
        forward_sql=forms.require(move.table, move.new),
        rollback_sql=forms.no_longer_required(move.table, move.new),
        verify_sql=forms.is_required(move.table, move.new),
        rollback_notes=(forms.REQUIRE_BACK_NOTE,),
    )


def _contract(move: _Move, verb: str) -> Member:
    table, old, new = move.table, move.old, move.new
    back = forms.join(
        forms.block(
            _dual_write(move),
            f"ALTER TABLE {table.sql} ADD COLUMN {old.sql} {move.old_type};",
            forms.comment_on("COLUMN", f"{table.sql}.{old.sql}", move.comment),
            _default(table, old, move.old_default),
            _trigger(move),
        ),
        _fill(move, old, new, move.back),
        forms.require(table, old) if move.required else "",
    )
    return Member(
        description="contract",
        title=f"{verb} {old.text}: the old column goes",
        purpose=f"Drop {old.text} of {table.name.text} once no running code reads or writes it any more",
        rollback=f"lossless, {old.text} is filled again from {new.text}",
        requires_release=move.release,
        forward_sql=forms.block(
            f"DROP TRIGGER {move.trigger.sql} ON {table.sql};",
            f"ALTER TABLE {table.sql} DROP COLUMN {old.sql};",
            f"DROP FUNCTION {move.function.sql}();",
        ),
        rollback_sql=back,
        verify_sql=forms.join(
            forms.lacks_column(table, old),
            forms.has_column(table, new, move.new_type),
            forms.has_trigger(table, move.trigger, there=False, what="kept both equal"),
        ),
        rollback_notes=(
            f"{old.text} comes back as the last column, is filled from {new.text}, and both are kept equal again. Old "
            "code may come back once this is complete. What else the column had of indexes, constraints and rights has "
            "to stand here too.",
        ),
    )
