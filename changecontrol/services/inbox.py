"""What waits for one person, what of theirs waits for others, what runs now; a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q

from changecontrol.models import ChangeAuthor, ChangeRequest, ChecklistItem, Execution, Incident, Person, Signature
from changecontrol.models.changes import ChangeQuerySet
from changecontrol.rules.lifecycle import FINAL, Duty, Status
from changecontrol.rules.signing import Given, Meaning
from changecontrol.services import dues
from changecontrol.services.dues import Due, Reader

#: what of a person's own changes is listed; the rest is behind "what you took part in"
YOURS = 50
#: what each status waits for, said to somebody else than the one who owes it
WAITS = {
    Status.DRAFT: "A draft: its author completes and submits it.",
    Status.IN_REVIEW: "It is being reviewed.",
    Status.APPROVED: "Approved; the staging run comes next.",
    Status.STAGED: "Proven on staging; QA accepts it next.",
    Status.ACCEPTED: "Accepted; a tech lead authorizes it next.",
    Status.AUTHORIZED: "Authorized; a tech lead starts the production run.",
    Status.DEPLOYED: "Deployed; production is being watched, then QA gives the verdict.",
    Status.ROLLED_BACK: "Rolled back; QA and a tech lead close its incident.",
}
#: statuses in which a change can wait for a duty
STATUSES: dict[Duty, tuple[Status, ...]] = {
    Duty.AUTHOR: (Status.APPROVED, Status.DEPLOYED),
    Duty.TECHNICAL_REVIEWER: (Status.IN_REVIEW,),
    Duty.COMPLIANCE_OFFICER: (Status.IN_REVIEW, Status.STAGED, Status.DEPLOYED),
    Duty.QA: (Status.APPROVED, Status.STAGED, Status.DEPLOYED),
    Duty.TECH_LEAD: (Status.APPROVED, Status.ACCEPTED, Status.AUTHORIZED, Status.DEPLOYED),
}


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits for a person (oldest first), what is theirs and waits for others, and what runs now."""

    waiting: list[Due]
    yours: list[Due]
    running: list[Execution]


def inbox(*, person: Person, now: datetime) -> Inbox:
    """Return the inbox of `person`. Authors and people who signed otherwise are not asked what they cannot give."""
    held = person.duties
    wanted = {status for duty, statuses in STATUSES.items() if duty in held for status in statuses}
    changes = list(
        _listed(ChangeRequest.objects.filter(status__in=wanted))
        .select_related("watch")
        .annotate(reviews=F("revision__routing__reviews"))
    )
    incidents = list(Incident.objects.filter(closed_at=None).select_related("change__opened_by").order_by("opened_at"))
    runs = _open_runs()
    concerned = {one.pk for one in changes} | {one.change_id for one in incidents} | {one.change_id for one in runs}
    reader = Reader(person, held, _authors(concerned), _given(concerned), _owed(changes, held), now)
    busy = {one.change_id for one in runs}
    waiting: list[Due] = []
    for change in changes:
        mine = list(dues.of_change(reader, change, change.pk in busy))
        waiting += mine or dues.of_checklist(reader, change)
    waiting += dues.of_incidents(reader, incidents)
    waiting += [due for run in runs for due in dues.of_run(reader, run)]
    return Inbox(
        waiting=sorted(waiting, key=lambda due: (due.since, due.change.number)),
        yours=_yours(person, {due.change.pk for due in waiting}),
        running=runs,
    )


def _listed(found: ChangeQuerySet) -> ChangeQuerySet:
    """Load what a row of a list shows, and none of the texts."""
    heavy = ("forward", "rollback", "verify", "sources", "plan", "findings", "routing", "checks")
    return found.select_related("opened_by", "revision").defer("content", *(f"revision__{name}" for name in heavy))


def _open_runs() -> list[Execution]:
    """Return open runs, each with whether its second person signed."""
    second = Signature.objects.filter(execution=OuterRef("pk"), meaning=Meaning.SECOND_PERSON)
    found = Execution.objects.open().select_related("change__opened_by", "target__environment", "requested_by")
    return list(found.annotate(seconded=Exists(second)).order_by("queued_at", "pk"))


def _authors(ids: Iterable[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for change_id, person_id in ChangeAuthor.objects.filter(change__in=ids).values_list("change_id", "person_id"):
        found.setdefault(change_id, set()).add(person_id)
    return found


def _given(ids: Iterable[int]) -> dict[int, list[Given]]:
    found: dict[int, list[Given]] = {}
    rows = Signature.objects.filter(change__in=ids).values_list(
        "change_id", "meaning", "signer_id", "content_digest", "duty"
    )
    for change_id, meaning, signer_id, content_digest, duty in rows:
        found.setdefault(change_id or 0, []).append(Given(Meaning(meaning), signer_id, content_digest, duty))
    return found


def _owed(changes: Iterable[ChangeRequest], held: frozenset[str]) -> dict[tuple[int, str, str], int]:
    """Return how many attested items of these changes are open: (change, gate, duty) -> number."""
    ids = [one.pk for one in changes if one.status in dues.FILLED_IN]
    found = ChecklistItem.objects.filter(change__in=ids, automatic=False, state="open", duty__in=held)
    grouped = found.order_by().values_list("change_id", "gate", "duty").annotate(number=Count("pk"))
    return {(change, gate, duty): number for change, gate, duty, number in grouped}


def _yours(person: Person, waiting: set[int]) -> list[Due]:
    """Return open changes this person wrote or signed and that wait for somebody else; drafts are the author's own."""
    took_part = Q(pk__in=ChangeAuthor.objects.filter(person=person).values("change"))
    took_part |= Q(pk__in=Signature.objects.filter(signer=person).values("change"))
    found = _listed(ChangeRequest.objects.exclude(status__in=FINAL).exclude(pk__in=waiting).filter(took_part))
    return [
        Due(change, change.status.replace("_", " "), change.status_at, WAITS[Status(change.status)])
        for change in found.order_by("-status_at", "-pk")[:YOURS]
    ]
