"""Everything the database knows about one change, read in a constant number of queries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from changecontrol.models import (
    ChangeAuthor,
    ChangeRequest,
    ChecklistItem,
    Execution,
    Incident,
    Person,
    Rehearsal,
    Revision,
    Signature,
    StatusMove,
    Target,
    Waiver,
    Watch,
)
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty, Effect, Purpose, State, Status
from changecontrol.rules.manifest import digest
from changecontrol.rules.plan import Direction, RollbackClass
from changecontrol.rules.signing import Given, Meaning

#: an execution in one of these states no longer works on its target; claimed ones leave their effect there
ENDED = (State.SUCCEEDED, State.FAILED, State.LOST)
#: classes that have no rollback script to run or to test
WITHOUT_ROLLBACK = (RollbackClass.FORWARD_FIX_ONLY, RollbackClass.RESTORE_ONLY)


@dataclass(frozen=True)
class Standing:
    """The rows of one change, and what they plainly say. Lists are in the order in which things happened."""

    change: ChangeRequest
    revision: Revision | None
    author_ids: frozenset[int]
    waivers: list[Waiver]
    signatures: list[Signature]
    items: list[ChecklistItem]
    executions: list[Execution]
    targets: list[Target]
    incidents: list[Incident]
    watch: Watch | None
    moves: list[StatusMove]
    rehearsals: list[Rehearsal]  # of the current script, made by our workers, oldest first; without certificates
    holders: dict[str, frozenset[int]]  # duty -> active people who hold it; administrators sign nothing

    @cached_property
    def valid(self) -> list[Signature]:
        """Signatures that count: intact, and over the current content."""
        current = self.change.content_digest
        return [one for one in self.signatures if current and one.content_digest == current and not broken(one)]

    @cached_property
    def given(self) -> list[Given]:
        """Intact signatures as the rules see them, over any content of this change."""
        return [
            Given(Meaning(one.meaning), one.signer_id, one.content_digest, one.duty)
            for one in self.signatures
            if not broken(one)
        ]

    @cached_property
    def reviews(self) -> frozenset[str]:
        """The reviews that routing demands or somebody asked for; without routing, both: it fails closed."""
        routing: dict[str, Any] = self.revision.routing if self.revision else {}
        found = {*routing.get("reviews", (Meaning.COMPLIANCE_REVIEW,)), Meaning.TECHNICAL_REVIEW}
        if self.change.compliance_asked_by_id:
            found.add(Meaning.COMPLIANCE_REVIEW)
        return frozenset(str(one) for one in found)

    @cached_property
    def required(self) -> tuple[Meaning, ...]:
        """The meanings this change needs until it is closed."""
        return signing.required(self.reviews)

    @cached_property
    def missing(self) -> tuple[Meaning, ...]:
        """The required meanings that nobody has signed over the current content."""
        return tuple(signing.missing(self.required, self.given, self.change.content_digest))

    @cached_property
    def counted(self) -> list[Execution]:
        """Executions whose effect counts: not those on a database that was rebuilt or restored without them since."""
        return [one for one in self.executions if one.counts]  # type: ignore[attr-defined]  # an annotation

    @property
    def under_way(self) -> list[Execution]:
        """Runs on staging and production that have not ended; one on development holds nobody up there."""
        return [one for one in self.executions if one.is_open and one.purpose != Purpose.DEVELOP]

    @property
    def has_rollback(self) -> bool:
        """Whether the declared way back is a script."""
        return self.revision is None or self.revision.rollback_class not in WITHOUT_ROLLBACK

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings that count: the newest rehearsal's once there is one, else those of the revision."""
        if self.rehearsals:
            return list(self.rehearsals[-1].findings)
        return list(self.revision.findings) if self.revision else []

    def signed(self, meaning: Meaning) -> Signature | None:
        """Return the newest signature of `meaning` that counts, or None."""
        return next((one for one in reversed(self.valid) if one.meaning == meaning), None)

    def registered(self, kind: str) -> list[Target]:
        """Return the registered targets in use whose environment is of `kind`, by name."""
        return [one for one in self.targets if one.environment.kind == kind and one.uuid is not None]

    def latest(self, target: Target, *, purpose: str, current: bool = True) -> Execution | None:
        """Return the newest execution with `purpose` on `target`; `current`: only of the current content."""
        for one in reversed(self.counted):
            counts = one.content_digest == self.change.content_digest or not current
            if one.target_id == target.pk and one.purpose == purpose and counts:
                return one
        return None

    def staging_run(self, target: Target) -> Execution | None:
        """Return the newest staging run on `target` of the current content, begun since the change was approved.

        One from before it was sent to staging again (restage) proves nothing any more.
        """
        approved = next((one.at for one in reversed(self.moves) if one.after == Status.APPROVED), None)
        run = self.latest(target, purpose=Purpose.STAGE)
        return run if run is None or approved is None or run.queued_at >= approved else None

    def effect(self, target: Target) -> str:
        """Return what this change has on `target` now: the effect of its last execution that reached it.

        One that ended before a worker claimed it changed nothing, whatever its row says.
        """
        for one in reversed(self.counted):
            if one.target_id == target.pk and one.claimed_at is not None and one.state in ENDED:
                return one.effect
        return Effect.NONE

    def to_roll_back(self, target: Target) -> bool:
        """Whether something of this change is on `target`, or its last rollback there ended without being proven."""
        for one in reversed(self.counted):
            if one.target_id == target.pk and one.claimed_at is not None and one.state in ENDED:
                unproven = one.direction == Direction.ROLLBACK and one.state == State.FAILED
                return unproven or one.effect != Effect.NONE
        return False

    def plan(self, direction: str) -> dict[str, Any]:
        """Return the frozen plan of `direction` as JSON; {} where the revision has no such file."""
        found: dict[str, Any] = (self.revision.plan.get(direction) or {}) if self.revision else {}
        return found


