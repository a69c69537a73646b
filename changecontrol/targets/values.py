"""Values by type, as texts the server reads: the n-th of a column, always the same, each looking like another."""

from __future__ import annotations

import hashlib
import string
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from changecontrol.targets.columns import Column, Kind
from changecontrol.targets.patterns import NotSimple, matching
from changecontrol.targets.wishes import Wish

_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
_TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
_WHOLE = {"int2": 32_000, "int4": 2_000_000_000, "int8": 2_000_000_000, "oid": 2_000_000_000}
_FRACTIONS = frozenset({"numeric", "float4", "float8", "money"})
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_LETTERS = string.ascii_lowercase + string.digits


class NoValue(Exception):
    """There is no way here to make a value of this type; the message names it."""


def value(column: Column, wish: Wish, number: int, *, later: int = 0) -> str:
    """The value of a column in row `number`, from 1. `later`: how many columns must hold smaller ones in the same row.

    Raises NoValue.
    """
    if wish.choices:
        return wish.choices[number % len(wish.choices)]
    kind = column.kind
    if kind.name in _TEXTS and kind.kind == "b":
        return _text(column, wish, number)
    if kind.name in _MOMENTS:
        return _moment(kind.name, wish, number, later)
    if kind.name in _WHOLE or kind.name in _FRACTIONS:
        return _number(column, wish, number, later)
    return _of(kind, column.name, number + later)


def _of(kind: Kind, label: str, number: int) -> str:
    """A value of any type without wishes."""
    if kind.kind == "e":
        if not kind.labels:
            raise NoValue(f"enum {kind.name} has no values")
        return kind.labels[number % len(kind.labels)]
    if kind.element is not None:
        return "{" + ",".join(_quoted(_of(kind.element, label, number + step)) for step in range(2)) + "}"
    if kind.kind in "rm" and kind.parts:
        bounds = f"[{_bound(kind.parts[0], label, 2 * number)},{_bound(kind.parts[0], label, 2 * number + 1)})"
        return bounds if kind.kind == "r" else "{" + bounds + "}"
    if kind.kind == "c":
        return "(" + ",".join(_quoted(_of(part, label, number)) for part in kind.parts) + ")"
    if kind.name in _TEXTS:
        return f"{label} {number}"
    if kind.name in _MOMENTS:
        return _moment(kind.name, Wish(), number, 0)
    if kind.name in _WHOLE:
        return str(number)
    if kind.name in _FRACTIONS:
        return f"{number}.5"
    if kind.name in _PLAIN:
        return _PLAIN[kind.name](label, number)
    raise NoValue(f"values of type {kind.name} cannot be made up")


def _bound(kind: Kind, label: str, number: int) -> str:
    return _quoted(_of(kind, label, number))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _digest(label: str, number: int) -> str:
    return hashlib.md5(f"{label} {number}".encode(), usedforsecurity=False).hexdigest()


def _bits(number: int) -> str:
    return format(number, "b")


_PLAIN: dict[str, Callable[[str, int], str]] = {
    "bool": lambda label, n: "true" if n % 2 else "false",
    "uuid": lambda label, n: str(uuid.UUID(_digest(label, n))),
    "json": lambda label, n: f'{{"{_word(label)}": {n}}}',
    "jsonb": lambda label, n: f'{{"{_word(label)}": {n}}}',
    "bytea": lambda label, n: "\\x" + _digest(label, n)[:16],
    "inet": lambda label, n: f"10.{n // 65536 % 256}.{n // 256 % 256}.{n % 256}",
    "cidr": lambda label, n: f"10.{n // 256 % 256}.{n % 256}.0/24",
    "macaddr": lambda label, n: f"08:00:2b:00:{n // 256 % 256:02x}:{n % 256:02x}",
    "macaddr8": lambda label, n: f"08:00:2b:00:00:00:{n // 256 % 256:02x}:{n % 256:02x}",
    "time": lambda label, n: f"{n % 24:02d}:{n * 7 % 60:02d}:{n % 60:02d}",
    "timetz": lambda label, n: f"{n % 24:02d}:{n * 7 % 60:02d}:{n % 60:02d}+00",
    "interval": lambda label, n: f"{n} hours {n % 60} minutes",
    "xml": lambda label, n: f"<n>{n}</n>",
    "tsvector": lambda label, n: f"word{n}:1 text:2",
    "tsquery": lambda label, n: f"word{n}",
    "point": lambda label, n: f"({n},{n + 1})",
    "box": lambda label, n: f"({n},{n}),({n + 1},{n + 1})",
    "circle": lambda label, n: f"<({n},{n}),1>",
    "lseg": lambda label, n: f"[({n},{n}),({n + 1},{n})]",
    "line": lambda label, n: f"{{1,{n},1}}",
    "path": lambda label, n: f"[({n},{n}),({n + 1},{n})]",
    "polygon": lambda label, n: f"(({n},{n}),({n + 1},{n}),({n},{n + 1}))",
    "pg_lsn": lambda label, n: f"0/{n:X}",
    "xid": lambda label, n: str(n),
    "xid8": lambda label, n: str(n),
    "regclass": lambda label, n: ("pg_class", "pg_type", "pg_proc")[n % 3],
    "regtype": lambda label, n: ("integer", "text", "date")[n % 3],
    "hstore": lambda label, n: f'"{_word(label)}"=>"{n}"',
    "ltree": lambda label, n: f"a.n{n}",
    "varbit": lambda label, n: _bits(n),
}


