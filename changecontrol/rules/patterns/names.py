"""Names, types and expressions as people give them to a pattern: checked by PostgreSQL's own grammar, quoted right."""

# ruff: noqa: S608  # writes SQL files for people to read; every name in it is checked and quoted
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from changecontrol.rules.lexer import TokenKind, tokens
from changecontrol.rules.parser import find, kind_of, parse_one, same, unwrap
from changecontrol.rules.refusal import Refused

#: PostgreSQL cuts longer names, in bytes, without saying so.
NAME_LIMIT = 63
_IDENTIFIER = r"(?:[A-Za-z_\x80-\U0010ffff][\w$]*|\"(?:[^\"\x00]|\"\")+\")"
_PARTS = re.compile(_IDENTIFIER)
#: words that PL/pgSQL itself would not take behind a dot although SQL does
_PLPGSQL = frozenset({"begin", "by", "declare", "execute", "foreach", "if", "loop", "strict", "while"})


class BadName(Refused):
    """“{value}” is no name for {what}: write it as in SQL, with quotes around a name that needs them."""


class BadType(Refused):
    """“{value}” is no type of PostgreSQL. Write it as in CREATE TABLE, for example numeric(10, 2) or timestamptz."""


class BadExpression(Refused):
    """“{value}” cannot be used for {what}: {why}"""


@dataclass(frozen=True, slots=True)
class Name:
    """One identifier. `text` is the name itself, `sql` how it is written in a statement."""

    text: str

    @property
    def sql(self) -> str:
        """The name, in quotes only where PostgreSQL needs them."""
        if re.fullmatch(r"[a-z_][a-z0-9_]*", self.text) and self.text not in _PLPGSQL:
            node = parse_one(f"SELECT {self.text} FROM {self.text} AS {self.text}")
            if node is not None and any(item.relname == self.text for item in find(node, "RangeVar")):
                return self.text
        return '"' + self.text.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with its schema where one was given."""

    name: Name
    schema: Name | None = None

    @property
    def sql(self) -> str:
        """The table as statements name it: with a schema only if one was given."""
        return f"{self.schema.sql}.{self.name.sql}" if self.schema else self.name.sql

    @property
    def qualified(self) -> str:
        """The table with its schema, for functions whose search path is pinned, and for looking it up."""
        return f"{self.schema.sql if self.schema else 'public'}.{self.name.sql}"

    @property
    def regclass(self) -> str:
        """An expression that gives its OID, or NULL where it does not exist."""
        return f"to_regclass({literal(self.qualified)})"

    def beside(self, *words: str) -> Table:
        """A relation or function of the same schema, named after this table; shortened if it would be cut."""
        return Table(named(self.name.text, *words), self.schema)


def named(*words: str) -> Name:
    """Join words to one name; what would be too long is cut and gets a mark that keeps it unlike others."""
    text = "_".join(words)
    if len(text.encode()) <= NAME_LIMIT:
        return Name(text)
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    last = f"_{words[-1]}_{mark}"
    room = NAME_LIMIT - len(last.encode())
    return Name(text.encode()[:room].decode("utf-8", "ignore") + last)


def literal(text: str) -> str:
    """Write a text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def name(value: str, what: str) -> Name:
    """Read one identifier, folded as PostgreSQL folds it. Raises BadName."""
    if not _PARTS.fullmatch(value.strip()):
        raise BadName(value=value, what=what)
    found = _folded(value.strip())
    if len(found.encode()) > NAME_LIMIT:
        raise BadName(value=value, what=f"{what} (it has more than {NAME_LIMIT} bytes)")
    return Name(found)


def table(value: str, what: str = "a table") -> Table:
    """Read `table` or `schema.table`. Raises BadName."""
    match = re.fullmatch(rf"({_IDENTIFIER})(?:\.({_IDENTIFIER}))?", value.strip())
    if match is None:
        raise BadName(value=value, what=what)
    parts = [name(part, what) for part in match.groups() if part]
    return Table(parts[-1], parts[0] if len(parts) == 2 else None)


