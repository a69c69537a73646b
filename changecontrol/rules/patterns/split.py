"""split-table: columns move to a table of their own, kept equal in both directions until the old ones go."""

# ruff: noqa: S608  # writes SQL files for people to read; every name in it is checked and quoted
from __future__ import annotations

from dataclasses import dataclass

from changecontrol.rules.directives import CTID
from changecontrol.rules.patterns import checks, forms, moving_columns, names
from changecontrol.rules.patterns.answers import Answers, SameName
from changecontrol.rules.patterns.member import Member
from changecontrol.rules.patterns.names import Name, Table


@dataclass(frozen=True, slots=True)
class Split:
    """What moves from where to where."""

    old: Table
    new: Table
    key: Name
    key_type: str
    columns: tuple[moving_columns.Moved, ...]
    size: int
    comment: str
    release: str

    @property
    def moved(self) -> list[str]:
        """The columns as statements name them."""
        return [one.name.sql for one in self.columns]

    def row(self, prefix: str) -> str:
        """All moved columns of one row, in a form in which every difference shows."""
        return ", ".join(forms.comparable(f"{prefix}.{one.name.sql}", one.type) for one in self.columns)

    def any_value(self, prefix: str = "") -> str:
        """Whether a row holds anything that moves."""
        return f"num_nonnulls({', '.join(prefix + one for one in self.moved)}) > 0"

    @property
    def required(self) -> list[Name]:
        """The columns that may not be empty."""
        return [one.name for one in self.columns if one.required]

    def whole(self, prefix: str = "") -> str:
        """Whether an old row has what a new one needs: what may not be empty, or else anything at all."""
        return " AND ".join(f"{prefix}{one.sql} IS NOT NULL" for one in self.required) or self.any_value(prefix)

    @property
    def to_new(self) -> Table:
        """The function that carries writes to the new table."""
        return self.old.beside(self.new.name.text, "from_old")

    @property
    def to_old(self) -> Table:
        """The function that carries writes back."""
        return self.old.beside(self.new.name.text, "from_new")


def split(answers: Answers) -> list[Member]:
    """Move columns of a table to a new one with the same key."""
    answers.need("table", "to", "columns", "key", "key-type", "release")
    found = Split(
        answers.table,
        names.table(answers.text("to"), "the new table"),
        answers.key,
        names.type_name(answers.text("key-type")),
        moving_columns.read(answers.text("columns")),
        answers.size,
        answers.comment,
        answers.release,
    )
    if found.new.name == found.old.name:
        raise SameName(value=found.new.name.text)
    if found.key.text == CTID:
        raise checks.KeyIsPlace
    checks.key_stays(found.key, *(one.name for one in found.columns))
    return [_expand(found), _contract(found)]


def _from_old(move: Split) -> str:
    """Old code wrote: bring the new row up to date, or make it. Only what changed is carried over."""
    new, key = move.new.qualified, move.key.sql
    sets = f",\n{' ' * 19}".join(f"{one} = NEW.{one}" for one in move.moved)
    values = ", ".join(f"NEW.{one}" for one in move.moved)
    excluded = f",\n{' ' * 19}".join(f"{one} = excluded.{one}" for one in move.moved)
    body = f"""BEGIN
    IF EXISTS (SELECT FROM {new} AS n WHERE n.{key} = NEW.{key}) THEN
        IF TG_OP = 'INSERT' OR ({move.row("NEW")}) IS DISTINCT FROM ({move.row("OLD")}) THEN
            UPDATE {new} AS n
               SET {sets}
             WHERE n.{key} = NEW.{key}
               AND ({move.row("n")}) IS DISTINCT FROM ({move.row("NEW")});
        END IF;
    ELSIF {move.whole("NEW.")} THEN
        INSERT INTO {new} AS n ({", ".join([key, *move.moved])})
        VALUES (NEW.{key}, {values})
            ON CONFLICT ({key}) DO UPDATE
               SET {excluded}
             WHERE ({move.row("n")}) IS DISTINCT FROM ({move.row("excluded")});
    END IF;
    RETURN NULL;
END"""
    said = f"Carries what old code writes in {move.old.name.text} over to {move.new.name.text}"
    return forms.trigger_function(move.to_new, body, said, definer=True)


