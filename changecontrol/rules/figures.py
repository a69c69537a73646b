"""Numbers as people read them in sentences: 1.2 million rows, 96 MB, 40 s."""

from __future__ import annotations


def count(number: int, noun: str = "") -> str:
    """A count, and the noun in its singular or plural: "1 row", "20,000 rows", "1.2 million rows"."""
    plural = f" {noun}{'s'[: number != 1]}" if noun else ""
    for size, word in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{_short(number / size)} {word}{plural}"
    return f"{number:,}{plural}"


def size(bytes_: float) -> str:
    """A size in units of 1024: "8 kB", "96 MB", "12 GB"."""
    for exponent, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if bytes_ >= 1024**exponent:
            return f"{_short(bytes_ / 1024**exponent)} {unit}"
    return f"{bytes_:.0f} bytes"


def duration(ms: float) -> str:
    """A duration: "0.4 ms", "12 ms", "1.5 s", "4 min", "3 h"."""
    if ms < 1000:
        return f"{_short(ms)} ms"
    if ms < 120_000:
        return f"{_short(ms / 1000)} s"
    if ms < 7_200_000:
        return f"{ms / 60_000:.0f} min"
    return f"{ms / 3_600_000:.0f} h"


def _short(value: float) -> str:
    """One decimal below ten, none above, and no ".0"."""
    return f"{value:.1f}".removesuffix(".0") if value < 9.95 else f"{value:.0f}"
