"""What a signature names: content and context (design 3). Canonical JSON with a schema version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from changecontrol.rules.manifest import canonical, digest

CONTENT_SCHEMA = 1
CONTEXT_SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Named:
    """A canonical text and its SHA-256 in hexadecimal."""

    text: str
    digest: str


def content(
    *,
    code: str,
    title: str,
    kind: str,
    script_digest: str,
    revision: int,
    documentation: Mapping[str, Any],
    reviews: Sequence[str],
    reasons: Sequence[Mapping[str, Any]],
    waivers: Sequence[Mapping[str, Any]],
    rollback_class: str,
    checks: Mapping[str, str],
) -> Named:
    """Return the content of a change: fixed at submit; its digest is printed beside every signature."""
    return _named(
        {
            "schema": CONTENT_SCHEMA,
            "change": code,
            "title": title,
            "kind": kind,
            "script_digest": script_digest,
            "revision": revision,
            "documentation": dict(documentation),
            "classification": {"reviews": sorted(reviews), "reasons": [dict(one) for one in reasons]},
            "waivers": [dict(one) for one in waivers],
            "rollback_class": rollback_class,
            "checks": {name: digest(text.encode("utf-8")) for name, text in checks.items()},
        }
    )


def context(
    *,
    status: str,
    executions: Sequence[Mapping[str, Any]],
    checklist: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
    certificate: Mapping[str, Any] | None = None,
) -> Named:
    """Return what else the signer was shown. Window and backup plan are null until they are built.

    `certificate` names the newest rehearsal of the script: code, verdict, passed, lossless, digest, basis, when.
    """
    return _named(
        {
            "schema": CONTEXT_SCHEMA,
            "status": status,
            "certificate": dict(certificate) if certificate else None,
            "executions": [dict(one) for one in executions],
            "checklist": [dict(one) for one in checklist],
            "targets": [dict(one) for one in targets],
            "window": None,
            "backup_plan": None,
            "about": dict(about),
        }
    )


def _named(value: dict[str, Any]) -> Named:
    data = canonical(value)
    return Named(text=data.decode("utf-8"), digest=digest(data))
