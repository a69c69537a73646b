"""Two rehearsals of one change beside each other: what the newer one shows that the older one did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from changecontrol.rules import figures
from changecontrol.rules.observed import STRENGTH, Observed
from changecontrol.web.certificates import listing, mapping, number, observed, text
from changecontrol.web.rehearsal_parts import WORDS, bare

DATA = {True: "nothing lost", False: "loses data"}
#: times closer than this are the same: a copy on another day is never exactly as fast
NOISE_MS, NOISE = 20.0, 2.0


def compared(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row a fact: its name, before, now, and whether it changed."""
    now, before = observed(new.get("statements")), observed(old.get("statements"))
    rows = [
        ("Verdict", _verdict(old), _verdict(new)),
        ("Data", _data(old), _data(new)),
        ("Statements", str(len(before)), str(len(now))),
        ("Strongest lock", _strongest(before), _strongest(now)),
        ("Rewritten tables", _rewritten(before), _rewritten(now)),
        ("Alarms", _alarms(old), _alarms(new)),
        ("PostgreSQL", _server(old), _server(new)),
    ]
    found = [{"what": what, "before": a or "none", "now": b or "none", "changed": a != b} for what, a, b in rows]
    took_before, took_now = _forward(old), _forward(new)
    found.insert(3, {"what": "Forward took", "before": _said(took_before), "now": _said(took_now),
                     "changed": _other(took_before, took_now)})  # fmt: skip
    return found


def _verdict(certificate: Mapping[str, Any]) -> str:
    word = text(certificate.get("verdict"))
    return WORDS.get(word, word)


def _data(certificate: Mapping[str, Any]) -> str:
    lossless = certificate.get("lossless")
    return DATA[lossless] if isinstance(lossless, bool) else "not exercised"


def _strongest(found: Sequence[Observed]) -> str:
    taken = [(STRENGTH.get(mode, 0), bare(relation), mode) for one in found for relation, mode in one.locks.items()]
    if not taken:
        return ""
    most = max(strength for strength, _, _ in taken)
    tables = list(dict.fromkeys(relation for strength, relation, _ in taken if strength == most))
    more = f" and {len(tables) - 3} more" if len(tables) > 3 else ""
    mode = next(mode for strength, _, mode in taken if strength == most)
    return f"{mode} on {', '.join(tables[:3])}{more}"


def _rewritten(found: Sequence[Observed]) -> str:
    return ", ".join(dict.fromkeys(bare(table) for one in found for table in one.rewrites))


def _alarms(certificate: Mapping[str, Any]) -> str:
    alarming = [
        one for one in listing(certificate.get("findings")) if mapping(one).get("severity") in ("error", "critical")
    ]
    return str(len(alarming)) if alarming else ""


def _server(certificate: Mapping[str, Any]) -> str:
    return text(mapping(certificate.get("basis")).get("server_version"))


def _forward(certificate: Mapping[str, Any]) -> float | None:
    made = [mapping(one) for one in listing(certificate.get("passes"))]
    return next((number(one.get("ms")) for one in made if one.get("name") == "forward"), None)


def _said(ms: float | None) -> str:
    return "not run" if ms is None else figures.duration(ms)


def _other(before: float | None, now: float | None) -> bool:
    if before is None or now is None:
        return before is not now
    low, high = sorted((before, now))
    return high - low > NOISE_MS and high > NOISE * low
