"""Values that a careless conversion loses: signs beyond ASCII, long texts, negative numbers, infinity, empty lists.

Every second row made for a table holds one in each column that may take it. BEARABLE ones are short and finite, so that
most conversions bear them; EXTREME ones are tried first, and given up when the migration refuses them.
"""

from __future__ import annotations

from collections.abc import Callable

from changecontrol.targets.columns import Column
from changecontrol.targets.wishes import Wish

NONE, BEARABLE, EXTREME = 0, 1, 2

_SHORT = 40  # no bearable text is longer
_LONG = 1000


def is_odd(number: int) -> bool:
    """Whether row `number` holds odd values."""
    return number % 2 == 0


def odd(column: Column, wish: Wish, number: int, *, level: int, keyed: bool) -> str | None:
    """The odd value of a column in row `number`, as a text the server reads; None where the usual one has to do.

    `keyed`: values must differ from row to row.
    """
    kind = column.kind
    if wish.choices or wish.pattern or wish.low is not None or wish.high is not None:
        return None
    if kind.element is not None or kind.kind in "rm":
        found = _LISTS if kind.element is not None else _RANGES if kind.kind == "r" else _MANY_RANGES
    elif kind.name in _TEXTS and kind.kind == "b":
        return _text(column, wish, number, level, keyed)
    else:
        found = _BY_TYPE.get(kind.name, ()) if kind.kind == "b" else ()
        if kind.name == "numeric":
            return _numeric(column.modifier, number, level)
    fitting = [make for least, unique, make in found if least <= level and (unique or not keyed)]
    return fitting[number // 2 % len(fitting)](number) if fitting else None


_TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})

Make = Callable[[int], str]
#: (least level, different in every row, how it is made)
_Odd = tuple[int, bool, Make]


def _of(*texts: str, level: int = BEARABLE) -> tuple[_Odd, ...]:
    """Values that are the same in every row that holds them."""
    return tuple((level, False, lambda n, text=text: text) for text in texts)


def _each(*makes: Make, level: int = BEARABLE) -> tuple[_Odd, ...]:
    return tuple((level, True, make) for make in makes)


_WRITTEN = (
    *_each(
        lambda n: f"Zoë Ångström 日本 {n}",
        lambda n: f"  Two  Spaces {n}  ",
        lambda n: f"cafe\u0301 {n}",  # two signs that are shown as one: é
        lambda n: f'O\'Brien "{n}", 50 % \\ {{}};',
        lambda n: f"line {n}\n\tindented",
        lambda n: f"007{n}",
        lambda n: f"🙂 MiXeD {n}",
    ),
    *_of(""),
)


def _text(column: Column, wish: Wish, number: int, level: int, keyed: bool) -> str | None:
    limit = column.modifier - 4 if column.kind.name in ("varchar", "bpchar") and column.modifier > 4 else None
    if wish.longest is not None:
        limit = min(wish.longest, limit if limit is not None else wish.longest)
    if level == EXTREME and number % 6 == 0:  # as long as the column allows
        length = _LONG if limit is None else min(limit, _LONG)
        text = (f"{number} " + "Überlang " * _LONG)[: length - 1] + "." if length > _SHORT // 4 else ""
        return text if len(text) >= (wish.shortest or 1) else None
    fitting = [make for _, unique, make in _WRITTEN if unique or not keyed]
    text = fitting[(number // 2 - number // 6) % len(fitting)](number)
    if (wish.shortest or 0) > len(text) or (limit is not None and limit < len(text)):
        return None
    return None if wish.not_null and not text else text


def _numeric(modifier: int, number: int, level: int) -> str:
    """Negative ones, and ones that use every digit before and behind the point."""
    if modifier < 4:
        return (f"-{number}.123456789", f"{number}.50", f"100000000000000000{number}.25")[number // 2 % 3]
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
    if scale > 1023 or scale >= precision:
        return f"-{'0.' + '0' * (scale - 1) if 0 < scale <= 1023 else ''}{number % 9 + 1}"
    last = "." + "0" * (scale - 1) + str(number % 9 + 1) if scale else ""
    whole = min(precision - scale, 15)
    if level == EXTREME and number % 4 == 0:
        return str(10**whole - 1 - (number if whole > 2 else 0)) + last
    return f"-{number % 10**whole}{last}"


def _moment(shape: str, *texts: str) -> tuple[_Odd, ...]:
    """Moments that differ in every row by microseconds, and infinity."""
    makes = [lambda n, text=text: f"{text}.{n:06d}{shape}" for text in texts]
    return (*_each(*makes), *_of("infinity", "-infinity", level=EXTREME))


#: Hours that clocks in Europe and America went through twice, a leap day, long ago, and the usual "for ever".
_TWICE = ("2024-10-27 00:30:00", "2024-11-03 05:30:00")
_TIMES = ("2024-02-29 23:59:59", "1815-12-10 06:07:08", "9999-12-31 12:00:00")

_BY_TYPE: dict[str, tuple[_Odd, ...]] = {
    "int2": _each(lambda n: str(-n), lambda n: str(12_345 + n)),
    "int4": (*_each(lambda n: str(-n), lambda n: str(33_554_433 + 2 * n)), *_of("0")),
    "int8": (*_each(lambda n: str(-n), lambda n: str(9_007_199_254_740_993 + 2 * n)), *_of("0")),
    "float4": (*_each(lambda n: f"-{n}.25", lambda n: f"{n}e-7"), *_of("NaN", level=EXTREME)),
    "float8": (
        *_each(lambda n: f"-{n}.25", lambda n: f"{n}e-9", lambda n: f"{n}123456.123456789"),
        *_of("NaN", level=EXTREME),
    ),
    "money": _each(lambda n: f"-{n}.50"),
    "timestamptz": _moment("+00", *_TWICE, *_TIMES),
    "timestamp": _moment("", *_TIMES, *_TWICE),
    "date": _of("1815-12-10", "2024-02-29", "9999-12-31") + _of("infinity", "-infinity", level=EXTREME),
    "time": _each(lambda n: f"23:59:59.{n:06d}"),
    "interval": _each(
        lambda n: f"-1 mons +{n} days 03:04:05.678901", lambda n: f"1 year {n} days", lambda n: f"-{n} minutes"
    ),
    "json": _each(lambda n: f'{{"b" :  {n}.0, "a": null, "a": [-2]}}', lambda n: f'{{ "ä": "\\u00e9", "n": {n} }}'),
    "jsonb": (
        *_each(lambda n: f'{{"ä": null, "list": [], "n": -{n}.50}}'),
        *_of("{}"),
        *_of("[]", "null", level=EXTREME),
    ),
    "bytea": (*_of("\\x"), *_each(lambda n: f"\\xff00{n:04x}", level=EXTREME)),
    "inet": _each(lambda n: f"10.1.{n % 256}.7/24", lambda n: f"2001:db8::{n:x}"),
}
_LISTS = _of("{}", "{NULL}")
_RANGES, _MANY_RANGES = _of("empty", "(,)"), _of("{}")
