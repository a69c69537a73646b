"""Content and context of a change, gathered from the rows (design 3, What a signature names)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from changecontrol.models import ChangeRequest, Revision, Target
from changecontrol.rules import content as rules
from changecontrol.rules.content import Named
from changecontrol.rules.signing import Meaning
from changecontrol.services.certifying import exact

#: documentation fields: part of the content, editable while the change is a draft
DOCUMENTATION = (
    "ticket",
    "description",
    "impact",
    "impact_level",
    "downtime",
    "risk",
    "risk_severity",
    "risk_probability",
    "risk_detectability",
    "mitigation",
    "compliance_impact",
    "pull_request_url",
    "requires_release",
)


def reviews(change: ChangeRequest) -> list[str]:
    """Return the reviews this change needs: what routing demands, and what a person asked for."""
    routed = set(_revision(change).routing.get("reviews", [])) | {Meaning.TECHNICAL_REVIEW.value}
    if change.compliance_asked_by_id:
        routed.add(Meaning.COMPLIANCE_REVIEW.value)
    return sorted(routed)


def preview(change: ChangeRequest) -> Named:
    """Return the content as it stands in the rows; at submit this text is fixed in the change."""
    revision = _revision(change)
    return rules.content(
        code=change.code,
        title=change.title,
        kind=change.kind,
        script_digest=revision.script_digest,
        revision=revision.number,
        documentation={name: getattr(change, name) for name in DOCUMENTATION},
        # routing alone: a compliance review asked for later must not void what was signed before
        reviews=revision.routing.get("reviews", []),
        reasons=revision.routing.get("reasons", []),
        waivers=[
            {"rule": one.rule, "file": one.file, "line": one.line, "reason": one.reason}
            for one in revision.waivers.order_by("pk")
        ],
        rollback_class=revision.rollback_class,
        checks=revision.checks,
    )


def context(change: ChangeRequest, *, about: dict[str, Any], facts: Mapping[str, bool]) -> Named:
    """Return what else a signer of `change` was shown: executions, checklist, targets, and what the act is about.

    `facts` are those of checklist_facts, by name: an automatic item is done while its fact holds.
    """
    executions = change.executions.select_related("target").order_by("pk")
    return rules.context(
        status=change.status,
        executions=[
            {
                "code": one.code,
                "target": one.target.name,
                "purpose": one.purpose,
                "state": one.state,
                "effect": one.effect,
                "content_digest": one.content_digest,
                "outcome": exact(one.outcome),
            }
            for one in executions
        ],
        checklist=[
            {
                "list": item.list_title,
                "text": item.text,
                "automatic": item.automatic,
                "state": "done" if item.automatic and facts.get(item.fact) else item.state,
                "note": item.note,
                "evidence": item.evidence_id,
            }
            for item in change.items.order_by("position")
        ],
        targets=[target_context(target) for target in Target.objects.in_use().order_by("name")],
        about=about,
        certificate=_certificate(change),
    )


def _certificate(change: ChangeRequest) -> dict[str, Any] | None:
    """Return what a signer was shown of the newest rehearsal of the current script; its digest stands for the rest."""
    made = change.rehearsals.filter(script_digest=_revision(change).script_digest).exclude(basis="upload")
    newest = made.defer("certificate", "findings").order_by("-pk").first()
    if newest is None:
        return None
    return {
        "code": newest.code,
        "verdict": newest.verdict,
        "passed": newest.passed,
        "lossless": newest.lossless,
        "basis": newest.basis,
        "catalog_before": newest.catalog_before,
        "digest": newest.certificate_digest,
        "rehearsed_at": newest.rehearsed_at.isoformat(),
    }


def target_context(target: Target) -> dict[str, Any]:
    """Return what a signature keeps of a target: name, environment, identity, fingerprint; never its reference."""
    return {
        "name": target.name,
        "environment": target.environment.name,
        "kind": target.environment.kind,
        "uuid": str(target.uuid) if target.uuid else None,
        "fingerprint": target.fingerprint,
        "catalog_digest": target.catalog_digest,
    }


def _revision(change: ChangeRequest) -> Revision:
    if change.revision is None:
        raise ChangeRequest.DoesNotExist(f"{change.code} has no revision")
    return change.revision
