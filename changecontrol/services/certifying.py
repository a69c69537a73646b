"""Writing down what a rehearsal showed: the certificate, its digest and what gates ask of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from changecontrol.models import Errand, Person, Rehearsal, Revision
from changecontrol.rules.certificate import Certificate, Verdict
from changecontrol.rules.judging import ALL_RULES
from changecontrol.rules.manifest import canonical, digest
from changecontrol.rules.refusal import Refused
from changecontrol.services import numbering

UPLOAD = "upload"


class StrangeVerdict(Refused):
    """“{verdict}” is no verdict of a rehearsal. Nothing was taken."""


def keep(
    revision: Revision,
    certificate: Certificate,
    *,
    errand: Errand | None,
    person: Person | None,
    now: datetime,
    ms: int,
    days: int | None = None,
) -> Rehearsal:
    """Store a certificate that a worker of ours made, inside acting()."""
    value = exact(certificate.to_json())
    return _store(
        revision,
        value,
        findings=_findings(revision, value["findings"]),
        verdict=certificate.verdict.value,
        passed=certificate.passed,
        sentence=certificate.shortfall,
        lossless=certificate.lossless,
        basis=certificate.basis.kind,
        catalog_before=certificate.fingerprints.get("before", ""),
        errand=errand,
        target=errand.target if errand else None,
        asked_by=person,
        rehearsed_at=now,
        milliseconds=ms,
        counts_days=days,
    )


def keep_upload(revision: Revision, value: dict[str, Any], *, actor: Person, now: datetime) -> Rehearsal:
    """Store what somebody made elsewhere, inside acting(); it never counts as passed."""
    verdict = str(value.get("verdict", ""))
    if verdict not in {one.value for one in Verdict}:
        raise StrangeVerdict(verdict=verdict[:40])
    lossless = value.get("lossless")
    return _store(
        revision,
        exact(value),
        findings=list(revision.findings),
        verdict=verdict,
        passed=False,
        sentence="It was made elsewhere: shown, but no gate counts it.",
        lossless=lossless if isinstance(lossless, bool) else None,
        basis=UPLOAD,
        asked_by=actor,
        rehearsed_at=now,
    )


def _store(revision: Revision, value: dict[str, Any], **fields: Any) -> Rehearsal:
    data = canonical(value)
    return Rehearsal.objects.create(
        code=numbering.take("rehearsal")[1],
        change_id=revision.change_id,
        revision=revision,
        script_digest=revision.script_digest,
        certificate=data.decode("utf-8"),
        certificate_digest=digest(data),
        **fields,
    )


def _findings(revision: Revision, judged: Any) -> list[dict[str, Any]]:
    """Return what counts from now on: what the rehearsal left of the predictions, and what the files say of themselves.

    A prediction that is not among what the rehearsal ended with was contradicted by it.
    """
    found: list[dict[str, Any]] = judged if isinstance(judged, list) else []
    known = {(one.get("rule"), one.get("file"), one.get("line")) for one in found}
    of_files = [one for one in revision.findings if not _is_prediction(one["rule"])]
    return [*found, *(one for one in of_files if (one["rule"], one["file"], one["line"]) not in known)]


def _is_prediction(rule: str) -> bool:
    return rule in ALL_RULES or rule.startswith("squawk")


def exact(value: Any) -> Any:
    """Return JSON without floats, which have no canonical form: they become text."""
    if isinstance(value, dict):
        return {str(key): exact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [exact(one) for one in value]
    return str(value) if isinstance(value, float) else value
