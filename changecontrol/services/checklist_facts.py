"""The facts that automatic checklist items are bound to (names and meaning: rules.checklists.FACTS)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from changecontrol.models import ChangeRequest, Environment, Execution, Target
from changecontrol.rules.certificate import RESTORES
from changecontrol.rules.lifecycle import Effect, Purpose, State
from changecontrol.rules.plan import Direction
from changecontrol.rules.signing import Meaning
from changecontrol.services import standing
from changecontrol.services.standing import Standing


def evaluate(change: ChangeRequest, *, now: datetime, known: Standing | None = None) -> dict[str, bool]:
    """Return every fact of `change` by name; one query more than reading its standing, which `known` saves."""
    known = known or standing.read(change)
    return {
        **_documents(known),
        **_local(known),
        **_signed(known),
        **_staging(known),
        **_production(known),
        **_watch(known, now),
    }


def _documents(known: Standing) -> dict[str, bool]:
    change, revision = known.change, known.revision
    scores = (change.risk_severity, change.risk_probability, change.risk_detectability)
    documented = {one: _documented(known.plan(one)) for one in (Direction.FORWARD, Direction.ROLLBACK)}
    return {
        "ticket_given": bool(change.ticket.strip()),
        "description_given": bool(change.description.strip()),
        "impact_given": bool(change.impact.strip() and change.impact_level),
        "risk_given": bool(change.risk.strip() and change.mitigation.strip() and all(scores)),
        "compliance_impact_given": bool(change.compliance_impact.strip()),
        "pull_request_given": bool(change.pull_request_url),
        "forward_file_exists": bool(revision and revision.forward),
        "rollback_file_exists": bool(revision and revision.rollback) or not known.has_rollback,
        "forward_documented": documented[Direction.FORWARD],
        "rollback_documented": documented[Direction.ROLLBACK] or not known.has_rollback,
    }


def _documented(plan: dict[str, Any]) -> bool:
    """Return whether the file says at its top which migration it is and what it is for."""
    header: dict[str, Any] = plan.get("header") or {}
    return bool(header.get("migration") and (header.get("purpose") or header.get("title")))


def _local(known: Standing) -> dict[str, bool]:
    """Ask for runs of this very script on development targets, by whichever change or revision."""
    digest = known.revision.script_digest if known.revision else ""
    ran = set(
        Execution.objects.filter(
            purpose=Purpose.DEVELOP, state=State.SUCCEEDED, revision__script_digest=digest
        ).values_list("direction", flat=True)
    )
    # what an author rehearsed elsewhere and uploaded: forward, back and forward again
    uploaded = known.change.rehearsals.filter(basis="upload", script_digest=digest, verdict__in=[*RESTORES])
    if Direction.FORWARD not in ran or (known.has_rollback and Direction.ROLLBACK not in ran):
        ran |= {Direction.FORWARD, Direction.ROLLBACK} if uploaded.exists() else set()
    return {
        "tested_locally": bool(digest) and Direction.FORWARD in ran,
        "rollback_tested_locally": bool(digest) and (Direction.ROLLBACK in ran or not known.has_rollback),
    }


def _signed(known: Standing) -> dict[str, bool]:
    counted = {one.meaning for one in known.valid}
    return {
        "technical_review_signed": Meaning.TECHNICAL_REVIEW in counted,
        "compliance_review_signed_or_not_needed": Meaning.COMPLIANCE_REVIEW in counted
        or Meaning.COMPLIANCE_REVIEW not in known.required,
        "staging_accepted": Meaning.STAGING_ACCEPTANCE in counted,
        "production_authorized": Meaning.PRODUCTION_AUTHORIZATION in counted,
    }


def _staging(known: Standing) -> dict[str, bool]:
    targets = known.registered(Environment.Kind.STAGING)
    runs = [known.staging_run(one) for one in targets]
    return {
        "staging_applied": _every(runs, _succeeded) and all(known.effect(one) == Effect.COMPLETE for one in targets),
        "staging_rollback_tested": _every(runs, _rolled_back if known.has_rollback else _succeeded),
        "checks_green": _every(runs, _green),
    }


def _production(known: Standing) -> dict[str, bool]:
    targets = known.registered(Environment.Kind.PRODUCTION)
    runs = [known.latest(one, purpose=Purpose.DEPLOY) for one in targets]
    every = [one for one in known.executions if one.purpose in (Purpose.DEPLOY, Purpose.ROLL_BACK) and one.claimed_at]
    complete = bool(targets) and not any(incomplete(known, one) for one in targets)
    return {
        "production_applied": complete,
        "production_verified": complete and _every(runs, _green),
        "executed_logged": bool(every) and all(one.requested_by_id for one in every),
        "change_logged": complete,
    }


def incomplete(known: Standing, target: Target) -> bool:
    """Return whether `target` lacks a succeeded production run of the current content that is still on."""
    run = known.latest(target, purpose=Purpose.DEPLOY)
    return run is None or run.state != State.SUCCEEDED or known.effect(target) != Effect.COMPLETE


def _every(runs: list[Execution | None], says: Callable[[Execution], bool]) -> bool:
    """Return whether there is a target, and what is asked holds for the run on each."""
    return bool(runs) and all(one is not None and says(one) for one in runs)


def _succeeded(run: Execution) -> bool:
    return run.state == State.SUCCEEDED


def _rolled_back(run: Execution) -> bool:
    """Return whether one pass of the run was the rollback, and it and every other went through."""
    passes: list[dict[str, Any]] = (run.outcome or {}).get("passes") or []
    tested = any(one.get("phase") == Direction.ROLLBACK for one in passes)
    return _succeeded(run) and tested and all(one.get("state") == State.SUCCEEDED for one in passes)


def _green(run: Execution) -> bool:
    """Return whether the verify script, where there is one, and every standing check passed after the run."""
    outcome: dict[str, Any] = run.outcome or {}
    verified: list[Any] = list((outcome.get("verify") or {}).values())
    checks: list[dict[str, Any]] = (outcome.get("checks") or {}).get("after") or []
    return _succeeded(run) and all(one.get("ok") for one in [*verified, *checks])


def _watch(known: Standing, now: datetime) -> dict[str, bool]:
    """Hours of the watch that passed; a watch that was set shorter than that counts once it is over."""
    watch, calm = known.watch, all(one.closed_at for one in known.incidents)

    def passed(hours: int) -> bool:
        return watch is not None and calm and now >= min(watch.started_at + timedelta(hours=hours), watch.ends_at)

    return {"watch_24h": passed(24), "watch_48h": passed(48)}
