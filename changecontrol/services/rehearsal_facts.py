"""What the gates ask of rehearsals: is there one of this script, did it pass, is it still about what will run."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from changecontrol.models import Rehearsal, Target
from changecontrol.rules.lifecycle import Effect
from changecontrol.services.standing import Standing


def for_submit(known: Standing) -> tuple[str, ...]:
    """Return why the script is not rehearsed well enough to be submitted."""
    if not known.rehearsals:
        return ("The script has not been rehearsed. Ask for a rehearsal on the tab Rehearsal.",)
    return _failed(known.rehearsals[-1])


def for_production(known: Standing, targets: list[Target], *, now: datetime) -> tuple[str, ...]:
    """Return why the rehearsals do not speak for these production targets: digest, age, schema (design 4)."""
    if not known.rehearsals:
        return ("The script has not been rehearsed.",)
    newest = known.rehearsals[-1]
    if failed := _failed(newest):
        return failed
    if _age(newest, now) > _limit(newest):
        days, limit = _age(newest, now), _limit(newest)
        return (f"The rehearsal {newest.code} is {days:.0f} days old; older than {limit} days no longer counts.",)
    fresh = [one for one in known.rehearsals if _age(one, now) <= _limit(one)]
    untouched = [one for one in targets if known.effect(one) == Effect.NONE]
    return tuple(sentence for one in untouched if (sentence := _other_schema(fresh, one)))


def fits(rehearsals: list[Rehearsal], catalog_digest: str) -> bool:
    """Whether one that passed began with exactly this schema."""
    return any(one.passed and one.catalog_before == catalog_digest for one in rehearsals)


def _age(rehearsal: Rehearsal, now: datetime) -> float:
    """Return its age in days."""
    return (now - rehearsal.rehearsed_at).total_seconds() / 86400


def _limit(rehearsal: Rehearsal) -> int:
    """Return for how many days it counts: as the site says, or less where the folder's policy said so."""
    return min(settings.REHEARSAL_DAYS, rehearsal.counts_days or settings.REHEARSAL_DAYS)


def _failed(rehearsal: Rehearsal) -> tuple[str, ...]:
    if rehearsal.passed:
        return ()
    return (f"The rehearsal {rehearsal.code} did not pass: {rehearsal.sentence}",)


def _other_schema(fresh: list[Rehearsal], target: Target) -> str:
    if not target.catalog_digest:
        return f"The schema of {target.name} has not been read yet. Have a worker look at it on its page."
    if fits(fresh, target.catalog_digest):
        return ""
    return f"The schema of {target.name} differs from the one this was rehearsed on. Rehearse it again."
