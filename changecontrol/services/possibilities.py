"""What one person can do to a change now, and the sentence that keeps them from it.

An action is listed only where a duty of this person makes it theirs; what gates or separation of duties forbid is
listed with its refusal. The verbs ask everything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from changecontrol.models import Environment, Person
from changecontrol.rules import gates, signing
from changecontrol.rules.gates import Facts
from changecontrol.rules.lifecycle import BEFORE_DEPLOYED, Duty, Legal, Move, Status, moves_from
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import facts as fact_finder
from changecontrol.services.actions import (
    ACCEPT,
    ASK_COMPLIANCE,
    CLOSE_INCIDENT,
    DEVELOP,
    DOCUMENT,
    MOVES,
    PRODUCTION,
    RESTORE,
    REVIEWS,
    REVISE,
    ROLL_BACK,
    START_STAGING,
    UNDO_STAGING,
    Action,
)
from changecontrol.services.standing import Standing

STAGING_STATUSES = (Status.APPROVED, Status.STAGED, Status.ACCEPTED, Status.AUTHORIZED)
#: statuses in which a change is run on development: what depends on it is tried there as well, to the very end
DEVELOP_STATUSES = (*BEFORE_DEPLOYED, Status.DEPLOYED)
#: what the verdict itself is: the gate of close names it, and signing it is the act
VERDICT_MISSING = "The watch verdict is not signed."


@dataclass(frozen=True, slots=True)
class _Actor:
    """The person who looks, the change's standing and the facts of its gates."""

    person: Person
    held: frozenset[str]
    known: Standing
    facts: Facts
    now: datetime

    @property
    def is_author(self) -> bool:
        return self.person.pk in self.known.author_ids and Duty.AUTHOR in self.held

    def holds(self, duties: Iterable[Duty]) -> bool:
        """Whether one of `duties` is held; an author's duty counts for the authors of this change alone."""
        return any(duty in self.held and (duty is not Duty.AUTHOR or self.is_author) for duty in duties)

    def barred(self, meaning: Meaning) -> str:
        """Return the sentence of separation of duties that keeps this person from `meaning`, or nothing."""
        try:
            signing.check(
                meaning=meaning,
                code=self.known.change.code,
                signer_id=self.person.pk,
                duties=self.held,
                author_ids=self.known.author_ids,
                given=self.known.given,
            )
        except Refused as no:
            return no.sentence
        return ""


def actions(known: Standing, facts: Facts, *, person: Person, held: frozenset[str], now: datetime) -> list[Action]:
    """Return the actions of `person`, who holds the duties `held`, the forward ones first."""
    actor = _Actor(person, held, known, facts, now)
    found = [*_drafting(actor), *_reviews(actor), *_moves(actor), *_staging(actor), *_production(actor)]
    return sorted(found, key=lambda one: (not one.primary, one.danger))


def _said(unmet: Iterable[gates.Unmet]) -> str:
    return " ".join(dict.fromkeys(one.sentence for one in unmet))


def _moves(actor: _Actor) -> Iterator[Action]:
    """Moves of the table that one of this person's duties makes."""
    status = Status(actor.known.change.status)
    for legal in moves_from(status):
        if legal.duties and actor.holds(legal.duties):
            yield from _move(actor, legal, status)
    stale = actor.facts.accepted_age_days is not None and actor.facts.accepted_age_days > actor.facts.acceptance_days
    if stale and status in (Status.ACCEPTED, Status.AUTHORIZED) and Duty.QA in actor.held:
        barred = actor.barred(Meaning.STAGING_ACCEPTANCE)
        yield replace(ACCEPT, label="Renew staging acceptance", refusal=barred)


def _move(actor: _Actor, legal: Legal, status: Status) -> Iterator[Action]:
    action = MOVES[legal.move]
    unmet = gates.unmet(legal.move, actor.facts)
    if legal.move is Move.CLOSE and status is Status.ROLLED_BACK:
        yield from _closure(actor)
        return
    if legal.move is Move.CLOSE:
        unmet = [one for one in unmet if one.sentence != VERDICT_MISSING]
    barred = actor.barred(Meaning(action.meaning)) if action.meaning else ""
    yield replace(action, refusal=barred or _said(unmet))


