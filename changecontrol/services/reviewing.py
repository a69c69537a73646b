"""The decision: submit, sign, approve, reject, send back, recall, restage, withdraw, accept, authorize."""

from __future__ import annotations

from datetime import datetime

from changecontrol.models import ChangeRequest, Person, Signature
from changecontrol.repository import Repository
from changecontrol.rules import gates
from changecontrol.rules.lifecycle import Duty, Move, Status
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Meaning
from changecontrol.services import ceremony, content, facts, freezing, moving
from changecontrol.services.recording import SWEEP, acting


class NotAReview(Refused):
    """“{meaning}” is not a review. Use the page of that act."""


class ReviewNotNeeded(Refused):
    """No rule and no person demands a compliance review of {code}. Ask for one on the change's page first."""


class NotYoursToAsk(Refused):
    """Only somebody with a duty in changes can ask for a compliance review. Ask an administrator for one."""


class OnlyInReview(Refused):
    """A compliance review can be asked for while {code} is in review; it is {status}."""


#: who may demand a compliance review: everybody with a part in changes
ASKS_COMPLIANCE = frozenset({Duty.AUTHOR, Duty.TECHNICAL_REVIEWER, Duty.COMPLIANCE_OFFICER, Duty.QA, Duty.TECH_LEAD})


def submit(
    *, change_id: int, signer: Person, password: str, version: int, content_digest: str, now: datetime
) -> Signature:
    """Sign authorship, fix the content and ask for review. Raises GatesUnmet with every sentence that is open."""
    fresh = ceremony.identify(signer, password, what=f"authorship of change {change_id}", now=now)
    differs = disk_differs(ChangeRequest.objects.select_related("revision").get(pk=change_id))
    with acting(fresh, duty=Duty.AUTHOR):
        change = moving.lock(change_id)
        moving.seen(change, version=version)
        moving.duty_for(change, Move.SUBMIT, fresh, author_ids=ceremony.author_ids(change))
        named = content.preview(change)
        if named.digest != content_digest:
            raise moving.MovedOn(code=change.code, difference=f"the content is {named.digest[:12]} now.")
        gates.ensure(Move.SUBMIT, facts.gather(change=change, now=now, disk_differs=differs))
        change.content, change.content_digest = named.text, named.digest
        change.save(update_fields=["content", "content_digest"])
        signature = ceremony.sign(change, meaning=Meaning.AUTHORSHIP, signer=fresh, now=now)
        moving.move(change, Move.SUBMIT, now=now, duty=Duty.AUTHOR, person=fresh)
        # content that comes back unchanged has its reviews already
        approve_if_complete(change, now=now)
        return signature


def disk_differs(change: ChangeRequest) -> bool:
    """Whether the files on disk are readable and not the current revision any more (no transaction is open here)."""
    repository: Repository = freezing.repository()
    return (
        change.revision is None
        or repository.read(change.migration_number).script_digest != change.revision.script_digest
    )


def sign(
    *,
    change_id: int,
    meaning: str,
    signer: Person,
    password: str,
    version: int,
    content_digest: str,
    now: datetime,
    reason: str = "",
) -> Signature:
    """Sign a technical or compliance review; the change is approved by itself when none is missing any more."""
    wanted = Meaning(meaning)
    if wanted not in (Meaning.TECHNICAL_REVIEW, Meaning.COMPLIANCE_REVIEW):
        raise NotAReview(meaning=meaning)
    fresh = ceremony.identify(signer, password, what=f"{meaning} of change {change_id}", now=now)
    with acting(fresh, duty=meaning, reason=reason):
        change = moving.lock(change_id)
        moving.seen(change, version=version, content_digest=content_digest)
        if wanted is Meaning.COMPLIANCE_REVIEW and wanted.value not in content.reviews(change):
            raise ReviewNotNeeded(code=change.code)
        signature = ceremony.sign(change, meaning=wanted, signer=fresh, now=now, reason=reason)
        approve_if_complete(change, now=now)
        return signature


def approve_if_complete(change: ChangeRequest, *, now: datetime) -> None:
    """Approve a locked change in review whose gates are all met; otherwise leave it as it is."""
    if change.status == Status.IN_REVIEW and not gates.unmet(Move.APPROVE, facts.gather(change=change, now=now)):
        with acting(SWEEP, reason="every required review is signed"):
            moving.move(change, Move.APPROVE, now=now)
        from changecontrol.services import executing

        executing.stage_on_approval(change, now=now)


def accept(
    *, change_id: int, signer: Person, password: str, version: int, content_digest: str, now: datetime, reason: str = ""
) -> Signature:
    """Sign the staging acceptance; at a later status it renews one that has grown old."""
    return _signed_move(
        Move.ACCEPT, Meaning.STAGING_ACCEPTANCE, change_id, signer, password, version, content_digest, now, reason
    )


def authorize(
    *, change_id: int, signer: Person, password: str, version: int, content_digest: str, now: datetime, reason: str = ""
) -> Signature:
    """Sign the production authorization."""
    return _signed_move(
        Move.AUTHORIZE,
        Meaning.PRODUCTION_AUTHORIZATION,
        change_id,
        signer,
        password,
        version,
        content_digest,
        now,
        reason,
    )