def broken(signature: Signature) -> bool:
    """Return whether a signature does not fit what it was stored with: its context was changed, or is another's."""
    if digest(signature.context.encode()) != signature.context_digest:
        return True
    try:
        context = json.loads(signature.context)
    except ValueError:
        return True
    return not isinstance(context, dict) or context.get("status", signature.status) != signature.status


def read(change: ChangeRequest) -> Standing:
    """Return the standing of `change`; the same number of queries however many rows there are."""
    return Standing(
        change=change,
        revision=change.revision,
        author_ids=frozenset(ChangeAuthor.objects.filter(change=change).values_list("person_id", flat=True)),
        waivers=list(Waiver.objects.filter(change=change, revision=change.revision).order_by("pk")),
        signatures=_signatures(change),
        items=list(ChecklistItem.objects.filter(change=change).select_related("ticked_by").order_by("position", "pk")),
        executions=list(
            Execution.objects.filter(change=change)
            .with_what_counts()
            .select_related("target__environment", "requested_by", "revision")
            .defer("revision__forward", "revision__rollback", "revision__verify", "revision__sources", "revision__plan")
            .order_by("pk")
        ),
        targets=list(Target.objects.in_use().order_by("environment__position", "name")),
        incidents=list(Incident.objects.filter(change=change).order_by("opened_at", "pk")),
        watch=Watch.objects.filter(change=change).first(),
        moves=list(StatusMove.objects.filter(change=change).order_by("pk")),
        rehearsals=rehearsals(change),
        holders=holders(),
    )


def rehearsals(change: ChangeRequest) -> list[Rehearsal]:
    """Return the rehearsals of the current script that workers of ours made, oldest first, without certificates."""
    digest = change.revision.script_digest if change.revision else ""
    made = Rehearsal.objects.filter(change=change, script_digest=digest).exclude(basis="upload")
    return list(made.defer("certificate").order_by("pk"))


def _signatures(change: ChangeRequest) -> list[Signature]:
    return list(Signature.objects.filter(change=change).select_related("signer").order_by("signed_at", "pk"))


def holders() -> dict[str, frozenset[int]]:
    """Return the active people of each duty, without those who are administrators: they sign nothing."""
    pairs = Person.groups.through.objects.filter(person__is_active=True).values_list("person_id", "group__name")
    by_duty: dict[str, set[int]] = {}
    for person_id, duty in pairs:
        by_duty.setdefault(duty, set()).add(person_id)
    administrators = by_duty.get(Duty.ADMINISTRATOR, set())
    return {duty: frozenset(people - administrators) for duty, people in by_duty.items()}
