"""The end of a change: the watch verdict, incidents and their closure."""

from __future__ import annotations

from datetime import datetime

from changecontrol.models import ChangeRequest, Incident, Person, Signature
from changecontrol.rules import gates
from changecontrol.rules.lifecycle import Duty, Move, Status
from changecontrol.rules.manifest import canonical, digest
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import ceremony, facts, moving
from changecontrol.services.recording import SWEEP, acting

VERDICTS = ("within", "drifted", "breached")


class NotAVerdict(Refused):
    """“{verdict}” is no verdict. Choose within, drifted or breached."""


class BreachedNeedsRollback(Refused):
    """A breached watch cannot close {code}. Roll it back; the incident is closed instead."""


class IncidentDuty(Refused):
    """Only QA or a tech lead can document an incident. Ask an administrator if this duty is yours."""


class IncidentClosed(Refused):
    """{code} is closed; what it says stays as it was signed."""


class IncidentMoved(Refused):
    """What {code} says was changed since you opened the page. Read it again, and sign what you read."""


class IncidentIncomplete(Refused):
    """{code} still lacks: {missing}. Fill it in before it is signed."""


class RollbackOpen(Refused):
    """{change} still has a run that has not ended. The incident is closed after it."""


def close_watch(
    *,
    change_id: int,
    signer: Person,
    password: str,
    version: int,
    content_digest: str,
    verdict: str,
    note: str,
    now: datetime,
) -> Signature:
    """Sign the watch verdict and close the change; refused before the watch is over and every item is done."""
    if verdict not in VERDICTS:
        raise NotAVerdict(verdict=verdict)
    fresh = ceremony.identify(signer, password, what=f"watch verdict of change {change_id}", now=now)
    with acting(fresh, duty=Duty.QA, reason=note):
        change = moving.lock(change_id)
        moving.seen(change, version=version, content_digest=content_digest)
        duty = moving.duty_for(change, Move.CLOSE, fresh, author_ids=ceremony.author_ids(change))
        if change.status != Status.DEPLOYED:
            raise moving.IllegalMove(
                code=change.code, status=change.status.replace("_", " "), move="close with a verdict"
            )
        if verdict == "breached":
            raise BreachedNeedsRollback(code=change.code)
        open_gates = [
            one
            for one in gates.unmet(Move.CLOSE, facts.gather(change=change, now=now))
            if one.sentence != "The watch verdict is not signed."
        ]
        if open_gates:
            raise gates.GatesUnmet(open_gates)
        signature = ceremony.sign(
            change, meaning=Meaning.WATCH_VERDICT, signer=fresh, now=now, reason=note, about={"verdict": verdict}
        )
        watch = change.watch
        watch.verdict, watch.note, watch.ended_at = verdict, note.strip(), now
        watch.save()
        moving.move(change, Move.CLOSE, now=now, reason=f"verdict: {verdict}", duty=duty, person=fresh)
        return signature


def document_incident(
    *, incident_id: int, actor: Person, told: str, cause: str, lesson: str, now: datetime
) -> Incident:
    """Write down who was told, why it happened and what is learned."""
    if not moving.fresh_duties(actor) & {Duty.QA, Duty.TECH_LEAD}:
        raise IncidentDuty
    with acting(actor, reason="incident documented"):
        # whoever signs the closure holds this lock, so no signature covers a text that changes under it
        moving.lock(Incident.objects.values_list("change_id", flat=True).get(pk=incident_id))
        incident = Incident.objects.select_for_update().get(pk=incident_id)
        signed = Signature.objects.filter(change_id=incident.change_id, meaning=Meaning.INCIDENT_CLOSURE.value)
        if incident.closed_at is not None or signed.filter(context__contains=f'"{incident.code}"').exists():
            raise IncidentClosed(code=incident.code)
        incident.told, incident.cause, incident.lesson = told.strip(), cause.strip(), lesson.strip()
        incident.save()
        return incident


def seen_of(incident: Incident) -> str:
    """Return the digest of what an incident says: a signature of it names what its signer had before the eyes."""
    return digest(canonical({name: getattr(incident, name) for name in ("told", "cause", "lesson")}))


def close_incident(
    *, incident_id: int, signer: Person, password: str, now: datetime, seen: str | None = None
) -> Signature:
    """Sign the closure as QA or as tech lead; the second of the two closes it, and a rolled-back change with it.

    `seen` is `seen_of` what the signer read; where it is given, other words are refused.
    """
    fresh = ceremony.identify(signer, password, what=f"closure of incident {incident_id}", now=now)
    with acting(fresh, duty=Meaning.INCIDENT_CLOSURE.value):
        incident = Incident.objects.select_related("change").get(pk=incident_id)
        change = moving.lock(incident.change_id)
        incident.refresh_from_db()
        if incident.closed_at is not None:
            raise IncidentClosed(code=incident.code)
        if seen is not None and seen != seen_of(incident):
            raise IncidentMoved(code=incident.code)
        fields = {"the cause": incident.cause, "the lesson": incident.lesson}
        if missing := [name for name, text in fields.items() if not text]:
            raise IncidentIncomplete(code=incident.code, missing=" and ".join(missing))
        if change.executions.open().exists():
            raise RollbackOpen(change=change.code)
        about = {"incident": incident.code, "cause": incident.cause, "lesson": incident.lesson, "told": incident.told}
        signature = ceremony.sign(change, meaning=Meaning.INCIDENT_CLOSURE, signer=fresh, now=now, about=about)
        if closures(change, incident) >= {Duty.QA, Duty.TECH_LEAD}:
            incident.closed_at = now
            incident.save()
            _close_rolled_back(change, now=now)
        return signature


def closures(change: ChangeRequest, incident: Incident) -> set[str]:
    """Return the duties under which the closure of this incident is signed."""
    signed = change.signatures.filter(meaning=Meaning.INCIDENT_CLOSURE.value, context__contains=f'"{incident.code}"')
    return set(signed.values_list("duty", flat=True))


def _close_rolled_back(change: ChangeRequest, *, now: datetime) -> None:
    if change.status == Status.ROLLED_BACK and not gates.unmet(Move.CLOSE, facts.gather(change=change, now=now)):
        with acting(SWEEP, reason="incident closed"):
            moving.move(change, Move.CLOSE, now=now, reason="the incident is closed")