def _from_new(move: Split) -> str:
    """New code wrote: bring the old row up to date. A row that went, or got another key, leaves its old row empty."""
    old, key = move.old.qualified, move.key.sql
    sets = f",\n{' ' * 15}".join(f"{one} = NEW.{one}" for one in move.moved)
    empty = f",\n{' ' * 15}".join(f"{one} = NULL" for one in move.moved)
    body = f"""BEGIN
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND NEW.{key} IS DISTINCT FROM OLD.{key}) THEN
        UPDATE {old} AS o
           SET {empty}
         WHERE o.{key} = OLD.{key}
           AND {move.any_value("o.")};
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE {old} AS o
           SET {sets}
         WHERE o.{key} = NEW.{key}
           AND ({move.row("o")}) IS DISTINCT FROM ({move.row("NEW")});
    END IF;
    RETURN NULL;
END"""
    said = f"Carries what new code writes in {move.new.name.text} over to {move.old.name.text}"
    return forms.trigger_function(move.to_old, body, said, definer=True)


def _trigger_old(move: Split) -> str:
    return (
        f"CREATE TRIGGER {_trigger(move.to_new)} AFTER INSERT OR UPDATE ON {move.old.sql}\n"
        f"    FOR EACH ROW EXECUTE FUNCTION {move.to_new.sql}();"
    )


def _trigger_new(move: Split) -> str:
    """The two triggers end by themselves: each writes only what differs."""
    return (
        f"CREATE TRIGGER {_trigger(move.to_old)} AFTER INSERT OR UPDATE OR DELETE ON {move.new.sql}\n"
        f"    FOR EACH ROW EXECUTE FUNCTION {move.to_old.sql}();"
    )


def _trigger(function: Table) -> str:
    return names.named("zz", function.name.text).sql


def _drop_both(move: Split) -> list[str]:
    return [
        f"DROP TRIGGER {_trigger(move.to_old)} ON {move.new.sql};",
        f"DROP TRIGGER {_trigger(move.to_new)} ON {move.old.sql};",
        f"DROP FUNCTION {move.to_old.sql}();",
        f"DROP FUNCTION {move.to_new.sql}();",
    ]


def _create(move: Split) -> str:
    lines = [f"    {move.key.sql} {move.key_type} NOT NULL", *(f"    {one.sql}" for one in move.columns)]
    key, foreign = move.new.beside("pkey").name.sql, move.new.beside(move.key.text, "fkey").name.sql
    lines += [
        f"    CONSTRAINT {key} PRIMARY KEY ({move.key.sql})",
        f"    CONSTRAINT {foreign} FOREIGN KEY ({move.key.sql})\n"
        f"        REFERENCES {move.old.sql} ({move.key.sql}) ON UPDATE CASCADE ON DELETE CASCADE",
    ]
    return f"CREATE TABLE {move.new.sql} (\n" + ",\n".join(lines) + "\n);"


def _expand(move: Split) -> Member:
    old, new = move.old, move.new
    named = ", ".join(one.name.text for one in move.columns)
    first, required = move.moved[0], [one.text for one in move.required]
    relaxed = ",\n".join(f"    ALTER COLUMN {one.sql} DROP NOT NULL" for one in move.required)
    touch = (
        f"-- changecontrol: batch key={move.key.sql} size={move.size} expect>0\n"
        f"UPDATE {old.sql}\n   SET {first} = {first}\n WHERE {move.whole()}\n"
        f"   AND NOT EXISTS (SELECT FROM {new.sql} AS n WHERE n.{move.key.sql} = {old.name.sql}.{move.key.sql});"
    )
    return Member(
        description="expand",
        title=f"Split {old.name.text}: {new.name.text} beside it",
        purpose=f"Give {named} of {old.name.text} a table of their own, {new.name.text}, both kept equal",
        rollback=f"conditional, only while every row of {old.name.text} has {' and '.join(required)}"
        if required
        else f"lossless, every value is in {old.name.text} as well",
        forward_sql=forms.join(
            forms.block(
                _from_old(move),
                _from_new(move),
                _create(move),
                forms.comment_on("TABLE", new.sql, move.comment),
                _trigger_new(move),
                f"ALTER TABLE {old.sql}\n{relaxed};" if relaxed else "",
                _trigger_old(move),
            ),
            touch,
        ),
        rollback_sql=forms.join(
            forms.block(*_drop_both(move)[1::2]),
            forms.block(f"DROP TABLE {new.sql};", _drop_both(move)[2]),
            *(forms.require(old, one) for one in move.required),
        ),
        verify_sql=forms.join(
            forms.has_trigger(old, names.named("zz", move.to_new.name.text), what="carries to the new table"),
            forms.has_trigger(new, names.named("zz", move.to_old.name.text), what="carries to the old table"),
            _equal(move),
        ),
        notes=(
            "Existing rows are filled by touching them: the trigger does the copying, under the lock on the old row, "
            "so no write that happens at the same moment can be lost. Old and new code that write the same row at the "
            "same moment may meet as a deadlock, and one of them has to try again. New code may come once this is "
            "complete; it writes with INSERT … ON CONFLICT DO UPDATE, because old code or a default may have made the "
            "row already.",
            *_relaxing(move),
            "By hand, before this is submitted, give the new table the comments, rights, row-level security and "
            "policies that the moved columns had through their table.",
        ),
    )


