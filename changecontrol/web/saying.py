"""Numbers, times and digests in the words of the pages. Plain functions; the template tags only wrap them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.utils import timezone

_UNITS = ((86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def duration(value: float | dt.timedelta | None) -> str:
    """Return seconds (or a timedelta) as at most two units: "840 ms", "7.2 s", "2 min 28 s", "3 days 4 h"."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    parts: list[str] = []
    for size, one, many in _UNITS:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
        if len(parts) == 2 or (parts and not count):
            break
    return " ".join(parts)


def age(moment: dt.datetime, now: dt.datetime) -> str:
    """Return the distance between two times in its largest unit: "12 s", "5 h", "2 days"."""
    seconds = int(abs((now - moment).total_seconds()))
    for size, one, many in _UNITS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {one if count == 1 else many}"
    return "0 s"


def relative(moment: dt.datetime, now: dt.datetime) -> str:
    """Return a time as seen from `now`: "12 s ago", "in 39 min", "just now"."""
    if abs((now - moment).total_seconds()) < 2:
        return "just now"
    return f"in {age(moment, now)}" if moment > now else f"{age(moment, now)} ago"


def absolute(moment: dt.datetime) -> str:
    """Return a time in full, with seconds and the name of the zone: "Tue 17 Nov 2026, 16:04:11 Europe/Berlin"."""
    local = timezone.localtime(moment)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S} {timezone.get_current_timezone_name()}"


def stamp(moment: dt.datetime) -> str:
    """Return a time as printed beside a signature: "17 Nov 2026, 16:09:11 CET"."""
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def day(moment: dt.datetime) -> str:
    """Return day and month: "17 Nov"."""
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b}"


def size(value: int | None) -> str:
    """Return bytes in binary steps with decimal words: "312 bytes", "38.2 kB", "1.4 GB"."""
    if value is None:
        return ""
    amount = float(value)
    if amount < 1024:
        return f"{int(amount)} byte{'' if amount == 1 else 's'}"
    for unit in ("kB", "MB", "GB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} TB"


def short_digest(value: str | None) -> str:
    """Return the first and last two groups of a digest: "7c41 9e02 … 5b1d a09e"."""
    if not value:
        return "not fixed yet"
    return f"{value[:4]} {value[4:8]} … {value[-8:-4]} {value[-4:]}"


def spaced_digest(value: str | None) -> str:
    """Return the whole digest in groups of four."""
    return " ".join((value or "")[at : at + 4] for at in range(0, len(value or ""), 4))


def numbers(values: Iterable[int]) -> str:
    """Return numbers as people list them, runs of three and more joined: "1, 4 to 7, 9"."""
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def shortened(text: str, most: int) -> str:
    """Return a text cut behind a word so that it is no longer than `most`; a name in ticks is never cut open."""
    if len(text) <= most:
        return text
    kept = text[:most].rpartition(" ")[0] or text[:most]
    if kept.count("`") % 2:
        kept = kept.rpartition("`")[0]
    return f"{kept.rstrip(' ,;:(')} …"


def initials(name: str) -> str:
    """Return up to two initials of a printed name."""
    words = [word for word in name.split() if word[0].isalpha()]
    return "".join(word[0] for word in ([*words[:1], *words[1:][-1:]])).upper() or "?"