def _word(label: str) -> str:
    return "".join(sign for sign in label if sign.isalnum()) or "n"


def _text(column: Column, wish: Wish, number: int) -> str:
    longest = wish.longest
    if column.kind.name in ("varchar", "bpchar") and column.modifier > 4:
        longest = min(column.modifier - 4, longest if longest is not None else column.modifier)
    if wish.pattern is not None:
        try:
            return matching(wish.pattern, number)
        except (NotSimple, IndexError):
            raise NoValue(f"no text is known that matches {wish.pattern}") from None
    text = f"{column.name} {number}"
    if wish.shortest is not None:
        text = text.ljust(wish.shortest, ".")
    if longest is not None and len(text) > longest:
        text = _short(number, longest)
    return text


def _short(number: int, length: int) -> str:
    """The number in letters and digits, as long as asked for."""
    signs = ""
    while number:
        number, place = divmod(number, len(_LETTERS))
        signs = _LETTERS[place] + signs
    return signs[-length:].rjust(length, "x") if length else ""


def _number(column: Column, wish: Wish, number: int, later: int) -> str:
    whole = column.kind.name in _WHOLE
    low, high = _decimal(wish.low), _decimal(wish.high)
    most = Decimal(_WHOLE.get(column.kind.name, 2_000_000_000))
    scale = 0 if whole else 2
    if column.kind.name == "numeric" and column.modifier >= 4:
        precision, scale = (column.modifier - 4) >> 16 & 0xFFFF, (column.modifier - 4) & 0x7FF
        scale -= 2048 if scale > 1023 else 0
        most = Decimal(10) ** (precision - scale) - Decimal(1).scaleb(-max(scale, 0))
    step = Decimal(1) if whole or scale <= 0 else Decimal(1).scaleb(-min(scale, 2))
    first = (low if low is not None else Decimal(0)) + (step if wish.low_open or low is None else 0)
    if low is None and high is not None and high <= 50:
        first = high - 100
    last = min((high if high is not None else most) - (step if wish.high_open else 0), most)
    fraction = Decimal("0.25") if not whole and scale >= 2 else Decimal(0)
    fraction += Decimal(3).scaleb(-scale) if scale > 2 else 0  # what a narrower scale would lose
    wanted = first + number - 1 + later * 50 + fraction
    if wanted > last:
        room = int((last - first) / step) + 1
        wanted = first + step * (number % room if room > 0 else 0)
    return f"{wanted:f}"


def _moment(name: str, wish: Wish, number: int, later: int) -> str:
    first, last = _point(wish.low), _point(wish.high)
    gap = timedelta(days=1) if name == "date" else timedelta(hours=25)
    if first is None:
        first = last - 100 * gap if last is not None else _FIRST
    wanted = first + gap * (number + later * 40) + timedelta(microseconds=0 if name == "date" else number * 1001)
    if last is not None and wanted >= last:
        room = max(int((last - first) / gap) - 1, 1)
        wanted = first + gap * (number % room)
    if not wish.low_open and last is not None and wanted >= last:
        wanted = first
    shown = wanted.date().isoformat() if name == "date" else wanted.replace(tzinfo=None).isoformat(sep=" ")
    return shown + ("+00" if name == "timestamptz" else "")


def _decimal(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _point(text: str | None) -> datetime | None:
    try:
        found = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