def _relaxing(move: Split) -> tuple[str, ...]:
    if not move.required:
        return ()
    return (
        f"What may not be empty stays so in {move.new.name.text}; {move.old.name.text} lets it be, so that new code "
        "can write a row there before the one here.",
    )


def _equal(move: Split) -> str:
    key = move.key.sql
    only = f"\n              AND (n.{key} IS NOT NULL OR {move.whole('o.')})" if move.required else ""
    return f"""SELECT 'both tables say the same' AS name,
       NOT EXISTS (
           SELECT
             FROM {move.old.sql} AS o
             LEFT JOIN {move.new.sql} AS n ON n.{key} = o.{key}
            WHERE ({move.row("o")}) IS DISTINCT FROM ({move.row("n")}){only}
       ) AS ok;"""


def _contract(move: Split) -> Member:
    old, new = move.old, move.new
    named = ", ".join(one.name.text for one in move.columns)
    drops = ",\n".join(f"    DROP COLUMN {one}" for one in move.moved)
    adds = ",\n".join(f"    ADD COLUMN {one.name.sql} {one.type}" for one in move.columns)
    defaults = [one for one in move.columns if one.default]
    gives = ",\n".join(f"    ALTER COLUMN {one.name.sql} SET DEFAULT {one.default}" for one in defaults)
    key, first = move.key.sql, move.moved[0]
    # Copying with UPDATE … FROM would write a value that a writer has just replaced: of the joined table it sees the
    # row as it was. Touched under its own lock, each row is carried over as it is.
    fill = (
        f"-- changecontrol: batch key={key} size={move.size} expect>0\n"
        f"UPDATE {new.sql}\n   SET {first} = {first}\n WHERE EXISTS (\n"
        f"           SELECT FROM {old.sql} AS o\n            WHERE o.{key} = {new.name.sql}.{key}\n"
        f"              AND ({move.row('o')}) IS DISTINCT FROM ({move.row(new.name.sql)})\n       );"
    )
    return Member(
        description="contract",
        title=f"Split {old.name.text}: the old columns go",
        purpose=f"Drop {named} of {old.name.text} once running code finds them in {new.name.text} alone",
        rollback=f"lossless, the old columns are filled again from {new.name.text}",
        requires_release=move.release,
        forward_sql=forms.block(*_drop_both(move), f"ALTER TABLE {old.sql}\n{drops};"),
        rollback_sql=forms.join(
            forms.block(
                _from_old(move),
                f"ALTER TABLE {old.sql}\n{adds};",
                f"ALTER TABLE {old.sql}\n{gives};" if gives else "",
                _trigger_old(move),
            ),
            forms.block(_from_new(move), _trigger_new(move)),
            fill,
        ),
        verify_sql=forms.join(*(forms.lacks_column(old, one.name) for one in move.columns), _there(move)),
        notes=("Both tables are locked in the order in which new code writes them, so neither waits for the other.",),
        rollback_notes=(
            f"The columns come back as the last ones and are filled by touching the rows of {new.name.text}, under "
            "their locks. Old code may come back once this is complete. What else they had of comments, indexes, "
            "constraints and rights has to stand here too.",
        ),
    )


def _there(move: Split) -> str:
    listed = ", ".join(names.literal(one.name.text) for one in move.columns)
    return f"""SELECT 'the new table has them' AS name,
       count(*) = {len(move.columns)} AS ok
  FROM pg_catalog.pg_attribute
 WHERE attrelid = {move.new.regclass}
   AND attname IN ({listed})
   AND NOT attisdropped;"""
