"""What the next step of a change still needs, what it already has, and who owes it, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from changecontrol.models import Signature
from changecontrol.rules import gates
from changecontrol.rules.gates import Facts, Unmet
from changecontrol.rules.lifecycle import Move, Status
from changecontrol.rules.signing import DUTIES, Meaning
from changecontrol.services.actions import Action
from changecontrol.services.facts import SAID_OTHERWISE
from changecontrol.services.standing import Standing

#: the gate that stands before each status's next step, and what that step is called
NEXT: dict[Status, tuple[str, str]] = {
    Status.DRAFT: (Move.SUBMIT, "submitted"),
    Status.IN_REVIEW: (Move.APPROVE, "approved"),
    Status.APPROVED: ("run_staging", "staged"),
    Status.STAGED: (Move.ACCEPT, "accepted"),
    Status.ACCEPTED: (Move.AUTHORIZE, "authorized"),
    Status.AUTHORIZED: ("run_production", "deployed"),
    Status.DEPLOYED: (Move.CLOSE, "closed"),
    Status.ROLLED_BACK: (Move.CLOSE, "closed"),
}
#: what a person does who can do it now: heading, and what it takes
MINE = {
    "submit": "You submit it: everything the reviewers need is there; your signature says that you stand behind it.",
    "document": "You write its documentation: it can be submitted once every field is filled in.",
    "technical_review": "You sign the technical review: read the statements, their locks and the way back first.",
    "compliance_review": "You sign the compliance review: read what it does to protected data first.",
    "start_staging": "You start the staging run: a worker runs it on staging and proves the way back.",
    "accept": "You sign the staging acceptance: the run on staging is proven and the checklist is complete.",
    "authorize": "You sign the production authorization: every gate before production is green.",
    "start_production": "You start the production run: every gate is green, and your signature starts it.",
    "close_watch": "You sign the watch verdict: the watch is over.",
    "close_incident": "You sign the incident closure: cause and lesson are written down.",
}
#: who is waited for when it is not the person who looks
OTHERS = {
    Status.DRAFT: "Its author completes and submits it",
    Status.IN_REVIEW: "It is being reviewed",
    Status.APPROVED: "The staging run comes next",
    Status.STAGED: "QA accepts it",
    Status.ACCEPTED: "A tech lead authorizes it",
    Status.AUTHORIZED: "A tech lead starts the production run",
    Status.DEPLOYED: "Production is being watched",
    Status.ROLLED_BACK: "The incident is being closed",
}
ENDED = {
    Status.CLOSED: "Nothing is owed: this change is closed.",
    Status.REJECTED: "Nothing is owed: this change was rejected. A new change can supersede it.",
    Status.WITHDRAWN: "Nothing is owed: this change was withdrawn. A new change can supersede it.",
}


@dataclass(frozen=True, slots=True)
class Later:
    """The gate of a later step: a heading and what does not hold for it yet."""

    heading: str
    unmet: list[Unmet]


def unmet(facts: Facts) -> list[Unmet]:
    """Return what the next step still needs; nothing once a change has ended."""
    return gates.unmet(NEXT[facts.status][0], facts) if facts.status in NEXT else []


def later(facts: Facts) -> list[Later]:
    """Return what production still needs, while it is not the next step."""
    if facts.status not in (Status.IN_REVIEW, Status.APPROVED, Status.STAGED):
        return []
    found = gates.unmet(Move.AUTHORIZE, facts)
    now = {one.sentence for one in unmet(facts)}
    found = [one for one in found if one.sentence not in now]
    return [Later(f"Later: {_count(len(found))} for production", found)] if found else []


def _count(number: int, noun: str = "condition") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def met(known: Standing, facts: Facts, checked: dict[str, bool]) -> list[str]:
    """Return what already holds for the next step, as sentences."""
    if facts.status not in NEXT:
        return []
    found = []
    if facts.status is Status.DRAFT:
        found += ["Every field of the documentation is filled in."] * (not facts.documentation_missing)
        found += ["No finding blocks it."] * (not facts.blocking_findings)
        found += ["The files on disk are this revision."] * (not facts.disk_differs)
    else:
        found += [f"The {one.meaning} is signed by {one.printed_name}." for one in _newest(known)]
    if facts.status in (Status.STAGED, Status.ACCEPTED, Status.AUTHORIZED):
        unproven = facts.staging_unproven
        found += [
            f"The run on {name} succeeded for this content." for name in facts.staging_targets if name not in unproven
        ]
    gate = NEXT[facts.status][0]
    for item in known.items:
        done = checked.get(item.fact, False) if item.automatic else item.state != item.State.OPEN
        if item.gate == gate and done and item.fact not in SAID_OTHERWISE.get(Move(item.gate), ()):
            found.append(f"Checklist: “{item.text}” is done.")
    return found


def _newest(known: Standing) -> list[Signature]:
    """Return the newest counting signature of each required meaning."""
    return [one for one in (known.signed(meaning) for meaning in known.required) if one is not None]


def next_action(known: Standing, facts: Facts, actions: Sequence[Action]) -> str:
    """Return who owes what next, as a heading, a colon and a sentence."""
    if facts.status in ENDED:
        return ENDED[facts.status]
    if facts.status is Status.AUTHORIZED and facts.production_applied and not known.under_way:
        where = ", ".join(facts.production_applied)
        return f"Steps of it are on {where}: a tech lead resumes the run, rolls back what is on, or restores."
    mine = next((one for one in actions if one.primary and not one.refusal and one.key in MINE), None)
    if mine is not None:
        return MINE[mine.key]
    if known.under_way:
        runs = ", ".join(one.code for one in known.under_way)
        return f"A run is under way: {runs} has not ended yet."
    return f"{OTHERS[facts.status]}: {_waiting(known, facts)}"


def _waiting(known: Standing, facts: Facts) -> str:
    """Return whom it waits for, and how much is open."""
    if facts.status is Status.IN_REVIEW:
        reviews = [one for one in (Meaning.TECHNICAL_REVIEW, Meaning.COMPLIANCE_REVIEW) if one in known.missing]
        if reviews:
            return " ".join(f"The {one} is owed by a {DUTIES[one][0]}." for one in reviews)
    found = unmet(facts)
    if not found:
        return {
            Status.DRAFT: f"nothing is open; {known.change.opened_by.printed_name} signs it.",
            Status.APPROVED: "QA, a tech lead or its author starts it.",
            Status.STAGED: "nothing is open but the signature of QA.",
            Status.ACCEPTED: "nothing is open but the signature of a tech lead.",
            Status.AUTHORIZED: "nothing is open but the signature of a tech lead.",
        }.get(facts.status, "nothing is open.")
    owing = list(dict.fromkeys(one.owed_by for one in found if one.owed_by))
    return f"{_count(len(found))} {'is' if len(found) == 1 else 'are'} open, owed by {_listed(owing)}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "nobody yet"