def _folded(written: str) -> str:
    """Fold as the server does: ASCII letters only."""
    if written.startswith('"'):
        return written[1:-1].replace('""', '"')
    return "".join(one.lower() if one.isascii() else one for one in written)


def type_name(value: str) -> str:
    """Check a type. Raises BadType."""
    text = " ".join(value.split())
    node = parse_one(f"SELECT NULL::{text}") if text else None
    plain = parse_one("SELECT NULL::int")
    if node is None or plain is None or _commented(text):
        raise BadType(value=value)
    targets = list(node.target_list) if kind_of(node) == "SelectStmt" else []
    cast = unwrap(unwrap(targets[0]).val) if len(targets) == 1 else None
    if cast is None or kind_of(cast) != "TypeCast" or unwrap(targets[0]).name:
        raise BadType(value=value)
    unwrap(unwrap(plain.target_list[0]).val).type_name.CopyFrom(cast.type_name)
    if not same(node, plain):  # anything behind the type
        raise BadType(value=value)
    return text


def expression(value: str, what: str) -> str:
    """Check an expression over one row's columns. Raises BadExpression."""
    _tree(value, what)
    return value.strip()


def constant(value: str, what: str) -> str:
    """Check that a value is the same for every row, so that adding it to a column rewrites nothing."""
    node = _tree(value, what)
    for kind in ("ColumnRef", "FuncCall", "SQLValueFunction"):
        if next(find(node, kind), None) is not None:
            why = "only a constant costs no rewrite of the table. Give it as --expression instead."
            raise BadExpression(value=value, what=what, why=why)
    return value.strip()


def columns_in(value: str, what: str) -> list[tuple[int, int, str]]:
    """Give (start, end, column) in bytes for every column that an expression names."""
    prefix = len(_HEAD)
    data = value.strip().encode()
    found = []
    for node in find(_tree(value, what), "ColumnRef"):
        parts = [unwrap(item) for item in node.fields]
        if kind_of(parts[-1]) != "String":
            raise BadExpression(value=value, what=what, why="name each column instead of writing an asterisk.")
        start = node.location - prefix
        match = re.match(rf"{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})*", data[start:].decode())
        assert match is not None
        found.append((start, start + len(match.group().encode()), parts[-1].sval))
    return sorted(found)


def over_row(value: str, row: str, what: str) -> str:
    """Rewrite an expression so that its columns are those of a row variable: lower(name) becomes lower(NEW.name)."""
    data = value.strip().encode()
    for start, end, column in reversed(columns_in(value, what)):
        data = data[:start] + f"{row}.{Name(column).sql}".encode() + data[end:]
    return data.decode()


def grouped(value: str) -> str:
    """Give an expression so that it can stand beside any operator: in parentheses unless it holds together alone."""
    node = parse_one(f"SELECT {value}")
    inner = unwrap(unwrap(node.target_list[0]).val) if node is not None else None
    alone = ("ColumnRef", "FuncCall", "TypeCast", "A_Const", "CoalesceExpr")
    # PL/pgSQL would take the THEN of a bare CASE for its own
    holds = inner is not None and kind_of(inner) in alone and next(find(inner, "CaseExpr"), None) is None
    return value if holds else f"({value})"


_HEAD = "SELECT (\n"


def _tree(value: str, what: str) -> Any:
    text = value.strip()
    node = parse_one(f"{_HEAD}{text}\n)") if text else None
    bare = parse_one(f"SELECT {text}") if text else None
    if node is None or bare is None or kind_of(node) != "SelectStmt" or _commented(text):
        raise BadExpression(value=value, what=what, why="it is no expression of PostgreSQL.")
    if len(node.target_list) != 1 or len(bare.target_list) != 1 or node.from_clause or bare.from_clause:
        raise BadExpression(value=value, what=what, why="it has to be one expression.")
    if next(find(node, "SubLink"), None) is not None:
        raise BadExpression(value=value, what=what, why="a query in it could read other rows. Write it by hand.")
    return node


def _commented(text: str) -> bool:
    return any(token.kind in (TokenKind.COMMENT, TokenKind.OPEN) for token in tokens(text.encode()))
