"""How old and new application code write the same facts: each row has a label and one value that moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]
#: what the application knows of a row
Fact = tuple[str, Any]


class _Anything:
    """A value that the application does not know: equal to every other."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANYTHING = _Anything()


class Column:
    """Code that knows the value as one column of `things`."""

    def __init__(self, column: str, *, out: Callable[[Any], Any] = lambda value: value, one: str = "{} + 1") -> None:
        self.column, self.out, self.one = column, out, one.format(column)

    #: whether this code knows the value
    aware = True

    def insert(self, conn: Connection, key: int, fact: Fact) -> None:
        sql = f"INSERT INTO things (id, label, {self.column}) VALUES (%s, %s, %s)"
        conn.execute(sql.encode(), (key, fact[0], self.out(fact[1])))

    def change(self, conn: Connection, key: int, value: Any) -> int:
        sql = f"UPDATE things SET {self.column} = %s WHERE id = %s"
        return conn.execute(sql.encode(), (self.out(value), key)).rowcount

    def upsert(self, conn: Connection, key: int, value: Any) -> int:
        sql = f"""INSERT INTO things (id, label, {self.column}) VALUES (%s, '', %s)
                      ON CONFLICT (id) DO UPDATE SET {self.column} = excluded.{self.column}"""
        return conn.execute(sql.encode(), (key, self.out(value))).rowcount

    def rekey(self, conn: Connection, key: int, fresh: int) -> int:
        return conn.execute("UPDATE things SET id = %s WHERE id = %s", (fresh, key)).rowcount

    def label(self, conn: Connection, key: int, label: str) -> int:
        return conn.execute("UPDATE things SET label = %s WHERE id = %s", (label, key)).rowcount

    def bump(self, conn: Connection, key: int) -> int:
        return conn.execute(f"UPDATE things SET {self.column} = {self.one} WHERE id = %s".encode(), (key,)).rowcount

    def delete(self, conn: Connection, key: int) -> int:
        return conn.execute("DELETE FROM things WHERE id = %s", (key,)).rowcount

    def facts(self, conn: Connection) -> dict[int, Fact]:
        rows = conn.execute(f"SELECT id, label, {self.column} FROM things".encode()).fetchall()
        return {key: (label, value) for key, label, value in rows}


class Both(Column):
    """Code of the time in between that knows both columns and writes both alike."""

    def __init__(self, old: Column, new: Column) -> None:
        super().__init__(new.column, out=new.out, one=new.one)
        self.old = old

    def insert(self, conn: Connection, key: int, fact: Fact) -> None:
        sql = f"INSERT INTO things (id, label, {self.old.column}, {self.column}) VALUES (%s, %s, %s, %s)"
        conn.execute(sql.encode(), (key, fact[0], self.old.out(fact[1]), self.out(fact[1])))

    def change(self, conn: Connection, key: int, value: Any) -> int:
        sql = f"UPDATE things SET {self.old.column} = %s, {self.column} = %s WHERE id = %s"
        return conn.execute(sql.encode(), (self.old.out(value), self.out(value), key)).rowcount


class Unaware(Column):
    """Code that does not know the value at all: the database fills it, or nobody does."""

    aware = False

    def __init__(self) -> None:
        super().__init__("")

    def insert(self, conn: Connection, key: int, fact: Fact) -> None:
        conn.execute("INSERT INTO things (id, label) VALUES (%s, %s)", (key, fact[0]))

    def change(self, conn: Connection, key: int, value: Any) -> int:
        return 0

    def upsert(self, conn: Connection, key: int, value: Any) -> int:
        return 0

    def bump(self, conn: Connection, key: int) -> int:
        return 0

    def facts(self, conn: Connection) -> dict[int, Fact]:
        rows = conn.execute("SELECT id, label FROM things").fetchall()
        return {key: (label, ANYTHING) for key, label in rows}


class Beside(Column):
    """Code that knows the value as a row of a table of its own; no row means no value."""

    def __init__(self, table: str, column: str) -> None:
        super().__init__(column)
        self.beside = table

    def insert(self, conn: Connection, key: int, fact: Fact) -> None:
        conn.execute("INSERT INTO things (id, label) VALUES (%s, %s)", (key, fact[0]))
        if fact[1] is not None:
            self._put(conn, key, fact[1])

    def _put(self, conn: Connection, key: int, value: Any) -> None:
        sql = f"""INSERT INTO {self.beside} (id, {self.column}) VALUES (%s, %s)
                      ON CONFLICT (id) DO UPDATE SET {self.column} = excluded.{self.column}"""
        conn.execute(sql.encode(), (key, value))

    def change(self, conn: Connection, key: int, value: Any) -> int:
        if value is None:
            conn.execute(f"DELETE FROM {self.beside} WHERE id = %s".encode(), (key,))
        else:
            self._put(conn, key, value)
        return 1

    def upsert(self, conn: Connection, key: int, value: Any) -> int:
        return self.change(conn, key, value)

    def bump(self, conn: Connection, key: int) -> int:
        sql = f"UPDATE {self.beside} SET {self.column} = {self.column} + 1 WHERE id = %s"
        return conn.execute(sql.encode(), (key,)).rowcount

    def facts(self, conn: Connection) -> dict[int, Fact]:
        sql = f"SELECT t.id, t.label, n.{self.column} FROM things AS t LEFT JOIN {self.beside} AS n ON n.id = t.id"
        return {key: (label, value) for key, label, value in conn.execute(sql.encode()).fetchall()}
