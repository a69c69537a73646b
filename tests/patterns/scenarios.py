"""Every pattern on a small table: what it is told, how old and new code write, and when which of them may run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.patterns.styles import Beside, Both, Column, Unaware

ROWS = 6000
TABLE = f"""CREATE TABLE things (id bigint PRIMARY KEY, label text NOT NULL{{columns}});
INSERT INTO things SELECT n, 'label ' || n{{values}} FROM generate_series(1, {ROWS}) AS n;
"""


@dataclass(frozen=True)
class Scenario:
    """One pattern. `before`, `between`, `after` are the styles that run before it, until its last migration, and then.

    `early` runs beside the old ones as soon as the first step is committed. `by_hand` is done after the first
    migration, as its comment asks. `restored`: what the lossy rollback of the last migration cannot give back is
    written again by this statement, before the ones before it are rolled back.
    """

    name: str
    columns: str
    values_sql: str
    given: dict[str, str]
    before: tuple[Column, ...]
    between: tuple[Column, ...]
    after: tuple[Column, ...]
    early: tuple[Column, ...] = ()
    values: Sequence[Any] = (None, 1, 2, 3, 4, 5)
    by_hand: str = ""
    more: str = ""
    lost: bool = False
    length: int = 2
    note: str = ""  # tells it from another one of the same pattern
    verdicts: frozenset[str] = field(default_factory=lambda: frozenset({"exact"}))

    @property
    def setup(self) -> str:
        comment = "COMMENT ON COLUMN things.amount IS 'Sum';" if self.given.get("comment") else ""
        return self.more + TABLE.format(columns=self.columns, values=self.values_sql) + comment


_AMOUNT, _TOTAL = Column("amount"), Column("total")
_NUMBER = Column("code_number")
_SIZE = Column("size")
_SITE = Column("site_id")


class _Code(Column):
    """The old column of the type change, read as the number that it spells."""

    def facts(self, conn: Any) -> dict[int, Any]:
        return {key: (label, None if code is None else int(code)) for key, (label, code) in super().facts(conn).items()}


_CODE = _Code("code", out=lambda value: None if value is None else str(value), one="(code::bigint + 1)::text")

SCENARIOS = [
    Scenario(
        "rename-column",
        ", amount integer",
        ", CASE WHEN n % 7 > 0 THEN n END",
        {"table": "things", "column": "amount", "to": "total", "type": "integer", "key": "id", "comment": "Sum"},
        before=(_AMOUNT,),
        early=(_TOTAL,),
        between=(_AMOUNT, _TOTAL, Both(_AMOUNT, _TOTAL)),
        after=(_TOTAL,),
        verdicts=frozenset({"exact", "order_only"}),
    ),
    Scenario(
        "rename-column",
        ", amount integer NOT NULL DEFAULT 7",
        ", n",
        {
            "table": "public.things", "column": "amount", "to": "total", "type": "integer", "key": "id",
            "not-null": "yes", "default": "7",
        },
        before=(_AMOUNT,),
        early=(_TOTAL,),
        between=(_AMOUNT, _TOTAL, Both(_AMOUNT, _TOTAL)),
        after=(_TOTAL,),
        values=(1, 2, 3, 4),
        length=3,
        verdicts=frozenset({"exact", "order_only"}),
    ),
    Scenario(
        "rename-column",
        ", amount integer DEFAULT 7",
        ", CASE WHEN n % 7 > 0 THEN n END",
        {"table": "things", "column": "amount", "to": "total", "type": "integer", "key": "ctid", "default": "7"},
        before=(_AMOUNT,),
        early=(_TOTAL,),
        between=(_AMOUNT, _TOTAL, Both(_AMOUNT, _TOTAL)),
        after=(_TOTAL,),
        values=(None, 1, 7),
        note="default",
        verdicts=frozenset({"exact", "order_only"}),
    ),
    Scenario(
        "change-type",
        ", code text",
        ", CASE WHEN n % 7 > 0 THEN n::text END",
        {
            "table": "things", "column": "code", "to": "code_number", "from-type": "text", "type": "bigint",
            "using": "code::bigint", "back": "code_number::text", "key": "id",
        },
        before=(_CODE,),
        early=(_NUMBER,),
        between=(_CODE, _NUMBER, Both(_CODE, _NUMBER)),
        after=(_NUMBER,),
        verdicts=frozenset({"exact", "order_only"}),
    ),
    Scenario(
        "split-table",
        ", amount integer, color text",
        ", CASE WHEN n % 7 > 0 THEN n END, CASE WHEN n % 3 > 0 THEN 'red' END",
        {
            "table": "things", "to": "thing_amounts", "columns": "amount integer, color text", "key": "id",
            "key-type": "bigint",
        },
        before=(_AMOUNT,),
        between=(_AMOUNT, Beside("thing_amounts", "amount")),
        after=(Beside("thing_amounts", "amount"),),
        by_hand="GRANT SELECT, INSERT, UPDATE, DELETE ON thing_amounts TO {role}",
        verdicts=frozenset({"exact", "order_only"}),
    ),
    Scenario(
        "split-table",
        ", amount integer NOT NULL, color text NOT NULL DEFAULT 'red'",
        ", n, 'blue'",
        {
            "table": "things", "to": "thing_amounts", "key": "id", "key-type": "bigint",
            "columns": "amount integer NOT NULL, color text NOT NULL DEFAULT 'red'",
        },
        before=(_AMOUNT,),
        between=(_AMOUNT, Beside("thing_amounts", "amount")),
        after=(Beside("thing_amounts", "amount"),),
        values=(1, 2, 3, 4, 5),
        note="required",
        by_hand="GRANT SELECT, INSERT, UPDATE, DELETE ON thing_amounts TO {role}",
        verdicts=frozenset({"exact", "order_only"}),
    ),
    Scenario(
        "add-not-null-column",
        "",
        "",
        {"table": "things", "column": "size", "type": "integer", "expression": "length(label)", "key": "id"},
        before=(Unaware(),),
        early=(Unaware(),),
        between=(Unaware(), _SIZE),
        after=(_SIZE,),
        length=3,
        values=(1, 2, 3),
        lost=True,
    ),
    Scenario(
        "add-not-null-column",
        "",
        "",
        {"table": "things", "column": "size", "type": "integer", "default": "1"},
        before=(Unaware(),),
        between=(Unaware(),),
        after=(Unaware(),),
        length=1,
        lost=True,
    ),
    Scenario(
        "add-foreign-key",
        ", site_id integer",
        ", n % 5 + 1",
        {"table": "things", "column": "site_id", "references": "sites(id)", "on-delete": "restrict"},
        before=(_SITE,),
        between=(_SITE,),
        after=(_SITE,),
        more="CREATE TABLE sites (id integer PRIMARY KEY); INSERT INTO sites SELECT generate_series(1, 100000);\n",
    ),
    Scenario(
        "add-index",
        ", amount integer",
        ", n",
        {"table": "things", "columns": "amount, lower(label) DESC", "where": "amount IS NOT NULL"},
        before=(_AMOUNT,),
        between=(_AMOUNT,),
        after=(_AMOUNT,),
        length=1,
    ),
    Scenario(
        "drop-column",
        ", amount integer NOT NULL DEFAULT 7",
        ", n",
        {
            "table": "things", "column": "amount", "type": "integer", "not-null": "yes", "default": "7",
        },
        before=(_AMOUNT,),
        between=(_AMOUNT, Unaware()),
        after=(Unaware(),),
        values=(7,),
        lost=True,
    ),
]  # fmt: skip
