"""Rows by type and constraint, for tables of a copy that have none: always the same, in the order of foreign keys.

What the database refuses, by a trigger, a rule, a policy or a constraint that is not understood here, is no error: the
table stays empty, and the server's own words say why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from changecontrol.targets import columns, oddities
from changecontrol.targets.columns import Column, Table
from changecontrol.targets.connection import Session
from changecontrol.targets.values import NoValue, value
from changecontrol.targets.wishes import Wish, Wishes

#: How rows of one table are tried, one after the other: with values and NULLs mixed, without NULLs, with few values.
_WAYS = ("mixed", "full", "bare")
_MOST_LINKS = 200


@dataclass(slots=True)
class Made:
    """How many rows were made by table, and why there are none in the others."""

    rows: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def fill(session: Session, *, tables: Collection[str], rows: int, nulls: bool = True, odd: int = oddities.NONE) -> Made:
    """Make rows in those of the tables that are empty, and in the empty ones they refer to.

    With `nulls` columns that may be NULL are so in some of the rows;
    with `odd` some rows hold values as in oddities.py.
    """
    made = Made()
    known = columns.read(session, tables) if tables else {}
    try:
        session.execute("SET statement_timeout = '20s'")
        for table in _ordered(known):
            if not table.partitioned and _has_no_rows(session, table.name):
                _fill(session, table, known, rows, made, nulls, odd)
    finally:
        session.pin()
    return made


def clear(session: Session, tables: Sequence[str], standing: Mapping[str, int | None]) -> bool:
    """Take the rows away again and put the sequences where they stood; False where the database does not let us.

    `tables` in the order of filling: what refers to others comes behind them.
    """
    try:
        with session.transaction():
            _empty(session, tables)
            for name, last in standing.items():
                if last is None:
                    session.execute(
                        "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"
                        " WHERE seqrelid = to_regclass(%s)",
                        (name,),
                    )
                else:
                    session.execute("SELECT setval(to_regclass(%s), %s)", (name, last))
    except (psycopg.Error, _Swallowed):
        if session.closed:
            raise
        return False
    return True


class _Swallowed(Exception):
    """A rule kept rows that were to be deleted."""


def _empty(session: Session, tables: Sequence[str]) -> None:
    try:
        with session.transaction():
            if tables:  # all at once: they may refer to each other
                session.execute(sql.SQL("TRUNCATE ONLY {}").format(sql.SQL(", ONLY ").join(map(sql.SQL, tables))))
        return
    except psycopg.Error:
        if session.closed:
            raise
    for name in reversed(tables):
        session.execute(sql.SQL("DELETE FROM ONLY {}").format(sql.SQL(name)))
    for name in tables:
        if not _has_no_rows(session, name):
            raise _Swallowed(name)


def _ordered(known: Mapping[int, Table]) -> Iterator[Table]:
    """Referred tables first; of a circle any one begins."""
    done: set[int] = set()

    def visit(oid: int, path: tuple[int, ...]) -> Iterator[Table]:
        if oid in done or oid in path or oid not in known:
            return
        for _columns, other, _key in known[oid].links:
            yield from visit(other, (*path, oid))
        if oid not in done:
            done.add(oid)
            yield known[oid]

    parts = sorted(known.values(), key=lambda table: table.name)
    for table in parts:
        yield from visit(table.oid, ())


def _has_no_rows(session: Session, name: str) -> bool:
    row = session.execute(f"SELECT NOT EXISTS (SELECT FROM ONLY {name})".encode()).fetchone()  # noqa: S608
    return bool(row and row[0])


def _fill(
    session: Session, table: Table, known: Mapping[int, Table], rows: int, made: Made, nulls: bool, odd: int
) -> None:
    try:
        count, refused = 0, ""
        itself = any(other == table.oid for _names, other, _key in table.links)
        for numbers in (range(1, rows // 2), range(rows // 2, rows + 1)) if itself else (range(1, rows + 1),):
            links = [(names, _linked(session, known, other, key)) for names, other, key in table.links]
            done, said = _insert(session, _Rows(table, links, odd), numbers, _WAYS if nulls else _WAYS[1:2])
            count, refused = count + done, refused or said
    except NoValue as no:
        made.reasons[table.name] = f"{no}."
        return
    except psycopg.Error as error:
        if session.closed:
            raise
        count, refused = 0, error.diag.message_primary or "it cannot be read"
    if count:
        made.rows[table.name] = count
    else:
        made.reasons[table.name] = refused or "a rule or trigger swallows the rows"


def _linked(session: Session, known: Mapping[int, Table], oid: int, key: tuple[int, ...]) -> list[tuple[str, ...]]:
    """Values of the referred columns, as texts."""
    there = known[oid]
    names = {column.number: column.name for column in there.columns}
    wanted = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(names[number])) for number in key)
    query = sql.SQL("SELECT {} FROM {} ORDER BY 1 LIMIT {}")
    found = session.execute(query.format(wanted, sql.SQL(there.name), _MOST_LINKS)).fetchall()
    return [tuple(row) for row in found if None not in row]


def _insert(session: Session, maker: _Rows, numbers: range, ways: Sequence[str]) -> tuple[int, str]:
    """All rows at once; what is refused, one by one in each way. Gives (rows made, the first refusal)."""
    try:
        return session.execute(maker.statement(numbers, ways[0], odd=True)).rowcount, ""
    except NoValue as no:
        refused = f"{no}."
    except psycopg.Error as error:
        if session.closed:
            raise
        refused = error.diag.message_primary or "refused without a reason"
    maker.leave_out(column for column in maker.optional() if not _is_taken(session, maker, column))
    count = failures = 0
    for number in numbers:
        done = _try(session, maker, number, ways[0], odd=True) if maker.is_odd(number) else 0
        done = done or next((n for way in ways if (n := _try(session, maker, number, way))), 0)
        count += done
        failures = 0 if done else failures + 1
        if failures >= 4:
            break
    return count, refused


def _is_taken(session: Session, maker: _Rows, column: Column) -> bool:
    """Whether the server reads what we make up for this type at all."""
    try:
        session.execute(sql.SQL("SELECT {}").format(maker.cell(column, 1)))
    except (psycopg.Error, NoValue):
        if session.closed:
            raise
        return False
    return True


def _try(session: Session, maker: _Rows, number: int, way: str, *, odd: bool = False) -> int:
    try:
        return session.execute(maker.statement([number], way, odd=odd)).rowcount
    except psycopg.Error:
        if session.closed:
            raise
        return 0


class _Rows:
    """Makes the rows of one table."""

    def __init__(self, table: Table, links: list[tuple[tuple[str, ...], list[tuple[str, ...]]]], odd: int) -> None:
        self.table = table
        self.columns = [column for column in table.columns if not column.skipped]
        self.unique = {name for key in table.keys for name in key}
        self.wishes = {column.name: _wish(table, column) for column in self.columns}
        self.later = _places(table.wishes)
        self._compared = {name for pair in table.wishes.pairs for name in pair}
        self._links, self._odd = links, odd

    def optional(self) -> list[Column]:
        """Columns that may stay empty."""
        return [column for column in self.columns if not column.not_null and not column.own]

    def leave_out(self, columns: Iterable[Column]) -> None:
        """Name these columns in no row."""
        without = {column.name for column in columns}
        self.columns = [column for column in self.columns if column.name not in without]

    def is_odd(self, number: int) -> bool:
        """Whether row `number` holds odd values, unless they are refused."""
        return bool(self._odd) and oddities.is_odd(number)

    def cell(self, column: Column, number: int, *, odd: bool = False) -> sql.Composable:
        """The value of a column, cast to its type."""
        text = None
        if odd and self.is_odd(number) and column.name not in self._compared:
            keyed = column.name in self.unique
            text = oddities.odd(column, self.wishes[column.name], number, level=self._odd, keyed=keyed)
        if text is None:
            text = value(column, self.wishes[column.name], number, later=self.later.get(column.name, 0))
        return sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(column.written))

    def statement(self, numbers: Collection[int], way: str, *, odd: bool = False) -> sql.Composed:
        """One INSERT with a row for each number."""
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in self.columns)
        rows = [sql.SQL("({})").format(sql.SQL(", ").join(self._row(number, way, odd))) for number in numbers]
        target = sql.SQL(self.table.name)
        extra = sql.SQL("" if self.table.plain else "ON CONFLICT DO NOTHING")
        if not self.columns:
            return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(target)
        query = sql.SQL("INSERT INTO {} ({}) VALUES {} {}")
        return query.format(target, names, sql.SQL(", ").join(rows), extra)

    def _row(self, number: int, way: str, odd: bool) -> Iterator[sql.Composable]:
        linked = self._values_of_links(number, way)
        for place, column in enumerate(self.columns):
            given = linked.get(column.name, ...)
            # an odd row shows all it has; the NULLs are in the others
            null = self._is_null(column, number // 2 + place if self._odd else number + place, way)
            if given is None or (given is ... and null and not (odd and self.is_odd(number))):
                yield sql.SQL("NULL")
            elif given is ... and column.own:
                yield sql.SQL("DEFAULT")
            else:
                yield sql.Literal(str(given)) if given is not ... else self.cell(column, number, odd=odd)

    def _is_null(self, column: Column, number: int, way: str) -> bool:
        if column.not_null or column.name in self.unique or self.wishes[column.name].not_null or way == "full":
            return False
        return way == "bare" or number % 4 == 3

    def _values_of_links(self, number: int, way: str) -> dict[str, str | None]:
        """Values of foreign keys. The widest come first; NULL where the referred table is empty and allows it."""
        found: dict[str, str | None] = {}
        must = {column.name for column in self.columns if column.not_null}
        for names, rows in self._links:
            free = [name for name in names if name not in found]
            if not free:
                continue
            optional = not must & set(free) and not self.unique & set(free)
            if optional and (not rows or way == "bare" or (way == "mixed" and number % 4 == 3)):
                found.update(dict.fromkeys(free))
            elif rows:
                fitting = [row for row in rows if all(found.get(n, v) == v for n, v in zip(names, row, strict=True))]
                found.update(zip(names, (fitting or rows)[number % len(fitting or rows)], strict=True))
        return found


def _wish(table: Table, column: Column) -> Wish:
    wish = table.wishes.columns.get(column.name, Wish())
    if not column.kind.checks:
        return wish
    own = Wishes({"value": wish}, [])
    for check in column.kind.checks:
        own.add(check.replace("VALUE", "value"))
    return own.columns["value"]


def _places(wishes: Wishes) -> dict[str, int]:
    """How many smaller columns each column must stay above: a > b > c gives 2, 1, 0."""
    places: dict[str, int] = {}
    for _ in range(len(wishes.pairs)):
        for smaller, larger in wishes.pairs:
            places[larger] = max(places.get(larger, 0), places.get(smaller, 0) + 1)
    return places