def _closure(actor: _Actor) -> Iterator[Action]:
    """The closure of an incident, for QA and for a tech lead, unless that duty signed already."""
    duties = [duty for duty in signing.DUTIES[Meaning.INCIDENT_CLOSURE] if duty in actor.held]
    if actor.facts.open_incidents and not set(duties) <= actor.facts.incident_closures:
        refusal = actor.barred(Meaning.INCIDENT_CLOSURE) or " ".join(actor.facts.incident_incomplete)
        yield replace(CLOSE_INCIDENT, refusal=refusal)


def _drafting(actor: _Actor) -> Iterator[Action]:
    """What any person with the duty author can do: document and revise a draft, run its content on development."""
    status = actor.known.change.status
    if Duty.AUTHOR not in actor.held:
        return
    if status == Status.DRAFT:
        signed = any(
            one.signer_id == actor.person.pk and one.meaning not in signing.BARS_NOBODY for one in actor.known.given
        )
        barred = "You signed this change, so you cannot become its author." if signed else ""
        yield replace(DOCUMENT, primary=bool(actor.facts.documentation_missing), refusal=barred)
        if actor.facts.disk_differs:
            yield replace(REVISE, refusal=barred)
    if status in DEVELOP_STATUSES and actor.known.registered(Environment.Kind.DEVELOPMENT):
        yield DEVELOP


def _reviews(actor: _Actor) -> Iterator[Action]:
    """Reviews that are still missing, and asking for one that nobody demands."""
    change, status = actor.known.change, Status(actor.known.change.status)
    for key, meaning in REVIEWS.items():
        able = actor.holds(signing.DUTIES[meaning]) and status in signing.WHEN[meaning]
        if able and meaning in actor.known.missing:
            words = f"Sign {meaning}"
            yield Action(key, words, "signature", "sign", meaning, primary=True, refusal=actor.barred(meaning))
    business = (Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER, Duty.QA, Duty.TECH_LEAD, Duty.AUTHOR)
    asked = Meaning.COMPLIANCE_REVIEW in actor.known.required
    if change.status == Status.IN_REVIEW and not asked and actor.holds(business):
        yield ASK_COMPLIANCE


def _still_open(actor: _Actor) -> list[gates.Unmet]:
    codes = [one.code for one in actor.known.under_way]
    return [gates.Unmet(f"The run {code} is still open. Wait for its end, abort or resolve it.") for code in codes]


def _staging(actor: _Actor) -> Iterator[Action]:
    """Starting the staging run, and rolling it back."""
    status = Status(actor.known.change.status)
    if status not in STAGING_STATUSES or not actor.holds((Duty.AUTHOR, Duty.QA, Duty.TECH_LEAD)):
        return
    if status is Status.APPROVED:
        yield replace(START_STAGING, refusal=_said([*_still_open(actor), *gates.unmet("run_staging", actor.facts)]))
    if actor.facts.staging_dirty:
        there = fact_finder.gather(
            change=actor.known.change, now=actor.now, known=actor.known, environment_kind=Environment.Kind.STAGING
        )
        yield replace(UNDO_STAGING, refusal=_said([*_still_open(actor), *gates.unmet("undo_staging", there)]))


def _production(actor: _Actor) -> Iterator[Action]:
    """Starting and resuming the production run, rolling back, restoring."""
    from changecontrol.services.executing import RestoreComesLater

    status = Status(actor.known.change.status)
    if status not in (Status.AUTHORIZED, Status.DEPLOYED) or Duty.TECH_LEAD not in actor.held:
        return
    barred = actor.barred(Meaning.EXECUTION)
    if status is Status.AUTHORIZED:
        unmet = [*_still_open(actor), *gates.unmet("run_production", actor.facts)]
        label = "Resume the production run" if actor.facts.production_applied else PRODUCTION.label
        yield replace(PRODUCTION, label=label, refusal=barred or _said(unmet))
    if any(actor.known.to_roll_back(one) for one in actor.known.registered(Environment.Kind.PRODUCTION)):
        unmet = [*_still_open(actor), *gates.unmet("run_rollback", actor.facts)]
        yield replace(ROLL_BACK, refusal=barred or _said(unmet))
        yield replace(RESTORE, refusal=RestoreComesLater().sentence)
