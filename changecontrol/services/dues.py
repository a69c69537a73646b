"""What a change, an incident or a run waits for that one person can give: rows of the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from changecontrol.models import ChangeRequest, Execution, Incident, Person, Signature
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Duty, Move, Purpose, State, Status
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import DUTIES, Given, Meaning

STAGING_RUN = "staging run"
CHECKLIST = "checklist"
#: the move whose checklist is filled in while a change stands in a status
FILLED_IN = {Status.STAGED: Move.ACCEPT, Status.ACCEPTED: Move.AUTHORIZE, Status.DEPLOYED: Move.CLOSE}


@dataclass(frozen=True, slots=True)
class Due:
    """Something that waits: the change, what for, since when, one sentence why, and the run if it is about one."""

    change: ChangeRequest
    meaning: str
    since: datetime
    say: str
    url_name: str = "change"
    execution: Execution | None = None

    @property
    def label(self) -> str:
        """The meaning as a heading."""
        return self.meaning[:1].upper() + self.meaning[1:]


@dataclass(frozen=True, slots=True)
class Reader:
    """The person, the duties held, and who wrote and signed what among the changes that may wait."""

    person: Person
    held: frozenset[str]
    authors: dict[int, set[int]]
    given: dict[int, list[Given]]
    owed: dict[tuple[int, str, str], int]  # (change, gate, duty) -> attested items that are open
    now: datetime

    def may(self, meaning: Meaning, change: ChangeRequest) -> bool:
        """Whether duty and separation of duties let this person give `meaning` on `change`."""
        try:
            signing.check(
                meaning=meaning,
                code=change.code,
                signer_id=self.person.pk,
                duties=self.held,
                author_ids=self.authors.get(change.pk, ()),
                given=self.given.get(change.pk, ()),
            )
        except Refused:
            return False
        return True

    def signed(self, meaning: Meaning, change: ChangeRequest) -> bool:
        """Whether `meaning` is signed over the current content by anybody."""
        every = self.given.get(change.pk, ())
        return any(one.meaning == meaning and one.content_digest == change.content_digest for one in every)


def of_checklist(reader: Reader, change: ChangeRequest) -> Iterator[Due]:
    """Yield the items of the next gate's checklist that this person's duties owe; an author's are its authors'."""
    gate = FILLED_IN.get(Status(change.status), "")
    count = sum(
        number
        for (change_id, move, duty), number in reader.owed.items()
        if change_id == change.pk
        and move == gate
        and duty in reader.held
        and (duty != Duty.AUTHOR or reader.person.pk in reader.authors.get(change.pk, ()))
    )
    if count:
        say = f"{count} item{' of its checklist is' if count == 1 else 's of its checklist are'} yours to attest."
        yield Due(change, CHECKLIST, change.status_at, say, "change-checklist")


def of_change(reader: Reader, change: ChangeRequest, busy: bool) -> Iterator[Due]:
    """Yield what a change waits for that this person can give; a change with an open run waits for its end."""
    status, since = Status(change.status), change.status_at
    if status is Status.IN_REVIEW:
        for meaning in _reviews(change):
            if not reader.signed(meaning, change) and reader.may(meaning, change):
                yield Due(change, meaning, since, _first_sentence(change.description))
    elif status is Status.APPROVED and not busy:
        if {Duty.QA, Duty.TECH_LEAD} & reader.held or reader.person.pk in reader.authors.get(change.pk, ()):
            yield Due(change, STAGING_RUN, since, "Every review is signed; the staging run can be started.")
    elif status is Status.STAGED and reader.may(Meaning.STAGING_ACCEPTANCE, change):
        yield Due(change, Meaning.STAGING_ACCEPTANCE, since, "The staging run succeeded; check it and accept it.")
    elif status is Status.ACCEPTED and reader.may(Meaning.PRODUCTION_AUTHORIZATION, change):
        yield Due(change, Meaning.PRODUCTION_AUTHORIZATION, since, "QA accepted it; production waits for your word.")
    elif status is Status.AUTHORIZED and not busy and reader.may(Meaning.EXECUTION, change):
        yield Due(change, Meaning.EXECUTION, since, "Authorized; the production run can be started.")
    elif status is Status.DEPLOYED:
        watch = getattr(change, "watch", None)
        if watch and watch.ends_at <= reader.now and reader.may(Meaning.WATCH_VERDICT, change):
            yield Due(change, Meaning.WATCH_VERDICT, watch.ends_at, "The watch is over; its verdict is owed.")


def _reviews(change: ChangeRequest) -> list[Meaning]:
    """Return the reviews a change needs; without routing, both: it fails closed."""
    routed = getattr(change, "reviews", None)
    needs = routed is None or Meaning.COMPLIANCE_REVIEW in routed or change.compliance_asked_by_id
    return [Meaning.TECHNICAL_REVIEW, *([Meaning.COMPLIANCE_REVIEW] if needs else [])]


def _first_sentence(text: str) -> str:
    first = " ".join(text.split()).split(". ", 1)[0]
    return first if len(first) <= 200 else f"{first[:199]}…"


def of_incidents(reader: Reader, incidents: list[Incident]) -> Iterator[Due]:
    """Yield the open incidents whose closure lacks the signature of a duty this person holds."""
    if not reader.held & set(DUTIES[Meaning.INCIDENT_CLOSURE]) or not incidents:
        return
    ids = {one.change_id for one in incidents}
    closures = Signature.objects.filter(change__in=ids, meaning=Meaning.INCIDENT_CLOSURE).values_list("duty", "context")
    signed = {((json.loads(context).get("about") or {}).get("incident"), duty) for duty, context in closures}
    for one in incidents:
        owed = {duty for duty in DUTIES[Meaning.INCIDENT_CLOSURE] if (one.code, duty) not in signed}
        if owed & reader.held and reader.may(Meaning.INCIDENT_CLOSURE, one.change):
            yield Due(one.change, Meaning.INCIDENT_CLOSURE, one.opened_at, f"{one.code}: {one.title}", "incident")


def of_run(reader: Reader, run: Execution) -> Iterator[Due]:
    """Yield a run that waits for its second person, or a lost one for its resolution."""
    needs = run.purpose == Purpose.ROLL_BACK or (
        run.purpose == Purpose.DEPLOY and run.target.environment.second_person_at_start
    )
    where = f"{run.code} on {run.target.name}"
    waits = run.state == State.QUEUED and needs and not getattr(run, "seconded", False)
    if waits and run.requested_by_id != reader.person.pk and reader.may(Meaning.SECOND_PERSON, run.change):
        yield Due(run.change, Meaning.SECOND_PERSON, run.queued_at, f"{where} waits for a second person.", "run", run)
    if run.state == State.LOST and reader.may(Meaning.RESOLUTION, run.change):
        since = run.heartbeat_at or run.queued_at
        yield Due(run.change, Meaning.RESOLUTION, since, f"{where} was lost; say what became of its step.", "run", run)
