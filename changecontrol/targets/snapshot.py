"""The catalog of a target as a fingerprint: what is there, in words that do not depend on order, OIDs or statistics."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg

from changecontrol.targets import catalog_sql
from changecontrol.targets.data_digests import RowsHidden, TableDigest, data, lost, sequences

__all__ = [
    "Catalog",
    "Differences",
    "RowsHidden",
    "TableDigest",
    "catalog",
    "data",
    "differences",
    "lost",
    "sequences",
]

#: A server prints casts among text types behind literals, and parentheses around single values, where the author wrote
#: none; they move when an expression is written again from its own print. Nothing else counts as spelling: a cast of a
#: column compares or sorts its values otherwise.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_LITERAL = r"(?:lit_[0-9a-f]+|NULL)"
_LITERALS = rf"{_LITERAL}|ARRAY\[{_LITERAL}(?:, {_LITERAL})*\]"
_TEXT_CAST = re.compile(rf"(?<!\w)({_LITERALS})::(?:text|character varying|bpchar)(?:\[\])?(?![\w(])")
_ATOM = re.compile(r"(?<!\w)\((\w+|ARRAY\[[^\]()]*\])\)")
#: A moment with a fraction of a second is now(), fixed by the server when the statement ran: no constant of an author.
_MOMENT = re.compile(r"'\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+(?:[+-]\d\d(?::\d\d)*)?(?: BC)?'(?=::(?:time|date))")


@dataclass(frozen=True)
class Catalog:
    """`objects` maps an object's name, such as "column public.sites.name", to its canonical definition.

    `order` holds the column order of each table, which is compared apart. `major` is the server's: fingerprints of
    different majors are not comparable.
    """

    objects: dict[str, str]
    order: dict[str, tuple[str, ...]]
    major: int

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the objects; column order is not in it."""
        return hashlib.sha256(json.dumps(sorted(self.objects.items())).encode()).hexdigest()

    @cached_property
    def order_digest(self) -> str:
        """SHA-256 over the column order of all tables."""
        return hashlib.sha256(json.dumps(sorted(self.order.items())).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values for storing; `from_json` gives back an equal Catalog."""
        return {"objects": self.objects, "order": {k: list(v) for k, v in self.order.items()}, "major": self.major}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Catalog:
        """Rebuild what `to_json` gave."""
        order = {table: tuple(columns) for table, columns in value["order"].items()}
        return cls(dict(value["objects"]), order, int(value["major"]))


@dataclass(frozen=True, slots=True)
class Differences:
    """What sets the second catalog apart from the first. All lists are sorted names.

    `order_only`: tables with other column order, and constraints, defaults or views that are only spelled otherwise.
    `comparable` is False between different majors of PostgreSQL. `said` has one plain sentence for each difference.
    """

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    order_only: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    comparable: bool = True

    def __bool__(self) -> bool:
        """Whether the catalogs differ in more than order and spelling."""
        return bool(self.missing or self.extra or self.changed)

    @property
    def verdict(self) -> str:
        """exact, order_only, differs or not comparable."""
        if not self.comparable:
            return "not comparable"
        return "differs" if self else "order_only" if self.order_only else "exact"

    def to_json(self) -> dict[str, list[str]]:
        """The lists and sentences as plain values."""
        names = ("missing", "extra", "changed", "order_only", "said")
        return {name: list(getattr(self, name)) for name in names}


def catalog(conn: psycopg.Connection[Any]) -> Catalog:
    """Read the catalog in one READ ONLY snapshot. The connection must be outside a transaction.

    Left out: schema changecontrol, system schemas, members of extensions, roles (they belong to the whole cluster),
    subscriptions, options of user mappings and security labels (only superusers may read them).
    """
    objects: dict[str, str] = {}
    with reading(conn):
        for query in catalog_sql.QUERIES:
            for name, definition in conn.execute(query.encode()).fetchall():
                objects[name] = definition or ""
        found = conn.execute(catalog_sql.COLUMN_ORDER_SQL.encode()).fetchall()
    order = {table: tuple(columns) for table, columns in found}
    return Catalog(objects, order, conn.info.server_version // 10000)


def differences(a: Catalog, b: Catalog) -> Differences:
    """Compare: missing is in a only, extra in b only."""
    missing = sorted(a.objects.keys() - b.objects.keys())
    extra = sorted(b.objects.keys() - a.objects.keys())
    other = sorted(name for name in a.objects.keys() & b.objects.keys() if a.objects[name] != b.objects[name])
    changed = [name for name in other if _spelled(name, a.objects[name]) != _spelled(name, b.objects[name])]
    spelling = [name for name in other if name not in changed]
    moved = sorted(table for table in a.order.keys() & b.order.keys() if _moved(a.order[table], b.order[table]))
    said = [f"{_article(name)} is missing." for name in missing]
    said += [f"{_article(name)} is there in addition." for name in extra]
    said += [f"{_article(name)} differs: {_shown(a.objects[name], b.objects[name])}." for name in changed]
    said += [f"{_article(name)} {_why_same(a.objects[name], b.objects[name])}" for name in spelling]
    said += [f"Table {table} has its columns in another order: {', '.join(b.order[table])}." for table in moved]
    if a.major != b.major:
        said.append(f"PostgreSQL {a.major} and {b.major} are different versions: their catalogs are not comparable.")
    return Differences(
        tuple(missing), tuple(extra), tuple(changed), (*spelling, *moved), tuple(said), a.major == b.major
    )


@contextmanager
def reading(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """One READ ONLY snapshot with an empty search_path and no statement timeout.

    It ends with COMMIT: behind a ROLLBACK psycopg forgets what it has prepared.
    """
    conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    ending = "ROLLBACK"
    try:
        conn.execute("SET LOCAL search_path = ''; SET LOCAL statement_timeout = 0; SET LOCAL jit = off", prepare=False)
        yield
        ending = "COMMIT"
    finally:
        if not conn.closed:
            conn.execute(ending)


def _spelled(name: str, definition: str) -> str:
    """The definition without what is only spelling. A function's text is left as it is."""
    if name.startswith(("function", "procedure", "comment")):
        return definition
    # what stands in quotes becomes one word, so that nothing inside it is taken for spelling
    text, before = _QUOTED.sub(_word, _MOMENT.sub("'a moment'", definition)), ""
    while text != before:
        before, text = text, _ATOM.sub(r"\1", _TEXT_CAST.sub(r"\1", text))
    return text


def _word(quoted: re.Match[str]) -> str:
    return ("lit_" if quoted[0].startswith("'") else "name_") + quoted[0].encode().hex()


def _why_same(a: str, b: str) -> str:
    if _MOMENT.findall(a) != _MOMENT.findall(b):
        return "holds the moment at which it was made, as now() gave it then."
    return "means the same but is spelled otherwise."


def _moved(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether the columns both have stand in another order."""
    return [column for column in a if column in b] != [column for column in b if column in a]


def _article(name: str) -> str:
    return name[:1].upper() + name[1:]


def _shown(a: str, b: str, most: int = 160) -> str:
    """Both definitions from where they part, short enough to read."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(a.rfind(" ", 0, start) + 1, 0) if start > most // 2 else 0
    parts = [" ".join(text[start:].split()) for text in (a, b)]
    short = [part if len(part) <= most else part[:most] + " …" for part in parts]
    return f'"{short[0]}" became "{short[1]}"'
