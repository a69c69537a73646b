"""The order of migrations on targets: what this one needs first, and what came after it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, Q

from changecontrol.models import ChangeRequest, Execution, LedgerCopy, Target
from changecontrol.rules.lifecycle import Effect
from changecontrol.services.standing import ENDED, Standing

#: (target id, migration number) -> whether the migration is on completely; absent where nothing of it is on
OnTargets = dict[tuple[int, int], bool]


def dependencies(known: Standing) -> list[int]:
    """Return the numbers of the migrations that the header says this one depends on."""
    header = known.plan("forward").get("header") or {}
    return [int(one) for one in header.get("dependencies") or () if str(one).isdecimal()]


def number_of(migration: str) -> int | None:
    """Return the number that a migration's stem begins with, or None."""
    digits = migration.split("_", 1)[0]
    return int(digits) if digits.isdecimal() else None


def on_targets(known: Standing, targets: Iterable[Target], *, also: Iterable[int] = ()) -> OnTargets:
    """Return what is on `targets` of the migrations this change depends on, of `also`, and of later ones; two queries.

    The last execution that reached the target decides; without one, the baseline of its adoption does.
    """
    ids = {one.pk for one in targets}
    number, wanted = known.change.migration_number, {*dependencies(known), *also}
    runs = (
        Execution.objects.filter(target__in=ids, claimed_at__isnull=False, state__in=ENDED)
        .since_registration()
        .filter(Q(change__migration_number__in=wanted) | Q(change__migration_number__gt=number))
        .order_by("target_id", "change__migration_number", "-queued_at", "-pk")
        .distinct("target_id", "change__migration_number")
        .values_list("target_id", "change__migration_number", "effect")
    )
    latest = {(target, migration): effect for target, migration, effect in runs}
    baselines = LedgerCopy.objects.filter(target__in=ids, target_uuid=F("target__uuid"), kind="baseline")
    for target, migration in baselines.values_list("target_id", "migration"):
        found = number_of(migration)
        if found is not None and (found in wanted or found > number):
            latest.setdefault((target, found), Effect.COMPLETE)
    return {key: effect == Effect.COMPLETE for key, effect in latest.items() if effect != Effect.NONE}


def dependencies_missing(known: Standing, targets: list[Target], on: OnTargets) -> tuple[str, ...]:
    """Return the dependencies (NNN) that are not completely on every one of `targets`."""
    return tuple(f"{one:03d}" for one in dependencies(known) if not all(on.get((target.pk, one)) for target in targets))


def applied_later(change: ChangeRequest, targets: list[Target], on: OnTargets) -> tuple[str, ...]:
    """Return the later migrations (NNN) of which anything is on one of `targets`."""
    ids = {one.pk for one in targets}
    return tuple(
        f"{one:03d}" for one in sorted({n for target, n in on if target in ids and n > change.migration_number})
    )
