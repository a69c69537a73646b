"""Attesting checklist items, with evidence kept by digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from changecontrol.models import ChecklistItem, Evidence, Person
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.refusal import Refused
from changecontrol.services import moving
from changecontrol.services.recording import acting


class Automatic(Refused):
    """“{text}” is bound to a fact and ticks itself; nobody can tick it by hand."""


class NotYourItem(Refused):
    """“{text}” is owed by {duty}. Ask an administrator if this duty is yours."""


class AuthorCannotAttest(Refused):
    """You are an author of {code}, so you cannot attest “{text}”. Somebody else with the duty has to."""


class ItemNeedsNote(Refused):
    """Say what you saw (or why “{text}” does not apply), or attach a file. Nothing was ticked."""


class EvidenceTooLarge(Refused):
    """{name} has {size} bytes; at most {limit} are kept. Attach an excerpt, or write where the whole is."""


class ChangeEnded(Refused):
    """{code} has ended; its checklist stays as it was."""


class NotAState(Refused):
    """“{state}” is no state of a checklist item."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as a person gave it."""

    name: str
    content_type: str
    bytes: bytes


def tick(
    *, item_id: int, actor: Person, state: str, note: str, now: datetime, upload: Upload | None = None
) -> ChecklistItem:
    """Attest, open again, or declare not applicable one item; who, when, text and file are kept in its history."""
    if state not in ChecklistItem.State.values:
        raise NotAState(state=state)
    if upload and len(upload.bytes) > settings.EVIDENCE_MAX_BYTES:
        raise EvidenceTooLarge(name=upload.name, size=len(upload.bytes), limit=settings.EVIDENCE_MAX_BYTES)
    if upload and not upload.bytes:
        upload = None  # an empty file shows nothing
    with acting(actor, reason=note):
        item = ChecklistItem.objects.select_related("change").get(pk=item_id)
        change = moving.lock(item.change_id)
        item = ChecklistItem.objects.select_for_update().get(pk=item_id)
        if item.automatic:
            raise Automatic(text=item.text)
        if change.is_final:
            raise ChangeEnded(code=change.code)
        if item.duty not in moving.fresh_duties(actor):
            raise NotYourItem(text=item.text, duty=item.duty)
        if item.duty != Duty.AUTHOR and change.authors.filter(person=actor).exists():
            raise AuthorCannotAttest(code=change.code, text=item.text)
        if state != ChecklistItem.State.OPEN and not note.strip() and upload is None:
            raise ItemNeedsNote(text=item.text)
        if state == ChecklistItem.State.NOT_APPLICABLE and not note.strip():
            raise ItemNeedsNote(text=item.text)
        item.state, item.note, item.ticked_by, item.ticked_at = state, note.strip(), actor, now
        if upload is not None:
            item.evidence = keep(upload, actor=actor, now=now)
        if state == ChecklistItem.State.OPEN:
            item.ticked_by = item.ticked_at = None
        item.save()
        from changecontrol.services import reviewing

        reviewing.approve_if_complete(change, now=now)
        return item


def keep(upload: Upload, *, actor: Person | None, now: datetime) -> Evidence:
    """Keep a file by its SHA-256; the same bytes are kept once. Inside acting()."""
    digest = hashlib.sha256(upload.bytes).hexdigest()
    found, _ = Evidence.objects.get_or_create(
        digest=digest,
        defaults={
            "name": upload.name[:200],
            "content_type": upload.content_type[:100] or "application/octet-stream",
            "size": len(upload.bytes),
            "bytes": upload.bytes,
            "added_by": actor,
            "added_at": now,
        },
    )
    return found
