"""From files on disk to an immutable revision: the exact bytes, the plan, the findings, the routing."""

from __future__ import annotations

import base64
import re
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings

from changecontrol.linting import squawk
from changecontrol.models import ChangeAuthor, ChangeRequest, Person, Revision
from changecontrol.repository import Frozen, Repository
from changecontrol.rules import judging, manifest, routing
from changecontrol.rules.finding import Finding
from changecontrol.rules.lifecycle import Move
from changecontrol.rules.policy import Policy
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Direction, RollbackClass, Script, decoded, from_json, to_json
from changecontrol.rules.signing import BARS_NOBODY


class BytesDiffer(Refused):
    """The stored bytes of {code} do not give the script digest that was signed. Nothing was run. Tell an
    administrator."""


class NothingNew(Refused):
    """The files on disk are exactly revision {number} of {code}. There is nothing to take."""


class SignerNamedAuthor(Refused):
    """The files name {name} as an author, who already signed {code} as somebody else than its author. Nothing was
    taken. Correct the name, or withdraw {code} and open a new change."""


def repository() -> Repository:
    """Return the migrations repository named by the settings."""
    return Repository(settings.REPOSITORY)


def freeze(change: ChangeRequest, frozen: Frozen, *, actor: Person, now: datetime) -> Revision:
    """Write the next revision of a change from what was read, inside acting(). Raises NothingNew."""
    latest = change.revisions.order_by("-number").first()
    if latest is not None and latest.script_digest == frozen.script_digest:
        raise NothingNew(number=latest.number, code=change.code)
    policy = repository().policy()
    routed = routing.route((frozen.forward_script, frozen.rollback_script), policy)
    header = frozen.forward_script.header
    revision = Revision.objects.create(
        change=change,
        number=latest.number + 1 if latest else 1,
        forward=frozen.forward,
        rollback=frozen.rollback,
        verify=frozen.verify,
        sources={name: base64.b64encode(data).decode() for name, data in frozen.sources.items()},
        plan=_plans(frozen),
        findings=[_finding(one) for one in _findings(frozen, policy)],
        checks={name: decoded(data, file=f"checks/{name}.sql") for name, data in repository().checks().items()},
        routing=_routing(change, latest, routed),
        script_digest=frozen.script_digest,
        rollback_class=header.rollback_class.value,
        git_commit=frozen.git_commit or "",
        git_author=(frozen.git_author or "")[:200],
        frozen_by=actor,
        frozen_at=now,
    )
    name_authors(change, frozen, actor=actor, now=now, because="opened" if latest is None else "revised")
    return revision


def _routing(change: ChangeRequest, latest: Revision | None, routed: routing.Routing) -> dict[str, Any]:
    """Return the routing of a new revision as JSON. A compliance review that was once required stays (design 3)."""
    reviews, reasons = set(routed.reviews), [_plain(asdict(one)) for one in routed.reasons]
    was = latest is not None and routing.COMPLIANCE in latest.routing.get("reviews", [])
    if (
        latest is not None
        and was
        and routing.COMPLIANCE not in reviews
        and change.moves.filter(move=Move.SUBMIT).exists()
    ):
        sentence = f"Revision {latest.number} needed a compliance review; once required, nobody takes it away."
        kept = routing.Reason(0, Direction.FORWARD, "", sentence, (routing.COMPLIANCE,))
        reviews, reasons = reviews | {routing.COMPLIANCE}, [*reasons, _plain(asdict(kept))]
    return {"reviews": sorted(reviews), "reasons": reasons}


def name_authors(change: ChangeRequest, frozen: Frozen, *, actor: Person, now: datetime, because: str) -> None:
    """Note as authors: who acts, and the git author and the headers' Author where they map to a person (design 3).

    Raises SignerNamedAuthor where one of them already signed the change otherwise than as its author.
    """
    ChangeAuthor.objects.get_or_create(change=change, person=actor, defaults={"because": because, "at": now})
    signers = set(
        change.signatures.exclude(meaning__in=[one.value for one in BARS_NOBODY]).values_list("signer_id", flat=True)
    )
    for _, text, why in _names(frozen):
        if (person := person_named(text)) is None:
            continue
        if person.pk in signers:
            raise SignerNamedAuthor(name=person.printed_name, code=change.code)
        ChangeAuthor.objects.get_or_create(change=change, person=person, defaults={"because": why, "at": now})


