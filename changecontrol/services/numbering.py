"""CR-NNNN, E-NNNN, I-NNNN, R-NNNN: allocated without gaps and without races."""

from __future__ import annotations

from changecontrol.models import CodeCounter

PREFIXES = {"change": "CR", "execution": "E", "incident": "I", "rehearsal": "R"}


def take(name: str) -> tuple[int, str]:
    """Return the next number and its code, inside acting().

    The counter row stays locked until the caller's transaction ends, so a rolled-back taker leaves no gap and two
    takers never get one number.
    """
    CodeCounter.objects.get_or_create(name=name)
    counter = CodeCounter.objects.select_for_update().get(name=name)
    counter.last += 1
    counter.save(update_fields=["last"])
    return counter.last, f"{PREFIXES[name]}-{counter.last:04d}"
