"""The act of signing: password asked again, who and what snapshot (21 CFR 11.50, 11.70, 11.200)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from changecontrol.models import ChangeRequest, Execution, FailedSigning, Person, Signature, Target
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import Given, Meaning
from changecontrol.services import checklist_facts, content, moving
from changecontrol.services.recording import ANONYMOUS, acting


class WrongPassword(Refused):
    """The password is wrong, so nothing was signed. Everything you entered is kept; try again."""


class Deactivated(Refused):
    """This account is deactivated and cannot sign. Ask an administrator."""


class AlreadyGiven(Refused):
    """{name} already gave the {meaning} of {code} for this content. One is enough; nothing was signed again."""


def identify(person: Person, password: str, *, what: str, now: datetime) -> Person:
    """Return the person, read again, if the password is theirs now.

    A wrong one leaves a row that is committed before the refusal is raised, so this runs outside any transaction.
    """
    fresh = Person.objects.get(pk=person.pk)
    if not fresh.is_active:
        raise Deactivated
    if not fresh.check_password(password):
        with acting(ANONYMOUS, durable=True):
            FailedSigning.objects.create(person=fresh, username=fresh.username, what=what[:120], at=now)
        raise WrongPassword
    return fresh


def given(change: ChangeRequest) -> list[Given]:
    """Return all signatures of a change as the rules see them."""
    rows = (
        Signature.objects.filter(change=change)
        .order_by("pk")
        .values_list("meaning", "signer_id", "content_digest", "duty")
    )
    return [Given(meaning=Meaning(one[0]), signer_id=one[1], content_digest=one[2], duty=one[3]) for one in rows]


def author_ids(change: ChangeRequest) -> set[int]:
    """Return the ids of the authors of a change."""
    return set(change.authors.values_list("person_id", flat=True))


def sign(
    change: ChangeRequest,
    *,
    meaning: Meaning,
    signer: Person,
    now: datetime,
    reason: str = "",
    execution: Execution | None = None,
    about: dict[str, Any] | None = None,
) -> Signature:
    """Write the signature of an identified person on a locked change.

    Called inside acting() after `identify` and `moving.seen`. Asks duty and separation of duties again, of the rows as
    they are under the lock. Raises what rules.signing.check raises, NotNow or AlreadyGiven.
    """
    when = signing.WHEN.get(meaning)
    if when is not None and Status(change.status) not in when:
        raise signing.NotNow(meaning=meaning.value, code=change.code, status=change.status.replace("_", " "))
    earlier = given(change)
    duty = signing.check(
        meaning=meaning,
        code=change.code,
        signer_id=signer.pk,
        duties=moving.fresh_duties(signer),
        author_ids=author_ids(change),
        given=earlier,
    )
    if execution is None and meaning not in (Meaning.REJECTION, Meaning.SEND_BACK):
        _refuse_twice(change, meaning=meaning, duty=duty, about=about or {}, now=now)
    facts = checklist_facts.evaluate(change, now=now)
    shown = content.context(change, about={"reason": reason, **(about or {})}, facts=facts)
    return Signature.objects.create(
        change=change,
        execution=execution,
        meaning=meaning.value,
        duty=duty.value,
        signer=signer,
        username=signer.username,
        printed_name=signer.printed_name,
        signed_at=now,
        zone=signer.time_zone,
        statement=signing.STATEMENTS[meaning],
        reason=reason.strip(),
        status=change.status,
        content_digest=change.content_digest or content.preview(change).digest,
        context=shown.text,
        context_digest=shown.digest,
    )


def _refuse_twice(change: ChangeRequest, *, meaning: Meaning, duty: str, about: dict[str, Any], now: datetime) -> None:
    """Refuse the same meaning for the same content and status: two tabs and two people have one effect (design 3).

    A change that left the status and came back with the same content is signed again: the move needs its signature.
    """
    twin = change.signatures.filter(
        meaning=meaning.value,
        content_digest=change.content_digest,
        status=change.status,
        signed_at__gte=change.status_at,
    )
    if meaning is Meaning.STAGING_ACCEPTANCE:
        # one that has grown old no longer counts, so it is renewed as often as the gates ask for it
        twin = twin.filter(signed_at__gte=now - timedelta(days=settings.ACCEPTANCE_DAYS))
    if meaning is Meaning.INCIDENT_CLOSURE:
        twin = twin.filter(duty=duty, context__contains=f'"{about["incident"]}"')
    if existing := twin.first():
        raise AlreadyGiven(name=existing.printed_name, meaning=meaning.value, code=change.code)


def sign_target(
    *, target: Target, meaning: Meaning, signer: Person, password: str, context: dict[str, Any], now: datetime
) -> Signature:
    """Sign something about a target that is no change: the ledger's bootstrap, an adoption."""
    from changecontrol.rules import content as rules

    fresh = identify(signer, password, what=f"{meaning} of {target.name}", now=now)
    duty = signing.check(
        meaning=meaning,
        code=target.name,
        signer_id=fresh.pk,
        duties=moving.fresh_duties(fresh),
        author_ids=(),
        given=(),
    )
    named = rules.context(
        status="", executions=(), checklist=(), targets=[content.target_context(target)], about=context
    )
    with acting(fresh, duty=duty, reason=str(context.get("reason", ""))):
        return Signature.objects.create(
            target=target,
            meaning=meaning.value,
            duty=duty.value,
            signer=fresh,
            username=fresh.username,
            printed_name=fresh.printed_name,
            signed_at=now,
            zone=fresh.time_zone,
            statement=signing.STATEMENTS[meaning],
            reason=str(context.get("reason", "")),
            content_digest=named.digest,
            context=named.text,
            context_digest=named.digest,
        )
