"""Reading a certificate for a page. An uploaded one holds whatever its author sent, so nothing here trusts a shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from changecontrol.rules import figures
from changecontrol.rules.observed import STRENGTH, Observed

#: lists and texts of somebody else's file are shown up to here
MOST, LONGEST = 500, 4000


def text(value: Any) -> str:
    """Return what is shown of any plain value."""
    return "" if value is None else str(value)[:LONGEST]


def number(value: Any) -> float | None:
    """Return a number, also one that canonical JSON keeps as text; nothing for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) < 1e15 else None


def whole(value: Any) -> int:
    """Return a whole number, 0 for anything else."""
    return int(number(value) or 0)


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping with text keys, or an empty one."""
    return dict(list(value.items())[:MOST]) if isinstance(value, Mapping) else {}


def listing(value: Any) -> list[Any]:
    """Return a list, or an empty one."""
    return list(value)[:MOST] if isinstance(value, list | tuple) else []


def texts(value: Any) -> list[str]:
    """Return the texts of a list."""
    return [text(one) for one in listing(value)]


def milliseconds(value: Any) -> str:
    """Return milliseconds in words: "4 ms", "1.9 s"."""
    found = number(value)
    return "" if found is None else figures.duration(found)


def observed(value: Any) -> list[Observed]:
    """Return the statements of a certificate, in order; what is no statement is left out."""
    return [_observed(one) for one in listing(value) if isinstance(one, Mapping)]


def _observed(one: Mapping[str, Any]) -> Observed:
    return Observed(
        step=whole(one.get("step")),
        statement=whole(one.get("statement")),
        ms=number(one.get("ms")) or 0.0,
        line=whole(one.get("line")),
        column=whole(one.get("column")),
        sql=text(one.get("sql")),
        kind=text(one.get("kind")),
        file=text(one.get("file")),
        locks={key: text(mode) for key, mode in mapping(one.get("locks")).items() if text(mode) in STRENGTH},
        held_ms=_numbers(one.get("held_ms")),
        rewrites=tuple(texts(one.get("rewrites"))),
        indexes=tuple(texts(one.get("indexes"))),
        sizes=_counts(one.get("sizes")),
        scans=_counts(one.get("scans")),
        rows=_counts(one.get("rows")),
        replaced=_counts(one.get("replaced")),
        new=tuple(texts(one.get("new"))),
        says=tuple(texts(one.get("says"))),
        settings={key: text(said) for key, said in mapping(one.get("settings")).items()},
        wal_bytes=whole(one.get("wal_bytes")),
        reported=whole(one.get("reported")),
        exact=one.get("exact") is not False,
        error=text(one.get("error")),
    )


def _numbers(value: Any) -> dict[str, float]:
    return {key: found for key, one in mapping(value).items() if (found := number(one)) is not None}


def _counts(value: Any) -> dict[str, int]:
    return {key: int(one) for key, one in _numbers(value).items()}


def sizes(certificate: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return rows and bytes of each table of the target at its last probe."""
    found = mapping(certificate.get("sizes"))
    return {key: [whole(one) for one in pair] for key, pair in found.items() if len(listing(pair)) == 2}


def by_statement(found: Iterable[Observed]) -> dict[tuple[int, int], Observed]:
    """Return the statements by step and number, as their script numbers them."""
    return {(one.step, one.statement): one for one in found}
