"""Names and types as people give them to a pattern: checked by PostgreSQL's own grammar, quoted right."""

# ruff: noqa: S608  # writes SQL files for people to read; every name in it is checked and quoted
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from changecontrol.rules.lexer import TokenKind, tokens
from changecontrol.rules.parser import find, kind_of, parse_one, same, unwrap
from changecontrol.rules.refusal import Refused

#: PostgreSQL cuts longer names, in bytes, without saying so.
NAME_LIMIT = 63
IDENTIFIER = r"(?:[A-Za-z_\x80-\U0010ffff][\w$]*|\"(?:[^\"\x00]|\"\")+\")"
_PARTS = re.compile(IDENTIFIER)
#: words that PL/pgSQL itself would not take behind a dot although SQL does
_SERIAL = frozenset({"smallserial", "serial", "bigserial", "serial2", "serial4", "serial8"})
_PLPGSQL = frozenset({"begin", "by", "declare", "execute", "foreach", "if", "loop", "strict", "while"})


class BadName(Refused):
    """“{value}” is no name for {what}: write it as in SQL, with quotes around a name that needs them."""


class BadType(Refused):
    """“{value}” is no type of PostgreSQL. Write it as in CREATE TABLE, for example numeric(10, 2) or timestamptz."""


class TypeWithSequence(Refused):
    """{value} is no type but stands for an integer, a sequence and a default that would rewrite the table. Give
    smallint, integer or bigint, and add the sequence by hand.
    """


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
    match = re.fullmatch(rf"({IDENTIFIER})(?:\.({IDENTIFIER}))?", value.strip())
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
    """Check a type, with its collation where it has one. Raises BadType or TypeWithSequence."""
    text = " ".join(value.split())
    node = parse_one(f"SELECT NULL::{text}") if text else None
    if node is None or commented(text):
        raise BadType(value=value)
    targets = list(node.target_list) if kind_of(node) == "SelectStmt" else []
    found = unwrap(unwrap(targets[0]).val) if len(targets) == 1 and not unwrap(targets[0]).name else None
    if found is None:
        raise BadType(value=value)
    collated = kind_of(found) == "CollateClause"
    cast = unwrap(found.arg) if collated else found
    plain = parse_one('SELECT NULL::int COLLATE "C"' if collated else "SELECT NULL::int")
    if plain is None or kind_of(cast) != "TypeCast":
        raise BadType(value=value)
    rebuilt = unwrap(unwrap(plain.target_list[0]).val)
    if collated:
        del rebuilt.collname[:]
        rebuilt.collname.extend(found.collname)
        rebuilt = unwrap(rebuilt.arg)
    rebuilt.type_name.CopyFrom(cast.type_name)
    if not same(node, plain):  # anything behind the type
        raise BadType(value=value)
    if unwrap(cast.type_name.names[-1]).sval in _SERIAL and len(cast.type_name.names) == 1:
        raise TypeWithSequence(value=text)
    return text


def without_collation(type_: str) -> str:
    """The type alone, as regtype reads it."""
    return re.split(r"\s+COLLATE\s+", type_, maxsplit=1, flags=re.I)[0]


def commented(text: str) -> bool:
    """Whether a text has a comment in it, or something that is not closed."""
    return any(token.kind in (TokenKind.COMMENT, TokenKind.OPEN) for token in tokens(text.encode()))