def _signed_move(
    step: Move,
    meaning: Meaning,
    change_id: int,
    signer: Person,
    password: str,
    version: int,
    content_digest: str,
    now: datetime,
    reason: str,
) -> Signature:
    """Sign and move in one transaction; where the status is already past the move, the signature is a renewal."""
    fresh = ceremony.identify(signer, password, what=f"{meaning} of change {change_id}", now=now)
    with acting(fresh, duty=meaning.value, reason=reason):
        change = moving.lock(change_id)
        moving.seen(change, version=version, content_digest=content_digest)
        renewal = any(move.move == step.value for move in change.moves.order_by("-pk")[:20]) and _is_past(change, step)
        if not renewal:
            moving.duty_for(change, step, fresh, author_ids=ceremony.author_ids(change))
        if not renewal:
            gates.ensure(step, facts.gather(change=change, now=now))
        signature = ceremony.sign(change, meaning=meaning, signer=fresh, now=now, reason=reason)
        if not renewal:
            moving.move(change, step, now=now, reason=reason, duty=signature.duty, person=fresh)
        return signature


def _is_past(change: ChangeRequest, step: Move) -> bool:
    order = [Status.STAGED, Status.ACCEPTED, Status.AUTHORIZED]
    after = Status.ACCEPTED if step is Move.ACCEPT else Status.AUTHORIZED
    return change.status in order and order.index(Status(change.status)) >= order.index(after)


def reject(
    *, change_id: int, signer: Person, password: str, version: int, content_digest: str, reason: str, now: datetime
) -> Signature:
    """Reject for good, with a reason, signed."""
    return _signed_leave(
        Move.REJECT, Meaning.REJECTION, change_id, signer, password, version, content_digest, reason, now
    )


def send_back(
    *, change_id: int, signer: Person, password: str, version: int, content_digest: str, reason: str, now: datetime
) -> Signature:
    """Send back to draft, with a reason, signed. Needs staging net zero and nothing applied on production."""
    return _signed_leave(
        Move.SEND_BACK, Meaning.SEND_BACK, change_id, signer, password, version, content_digest, reason, now
    )


def _signed_leave(
    step: Move,
    meaning: Meaning,
    change_id: int,
    signer: Person,
    password: str,
    version: int,
    content_digest: str,
    reason: str,
    now: datetime,
) -> Signature:
    fresh = ceremony.identify(signer, password, what=f"{meaning} of change {change_id}", now=now)
    with acting(fresh, duty=meaning.value, reason=reason):
        change = moving.lock(change_id)
        moving.seen(change, version=version, content_digest=content_digest)
        duty = moving.duty_for(change, step, fresh, author_ids=ceremony.author_ids(change))
        if not reason.strip():
            raise moving.ReasonMissing(what=step.replace("_", " "), code=change.code)
        gates.ensure(step, facts.gather(change=change, now=now))
        signature = ceremony.sign(change, meaning=meaning, signer=fresh, now=now, reason=reason)
        moving.move(change, step, now=now, reason=reason, duty=duty, person=fresh)
        return signature


def recall(*, change_id: int, actor: Person, version: int, reason: str, now: datetime) -> None:
    """Take a change back from review; its author's right."""
    _leave(Move.RECALL, change_id, actor, version, reason, now)


def restage(*, change_id: int, actor: Person, version: int, reason: str, now: datetime) -> None:
    """Have staging run again with unchanged content."""
    _leave(Move.RESTAGE, change_id, actor, version, reason, now)


def withdraw(*, change_id: int, actor: Person, version: int, reason: str, now: datetime) -> None:
    """Give a change up before it reached production."""
    _leave(Move.WITHDRAW, change_id, actor, version, reason, now)


def _leave(step: Move, change_id: int, actor: Person, version: int, reason: str, now: datetime) -> None:
    with acting(actor, reason=reason):
        change = moving.lock(change_id)
        moving.seen(change, version=version)
        duty = moving.duty_for(change, step, actor, author_ids=ceremony.author_ids(change))
        if not reason.strip():
            raise moving.ReasonMissing(what=step.replace("_", " "), code=change.code)
        gates.ensure(step, facts.gather(change=change, now=now))
        moving.move(change, step, now=now, reason=reason, duty=duty, person=actor)


def ask_compliance(*, change_id: int, actor: Person, version: int, now: datetime) -> None:
    """Demand a compliance review that no rule demands; nobody can take the demand back (design 3)."""
    with acting(actor, reason="compliance review asked for"):
        change = moving.lock(change_id)
        if not moving.fresh_duties(actor) & ASKS_COMPLIANCE:
            raise NotYoursToAsk
        moving.seen(change, version=version)
        if change.status != Status.IN_REVIEW:
            raise OnlyInReview(code=change.code, status=change.status.replace("_", " "))
        if Meaning.COMPLIANCE_REVIEW.value not in content.reviews(change):
            change.compliance_asked_by = actor
            change.version += 1
            change.save(update_fields=["compliance_asked_by", "version"])
