"""What a rehearsal saw each statement do, for the places where the statement itself is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from changecontrol.models import Rehearsal
from changecontrol.rules import extrapolation, figures
from changecontrol.rules.observed import BLOCKS_WRITERS, STRENGTH, Observed, strongest
from changecontrol.rules.script import LockClass, Script, Statement
from changecontrol.services import rehearsing
from changecontrol.web import certificates
from changecontrol.web.rehearsal_parts import bare

#: what the kind of a statement lets expect, without having seen it
EXPECTED = {
    LockClass.STRONG: "a lock that everyone waits for",
    LockClass.WRITE: "locks on rows only",
    LockClass.PATIENT: "a lock that nobody waits for",
    LockClass.NONE: "no lock",
}
KEYS = {"forward": "statements", "rollback": "rollback_statements"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one statement did: sentences, how long it took, what was expected, and whether that was otherwise."""

    observed: Observed
    sentences: list[str]
    took: str
    expected: str
    off: bool

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return bool(self.observed.error)


Found = Mapping[tuple[int, int], Seen]


def certificate_of(rehearsal: Rehearsal | None) -> dict[str, Any]:
    """Return the certificate of a rehearsal of ours, or an empty one."""
    return rehearsing.certificate(rehearsal) if rehearsal else {}


def found_in(certificate: Mapping[str, Any], script: Script | None, part: str) -> Found:
    """Return what each statement of a script did, by step and number, where the rehearsal came that far."""
    if script is None or part not in KEYS:
        return {}
    sizes, read_at = certificates.sizes(certificate), certificates.text(certificate.get("sizes_at"))
    place = certificates.text(certificates.mapping(certificate.get("basis")).get("of"))
    made = certificates.by_statement(certificates.observed(certificate.get(KEYS[part])))
    rows: dict[tuple[int, int], Seen] = {}
    for step in script.steps:
        for statement in step.statements:
            one = made.get((step.number, statement.number))
            if one is not None:
                after = [seen for (of, number), seen in made.items() if of == step.number and number > statement.number]
                rows[step.number, statement.number] = _seen(
                    statement, one, after, _There(sizes, place or "the target", read_at)
                )
    return rows


@dataclass(frozen=True, slots=True)
class _There:
    """The original of the copy: sizes of its tables, its name, and when they were read."""

    sizes: Mapping[str, list[int]]
    place: str
    read_at: str


def _seen(statement: Statement, one: Observed, after: Sequence[Observed], there: _There) -> Seen:
    happened, took = class_of(one), figures.duration(one.ms)
    return Seen(
        observed=one,
        sentences=extrapolation.sentences(one, there.sizes, place=there.place, registered=there.read_at, after=after)
        or [f"Nobody waits, {took}."],
        took=took,
        expected="the same" if happened is statement.lock else EXPECTED[statement.lock],
        off=happened is not statement.lock,
    )


def class_of(one: Observed) -> LockClass:
    """Return the class of the strongest lock that a statement took on what was there before."""
    strength = STRENGTH.get(strongest(*one.locks.values()), 0)
    if strength >= BLOCKS_WRITERS:
        return LockClass.STRONG
    if strength == STRENGTH["SHARE UPDATE EXCLUSIVE"]:
        return LockClass.PATIENT
    return LockClass.WRITE if strength >= STRENGTH["ROW SHARE"] else LockClass.NONE


def touched_rows(found: Found) -> dict[str, list[str]]:
    """Return what was done to each table's rows on the copy: changed, rewritten; by the name people use."""
    rows: dict[str, int] = {}
    rewritten: dict[str, None] = {}
    for seen in found.values():
        for table, count in seen.observed.rows.items():
            rows[bare(table)] = rows.get(bare(table), 0) + count
        rewritten |= dict.fromkeys(bare(table) for table in seen.observed.rewrites)
    words = {table: [f"{count:,} row{'s'[: count != 1]} changed on the copy"] for table, count in rows.items()}
    for table in rewritten:
        words.setdefault(table, []).append("written anew as a whole")
    return words