def _names(frozen: Frozen) -> list[tuple[str, str, str]]:
    """Return who the files say wrote them: (file, name, why); a header may name several people."""
    found = [(frozen.forward_script.file, frozen.git_author, "git author")] if frozen.git_author else []
    for script in (frozen.forward_script, frozen.rollback_script, frozen.verify_script):
        text = script.header.author if script else ""
        if script is None or not text:
            continue
        several = [text] if person_named(text) else re.split(r"\s*(?:[,;&/]|\band\b)\s*", text)
        found += [(script.file, name, "header") for name in several if name.strip()]
    return found


def _findings(frozen: Frozen, policy: Policy) -> list[Finding]:
    """What the files say of themselves, what the rules predict of them, and what squawk says beyond both."""
    # squawk skips \i without a word, so what is included is given to it beside the files that include it
    files = {frozen.forward_script.file: frozen.forward, **frozen.sources}
    if frozen.rollback_script is not None and frozen.rollback is not None:
        files[frozen.rollback_script.file] = frozen.rollback
    predicted = judging.static(frozen.forward_script, frozen.rollback_script, policy=policy)
    carried = judging.severe((*frozen.findings, *_unmapped(frozen)), policy)
    return judging.ordered([*carried, *judging.merged(predicted, squawk(files), policy=policy)])


def _unmapped(frozen: Frozen) -> list[Finding]:
    """Say which of these names belong to no account: separation of duties cannot be kept for them."""
    return [
        Finding(
            rule="author-unknown",
            severity="note",
            file=file,
            line=1,
            column=1,
            message=f"The {why} “{name}” is nobody with an account here. Whoever that is must not sign this change.",
        )
        for file, name, why in dict.fromkeys(_names(frozen))
        if person_named(name) is None
    ]


def person_named(text: str) -> Person | None:
    """Return the person whom "Printed Name", "user" or "Name <address>" means, if there is exactly one."""
    name, _, rest = text.partition("<")
    address = rest.rstrip("> ").casefold()
    name = name.strip()
    found = list(Person.objects.filter(email__iexact=address)[:2]) if address else []
    if len(found) != 1 and name:
        found = list(Person.objects.filter(printed_name__iexact=name)[:2]) or list(
            Person.objects.filter(username=name.casefold())[:2]
        )
    return found[0] if len(found) == 1 else None


def scripts(revision: Revision) -> tuple[Script, Script | None, Script | None]:
    """Return the frozen plans (forward, rollback, verify) of a revision."""
    plan = revision.plan
    return tuple(from_json(plan[name]) if plan.get(name) else None for name in ("forward", "rollback", "verify"))  # type: ignore[return-value]


def linted(revision: Revision) -> list[Finding]:
    """Return what squawk says of the frozen files; without squawk a note that says so."""
    forward, rollback, _ = scripts(revision)
    files = {forward.file: bytes(revision.forward)}
    files |= {name: base64.b64decode(text) for name, text in revision.sources.items()}
    if rollback is not None and revision.rollback:
        files[rollback.file] = bytes(revision.rollback)
    return squawk(files)


def digest_again(revision: Revision) -> str:
    """Compute the script digest from the stored bytes, sources and plans: what the worker compares before it runs."""
    return manifest.script_digest(
        bytes(revision.forward),
        bytes(revision.rollback) if revision.rollback is not None else None,
        bytes(revision.verify) if revision.verify is not None else None,
        {name: base64.b64decode(text) for name, text in revision.sources.items()},
        {name: plan for name, plan in revision.plan.items() if plan},
    )


def ensure_bytes(revision: Revision, *, code: str) -> None:
    """Raise BytesDiffer unless the stored bytes give the digest that was signed."""
    if digest_again(revision) != revision.script_digest:
        raise BytesDiffer(code=code)


def has_way_back(revision: Revision) -> bool:
    """Whether the declared class names a rollback script that can be run."""
    return revision.rollback_class not in (RollbackClass.FORWARD_FIX_ONLY, RollbackClass.RESTORE_ONLY)


def _plans(frozen: Frozen) -> dict[str, Any]:
    return {
        "forward": to_json(frozen.forward_script),
        "rollback": to_json(frozen.rollback_script) if frozen.rollback_script else None,
        "verify": to_json(frozen.verify_script) if frozen.verify_script else None,
    }


def _finding(finding: Any) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(finding).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
