"""Opening a change from a file, documenting it, taking a new revision, waiving findings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError

from changecontrol.models import ChangeAuthor, ChangeRequest, ChecklistItem, Person, Revision, Waiver
from changecontrol.rules import checklists
from changecontrol.rules.lifecycle import FINAL, Duty, Move, Status
from changecontrol.rules.refusal import Refused
from changecontrol.rules.signing import BARS_NOBODY
from changecontrol.services import ceremony, content, freezing, moving, numbering, rehearsing, series
from changecontrol.services.recording import acting


class OnlyAuthors(Refused):
    """Only a person with the duty author can {what}. Ask an administrator if this duty is yours."""


class AlreadyOpen(Refused):
    """Migration {number:03d} already has an open change, {code}. One migration has one open change at a time."""


class AlreadyLanded(Refused):
    """{code} brought migration {number:03d} to production and is closed. What has to change now is a new migration with
    the next number; it can say that it supersedes {code}."""


class StillOpen(Refused):
    """{code} is still {status}. Only an ended change can be superseded; withdraw it, or wait until it is closed."""


class NoSuchChange(Refused):
    """There is no change {code}. Check the number."""


class NotADraft(Refused):
    """{code} is {status}, and its content can only be changed while it is a draft. Recall it or have it sent back
    first."""


class NoSuchFinding(Refused):
    """This finding is not one of the current revision of {code}. Reload the page."""


class WaiverReason(Refused):
    """A waiver needs a reason that a signer can judge. Nothing was waived."""


class FieldInvalid(Refused):
    """The field “{field}” cannot take “{value}”. {allowed}"""


class SignerCannotAuthor(Refused):
    """You already signed {code} as somebody else than its author, so you cannot become its author now."""


def open_change(
    *, migration_number: int, actor: Person, now: datetime, title: str = "", supersedes: str = ""
) -> ChangeRequest:
    """Open a change from the files of one migration: read, parsed, frozen, checklists copied in.

    Raises OnlyAuthors, AlreadyOpen, NoSuchChange, StillOpen, PlaceTaken, or what reading and parsing refuses.
    """
    _ensure_author(actor, "open a change")
    frozen = freezing.repository().read(migration_number)
    before = _superseded(supersedes)
    _refuse_second(migration_number)
    try:
        with acting(actor, duty=Duty.AUTHOR):
            number, code = numbering.take("change")
            header = frozen.forward_script.header
            change = ChangeRequest.objects.create(
                number=number,
                code=code,
                title=(title.strip() or header.purpose.split(". ")[0].rstrip(".") or frozen.stem)[:200],
                status_at=now,
                migration_number=frozen.number,
                migration_name=frozen.stem,
                opened_by=actor,
                opened_at=now,
                supersedes=before,
                ticket=header.ticket[:60],
                description=header.purpose,
                requires_release=header.requires_release[:120],
            )
            series.link(change, header, actor=actor, now=now)
            change.revision = freezing.freeze(change, frozen, actor=actor, now=now)
            change.save(update_fields=["revision"])
            _copy_checklists(change)
            return change
    except IntegrityError:
        # two tabs opened the same file at once: the partial unique index let one through
        _refuse_second(migration_number)
        raise


def _refuse_second(migration_number: int) -> None:
    other = ChangeRequest.objects.open().filter(migration_number=migration_number).first()
    if other is not None:
        raise AlreadyOpen(number=migration_number, code=other.code)
    ended = ChangeRequest.objects.filter(migration_number=migration_number, status=Status.CLOSED)
    landed = ended.filter(moves__move=Move.DEPLOY).exclude(moves__move=Move.ROLL_BACK).first()
    if landed is not None:
        raise AlreadyLanded(number=migration_number, code=landed.code)


def _superseded(code: str) -> ChangeRequest | None:
    if not code.strip():
        return None
    change = ChangeRequest.objects.filter(code__iexact=code.strip()).first()
    if change is None:
        raise NoSuchChange(code=code.strip())
    if change.status not in FINAL:
        raise StillOpen(code=change.code, status=change.status.replace("_", " "))
    return change


def _copy_checklists(change: ChangeRequest) -> None:
    items = [(listed, item) for listed in checklists.LISTS for item in listed.items]
    ChecklistItem.objects.bulk_create(
        ChecklistItem(
            change=change,
            list_key=listed.key,
            list_title=listed.title,
            gate=str(listed.gate_move),
            position=position,
            key=item.key,
            text=item.text,
            duty=str(item.duty),
            automatic=item.automatic,
            fact=item.fact,
        )
        for position, (listed, item) in enumerate(items, start=1)
    )


def revise(*, change_id: int, actor: Person, version: int, now: datetime) -> Revision:
    """Take the files on disk as a new revision of a draft. The reviser becomes an author; old signatures are void.

    Raises NotADraft, freezing.NothingNew, MovedOn, PlaceTaken, SeriesShorter, or what reading refuses.
    """
    _ensure_author(actor, "take a new revision")
    number = ChangeRequest.objects.values_list("migration_number", flat=True).get(pk=change_id)
    frozen = freezing.repository().read(number)
    with acting(actor, duty=Duty.AUTHOR):
        change = _draft(change_id, version)
        _ensure_no_signer(change, actor)
        revision = freezing.freeze(change, frozen, actor=actor, now=now)
        change.revision = revision
        change.migration_name = frozen.stem
        series.link(change, frozen.forward_script.header, actor=actor, now=now)
        _changed(change, "revision", "migration_name")
        return revision


def document(*, change_id: int, actor: Person, version: int, fields: dict[str, Any], now: datetime) -> ChangeRequest:
    """Write documentation fields of a draft. Who edits becomes an author. Raises NotADraft, MovedOn, FieldInvalid."""
    _ensure_author(actor, "document a change")
    with acting(actor, duty=Duty.AUTHOR):
        change = _draft(change_id, version)
        _ensure_no_signer(change, actor)
        names = [name for name in (*content.DOCUMENTATION, "title") if name in fields]
        for name in names:
            setattr(change, name, _cleaned(name, fields[name]))
        ChangeAuthor.objects.get_or_create(change=change, person=actor, defaults={"because": "edited", "at": now})
        _changed(change, *names)
        return change


def _cleaned(name: str, value: Any) -> Any:
    """Return the value as the field takes it, or refuse with what the field allows."""
    field = ChangeRequest._meta.get_field(name)
    if name.startswith("risk_"):
        if value in ("", None):
            return None
        if not str(value).isdecimal() or not 1 <= int(value) <= 5:
            raise FieldInvalid(field=name.replace("_", " "), value=value, allowed="Choose a number from 1 to 5.")
        return int(value)
    text = str(value or "").strip()
    choices = [key for key, _ in (field.choices or [])]  # type: ignore[union-attr]
    if choices and text and text not in choices:
        raise FieldInvalid(field=name.replace("_", " "), value=text, allowed=f"Choose one of: {', '.join(choices)}.")
    limit = getattr(field, "max_length", None)
    if limit and len(text) > limit:
        raise FieldInvalid(
            field=name.replace("_", " "), value=f"{text[:40]}…", allowed=f"At most {limit} characters fit."
        )
    if name == "title" and not text:
        raise FieldInvalid(field="title", value="", allowed="A change needs a title.")
    if name == "pull_request_url" and text and not text.startswith(("https://", "http://")):
        raise FieldInvalid(field="pull request URL", value=text, allowed="It has to start with https://.")
    return text


def waive(
    *, change_id: int, actor: Person, version: int, rule: str, file: str, line: int, reason: str, now: datetime
) -> Waiver:
    """Accept one finding of the current revision with a reason; signers accept it by signing."""
    _ensure_author(actor, "waive a finding")
    if len(reason.strip()) < 10:
        raise WaiverReason
    with acting(actor, duty=Duty.AUTHOR, reason=reason):
        change = _draft(change_id, version)
        _ensure_no_signer(change, actor)
        revision = change.revision
        known = revision and any(
            (one["rule"], one["file"], one["line"]) == (rule, file, line)
            for one in (*revision.findings, *rehearsing.findings(change))
        )
        if revision is None or not known:
            raise NoSuchFinding(code=change.code)
        ChangeAuthor.objects.get_or_create(change=change, person=actor, defaults={"because": "edited", "at": now})
        waiver, _ = Waiver.objects.get_or_create(
            revision=revision,
            rule=rule,
            file=file,
            line=line,
            defaults={"change": change, "reason": reason.strip(), "waived_by": actor, "waived_at": now},
        )
        _changed(change)
        return waiver


def _draft(change_id: int, version: int) -> ChangeRequest:
    change = moving.lock(change_id)
    moving.seen(change, version=version)
    if change.status != Status.DRAFT:
        raise NotADraft(code=change.code, status=change.status.replace("_", " "))
    return change


def _changed(change: ChangeRequest, *names: str) -> None:
    """Save the named fields; the content of a draft that changes is no longer what anybody signed."""
    change.content = ""
    change.content_digest = ""
    change.version += 1
    change.save(update_fields=[*names, "content", "content_digest", "version"])


def _ensure_author(actor: Person, what: str) -> None:
    if Duty.AUTHOR not in moving.fresh_duties(actor):
        raise OnlyAuthors(what=what)


def _ensure_no_signer(change: ChangeRequest, actor: Person) -> None:
    """A person who signed this change otherwise than as author never becomes its author (design 3, Incompatible)."""
    if any(one.signer_id == actor.pk and one.meaning not in BARS_NOBODY for one in ceremony.given(change)):
        raise SignerCannotAuthor(code=change.code)
