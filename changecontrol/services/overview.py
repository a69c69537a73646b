"""Everything the frame around a change shows to one person, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.utils.timezone import get_current_timezone

from changecontrol.models import ChangeRequest, ChecklistItem, Person, Signature
from changecontrol.rules.checklists import FACTS
from changecontrol.rules.gates import Unmet
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.policy import Policy
from changecontrol.rules.signing import Meaning
from changecontrol.services import checklist_facts, conditions, disk, possibilities, standing, statements, steps
from changecontrol.services import facts as fact_finder
from changecontrol.services.actions import Action
from changecontrol.services.conditions import Later
from changecontrol.services.disk import DiskState
from changecontrol.services.standing import Standing, broken
from changecontrol.services.statements import StatementView
from changecontrol.services.steps import StatusStep


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """A signature, whether it counts, and why not."""

    signature: Signature
    valid: bool
    why_void: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """A checklist item, whether it is met, and how: the fact it is bound to, or who saw what."""

    item: ChecklistItem
    done: bool
    how: str


@dataclass(frozen=True, slots=True)
class ListView:
    """One of the twelve lists with its items; `gate` is the move it gates."""

    key: str
    title: str
    gate: str
    items: list[ItemView]


@dataclass(frozen=True)
class Overview:
    """What the pages of a change show to one person."""

    change: ChangeRequest
    steps: list[StatusStep]
    unmet: list[Unmet]
    met: list[str]
    later: list[Later]
    next_action: str
    actions: list[Action]
    signatures: list[SignatureRow]
    required: list[tuple[Meaning, Signature | None]]
    items: list[ListView]
    disk: DiskState
    protected_tables: list[str]
    way_back: tuple[str, str]
    routing: list[str]
    _said: dict[str, list[StatementView]] = field(default_factory=dict, repr=False)

    def sentences(self, direction: str) -> list[StatementView]:
        """Return the statements of "forward", "rollback" or "verify" in words."""
        if direction not in self._said:
            self._said[direction] = statements.sentences(self.change.revision, direction, self.protected_tables)
        return self._said[direction]


def overview(*, change: ChangeRequest, person: Person, now: datetime) -> Overview:
    """Return what `person` sees of `change`; reads the files on disk once unless the change has ended."""
    known = standing.read(change)
    there = disk.state(change)
    checked = checklist_facts.evaluate(change, now=now, known=known)
    facts = fact_finder.gather(change=change, now=now, disk_differs=there.differs, known=known, checked=checked)
    possible = possibilities.actions(known, facts, person=person, held=person.duties, now=now)
    policy: Policy | None = statements.policy()
    header = known.plan("forward").get("header") or {}
    return Overview(
        change=change,
        steps=steps.steps(known),
        unmet=conditions.unmet(facts),
        met=conditions.met(known, facts, checked),
        later=conditions.later(facts),
        next_action=conditions.next_action(known, facts, possible),
        actions=possible,
        signatures=signature_rows(known),
        required=[(meaning, known.signed(meaning)) for meaning in known.required],
        items=lists(known, checked),
        disk=there,
        protected_tables=statements.protected_tables(change.revision, policy),
        way_back=(known.revision.rollback_class if known.revision else "", str(header.get("rollback_note") or "")),
        routing=_routing(known),
    )


def signature_rows(known: Standing) -> list[SignatureRow]:
    """Return every signature, oldest first, with why it does not count."""
    change = known.change
    counting = {one.pk for one in known.valid}
    ever = {change.content_digest, *change.history.values_list("content_digest", flat=True)}
    taken = list(change.revisions.order_by("number").values_list("number", "frozen_at"))
    rows = []
    for one in known.signatures:
        why = "" if one.pk in counting else _why_void(known, one, ever, taken)
        rows.append(SignatureRow(one, one.pk in counting, why))
    return rows


def _why_void(known: Standing, signature: Signature, ever: set[str], taken: list[tuple[int, datetime]]) -> str:
    """Return why a signature does not count; a broken one is said to be so, and never taken for an old one."""
    if broken(signature):
        return "INVALID: what is stored with this signature is not what was signed. Tell an administrator."
    if signature.content_digest not in ever:
        return "INVALID: this signature names content that this change never had. Tell an administrator."
    for number, frozen_at in taken:
        if frozen_at > signature.signed_at:
            return f"Void: the content changed on {_day(frozen_at)} (revision {number})."
    for move in known.moves:
        if move.after == Status.DRAFT and move.at >= signature.signed_at:
            return f"Void: the content changed on {_day(move.at)}."
    return "Void: the content changed since."


def _day(at: datetime) -> str:
    local = at.astimezone(get_current_timezone())
    return f"{local.day} {local:%b %Y}"


def lists(known: Standing, checked: dict[str, bool]) -> list[ListView]:
    """Return the checklists in order, each item with how it stands."""
    found: dict[str, ListView] = {}
    for item in known.items:
        view = found.setdefault(item.list_key, ListView(item.list_key, item.list_title, item.gate, []))
        view.items.append(_item(item, checked))
    return list(found.values())


def _item(item: ChecklistItem, checked: dict[str, bool]) -> ItemView:
    if item.automatic:
        means = FACTS.get(item.fact, item.fact)
        done = checked.get(item.fact, False)
        return ItemView(item, done, f"Met by itself: {means}." if done else f"Met by itself as soon as {means}.")
    if item.state == item.State.OPEN:
        return ItemView(item, False, "")
    who = item.ticked_by.printed_name if item.ticked_by else ""
    what = f"does not apply, says {who}" if item.state == item.State.NOT_APPLICABLE else f"seen by {who}"
    return ItemView(item, True, f"{what[0].upper()}{what[1:]}{f': {item.note}' if item.note else '.'}")


def _routing(known: Standing) -> list[str]:
    """Return why a compliance review is needed, one sentence a reason."""
    reasons = (known.revision.routing.get("reasons") or []) if known.revision else []
    asking = [one for one in reasons if Meaning.COMPLIANCE_REVIEW in one.get("reviews", (Meaning.COMPLIANCE_REVIEW,))]
    said = [str(one["sentence"]) for one in asking]
    if asked_by := known.change.compliance_asked_by:
        said.append(f"{asked_by.printed_name} asked for a compliance review.")
    return list(dict.fromkeys(said))
