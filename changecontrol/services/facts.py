"""What the gates ask about one change, gathered from its rows (rules.gates.Facts)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from changecontrol.models import ChangeRequest, Environment, Target
from changecontrol.rules import checklists
from changecontrol.rules.gates import Facts, OpenItem
from changecontrol.rules.lifecycle import Duty, Effect, Move, RollbackWay, State, Status
from changecontrol.rules.plan import RollbackClass
from changecontrol.rules.signing import Meaning
from changecontrol.services import checklist_facts, order, rehearsal_facts, releasing, series, standing
from changecontrol.services.standing import Standing

#: required fields of the documentation and what a person calls them
DOCUMENTATION = {
    "ticket": "Ticket",
    "description": "Description",
    "impact": "Impact",
    "impact_level": "Impact level",
    "risk": "Risk",
    "risk_severity": "Risk severity",
    "risk_probability": "Risk probability",
    "risk_detectability": "Risk detectability",
    "mitigation": "Mitigation",
    "compliance_impact": "Compliance impact",
}
WAYS = {
    RollbackClass.FORWARD_FIX_ONLY.value: RollbackWay.FORWARD_FIX,
    RollbackClass.RESTORE_ONLY.value: RollbackWay.RESTORE,
}
#: statuses in which the next run is one on staging; from then on it is production's
BEFORE_STAGING = (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED)
#: facts a gate says in its own words already (empty fields, missing signatures): the item is not said again
SAID_OTHERWISE = {
    Move.SUBMIT: {"ticket_given", "description_given", "impact_given", "risk_given", "compliance_impact_given"},
    Move.AUTHORIZE: {"technical_review_signed", "compliance_review_signed_or_not_needed", "staging_accepted"},
}
#: items that record the very signature their move asks for
TICKED_BY_MOVE = {item.key for _, item in checklists.items() if item.ticked_by_move}


def gather(
    *,
    change: ChangeRequest,
    now: datetime,
    disk_differs: bool = False,
    environment_kind: str = "",
    known: Standing | None = None,
    checked: dict[str, bool] | None = None,
) -> Facts:
    """Return the facts of `change` in a constant number of queries.

    `environment_kind` says for which run dependencies are asked: "development", "staging" or "production"; empty: the
    next one in its status. `known` and `checked` (the facts of the checklist) save asking again what is known already.
    """
    known = known or standing.read(change)
    kind = environment_kind or (
        Environment.Kind.STAGING if change.status in BEFORE_STAGING else Environment.Kind.PRODUCTION
    )
    staging = known.registered(Environment.Kind.STAGING)
    production = known.registered(Environment.Kind.PRODUCTION)
    applied = [one for one in production if known.effect(one) != Effect.NONE]
    # what was applied later is asked where this change would be rolled back: on production unless staging is named
    undone = [one for one in known.registered(environment_kind or "production") if known.effect(one) != Effect.NONE]
    undone = undone if environment_kind else applied
    earlier, here = series.before(change), known.registered(kind)
    numbers = [number for number, _ in earlier.values() if number]
    on_targets = order.on_targets(known, [*here, *undone], also=numbers)
    acceptance = known.signed(Meaning.STAGING_ACCEPTANCE)
    return Facts(
        code=change.code,
        status=Status(change.status),
        now_s=now.timestamp(),
        documentation_missing=tuple(label for name, label in DOCUMENTATION.items() if not _filled(change, name)),
        blocking_findings=_blocking(known),
        disk_differs=disk_differs,
        missing_meanings=known.missing,
        open_items=open_items(known, checked or checklist_facts.evaluate(change, now=now, known=known)),
        empty_duties=empty_duties(known),
        staging_targets=_names(staging),
        staging_unproven=_names(one for one in staging if not _proven(known, one)),
        staging_dirty=_names(one for one in staging if known.effect(one) != Effect.NONE),
        production_targets=_names(production),
        production_incomplete=_names(one for one in production if checklist_facts.incomplete(known, one)),
        production_applied=_names(applied),
        open_executions=tuple(one.code for one in known.executions if one.is_open),
        staging_unregistered=_names(
            one for one in known.targets if one.uuid is None and one.environment.kind == Environment.Kind.STAGING
        ),
        unregistered_targets=_names(
            one for one in known.targets if one.uuid is None and one.environment.kind != Environment.Kind.DEVELOPMENT
        ),
        rehearsal_submit=rehearsal_facts.for_submit(known),
        rehearsal_production=rehearsal_facts.for_production(known, production, now=now),
        accepted_age_days=(now - acceptance.signed_at).total_seconds() / 86400 if acceptance else None,
        acceptance_days=settings.ACCEPTANCE_DAYS,
        dependencies_missing=order.dependencies_missing(known, here, on_targets),
        waits_for=(*series.unmet(change, earlier, kind, here, on_targets), *releasing.unmet(known, kind, here)),
        applied_later=order.applied_later(change, undone, on_targets),
        way_back=WAYS.get(known.revision.rollback_class if known.revision else "", RollbackWay.SCRIPT),
        open_incidents=tuple(one.code for one in known.incidents if one.closed_at is None),
        incident_incomplete=_incident_incomplete(known),
        incident_closures=_incident_closures(known),
        watch_ends_in_s=(known.watch.ends_at - now).total_seconds() if known.watch else None,
        verdict_signed=known.signed(Meaning.WATCH_VERDICT) is not None,
    )


def _names(targets: Iterable[Target]) -> tuple[str, ...]:
    return tuple(one.name for one in targets)


def _filled(change: ChangeRequest, name: str) -> bool:
    value = getattr(change, name)
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def _proven(known: Standing, target: Target) -> bool:
    """Whether the run succeeded and what it proved is still on: a staging that was rolled back proves nothing."""
    run = known.staging_run(target)
    return run is not None and run.state == State.SUCCEEDED and known.effect(target) == Effect.COMPLETE


def _blocking(known: Standing) -> tuple[str, ...]:
    """Return the findings that block submission and are not waived in this revision: what a rehearsal saw decides."""
    waived = {(one.rule, one.file, one.line) for one in known.waivers}
    return tuple(
        f"{one['file']}:{one['line']}: {one['message']}"
        for one in known.findings
        if one["severity"] in ("error", "critical") and (one["rule"], one["file"], one["line"]) not in waived
    )


def open_items(known: Standing, facts: dict[str, bool]) -> tuple[OpenItem, ...]:
    """Return the checklist items that are still owed, each once: not what the gate itself says in other words."""
    found = []
    for item in known.items:
        if item.automatic:
            owed = not facts.get(item.fact, False) and item.fact not in SAID_OTHERWISE.get(Move(item.gate), ())
        else:
            owed = item.state == item.State.OPEN
        if owed and item.key not in TICKED_BY_MOVE:
            found.append(OpenItem(gate=item.gate, text=item.text, duty=item.duty, automatic=item.automatic))
    return tuple(found)


def empty_duties(known: Standing) -> tuple[str, ...]:
    """Return the duties for which no active person is left who could sign apart from authors and from each other."""
    compliance = [Duty.COMPLIANCE_OFFICER] if Meaning.COMPLIANCE_REVIEW in known.required else []
    signing = [Duty.TECHNICAL_REVIEWER, *compliance, Duty.QA, Duty.TECH_LEAD]
    found = [] if known.holders.get(Duty.AUTHOR) else [Duty.AUTHOR.value]
    able = {duty: known.holders.get(duty, frozenset()) - known.author_ids for duty in signing}
    seat: dict[int, Duty] = {}

    def place(duty: Duty, tried: set[int]) -> bool:
        """Give `duty` a person of its own, moving others aside where they have an alternative."""
        for person in able[duty] - tried:
            tried.add(person)
            if person not in seat or place(seat[person], tried):
                seat[person] = duty
                return True
        return False

    for duty in signing:
        if not known.holders.get(duty):
            found.append(duty.value)
        elif not able[duty]:
            found.append(f"{duty} apart from its authors")
        elif not place(duty, set()):
            found.append(f"{duty} apart from those who sign under another duty")
    return tuple(found)


def _incident_closures(known: Standing) -> frozenset[str]:
    """Return the duties under which the closure of every incident is signed; each signature names its incident."""
    signed = [
        (one.duty, (json.loads(one.context).get("about") or {}).get("incident"))
        for one in known.valid
        if one.meaning == Meaning.INCIDENT_CLOSURE
    ]
    found = {duty for duty, _ in signed}
    for incident in known.incidents:
        if incident.closed_at is None:
            found &= {duty for duty, code in signed if code == incident.code}
    return frozenset(found)


def _incident_incomplete(known: Standing) -> tuple[str, ...]:
    return tuple(
        f"{one.code} has no {name} yet."
        for one in known.incidents
        if one.closed_at is None
        for name in ("cause", "lesson")
        if not getattr(one, name).strip()
    )
