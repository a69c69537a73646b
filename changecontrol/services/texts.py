"""Texts people keep elsewhere, generated from what was recorded: migration_log.txt and CHANGELOG entries."""

from __future__ import annotations

from datetime import UTC, datetime

from changecontrol.models import ChangeRequest, Execution
from changecontrol.rules.lifecycle import Effect, Purpose, State
from changecontrol.services import standing

EFFECTS = {
    Effect.NONE: "nothing of it is on the target",
    Effect.PARTIAL: "a part of it is on the target",
    Effect.COMPLETE: "all of it is on the target",
    Effect.UNKNOWN: "what is on the target is not known",
}
#: why a rollback without a reason of its own was run
WHY: dict[str, str] = {Purpose.DEVELOP.value: "development run", Purpose.STAGE.value: "staging run"}


def log_line(execution: Execution) -> str:
    """Return one run in the words of the document's migration_log.txt; times in UTC."""
    change = execution.change
    number = f"{change.migration_number:03d}"
    by = execution.requested_by.printed_name if execution.requested_by else "automatic"
    who = f"{execution.target.name}, {change.code}, {execution.code}, executed by {by}"
    at = _time(execution.ended_at or execution.claimed_at or execution.queued_at)
    if execution.state == State.SUCCEEDED and execution.direction == "rollback":
        why = " ".join(execution.reason.split()) or f"{WHY.get(execution.purpose, 'run')} of {change.code}"
        return f"Rollback executed at {at} - Reason: {why} - Migration {number} on {who}"
    if execution.state == State.SUCCEEDED:
        return f"Migration {number} applied at {at} - on {who}"
    what = "Rollback of migration" if execution.direction == "rollback" else "Migration"
    if execution.is_open:
        return f"{what} {number} {execution.state} since {at} - on {who}"
    said = f" - {' '.join(execution.sentence.split())}" if execution.sentence else ""
    return f"{what} {number} {execution.state} at {at}; {EFFECTS[Effect(execution.effect)]} - on {who}{said}"


def migration_log() -> str:
    """Return every ended run, oldest first, one line each; one query."""
    ended = Execution.objects.exclude(ended_at=None).select_related("change", "target", "requested_by")
    return "".join(f"{log_line(one)}\n" for one in ended.defer("outcome", "change__content").order_by("ended_at", "pk"))


def changelog(change: ChangeRequest) -> str:
    """Return the CHANGELOG entry of a change in Markdown: what, why, way back, who signed, where it was run."""
    known = standing.read(change)
    production = [
        one for one in known.executions if one.purpose in (Purpose.DEPLOY, Purpose.ROLL_BACK) and one.ended_at
    ]
    day = production[-1].ended_at if production else change.status_at
    lines = [f"## {change.code} - {day:%Y-%m-%d}", "", "### Changed"]
    ticket = f" ({change.ticket})" if change.ticket else ""
    lines.append(f"- {change.title}{ticket}: migration `{change.migration_name}`, {change.status.replace('_', ' ')}.")
    told = {"Why": change.description, "Impact": change.impact, "Compliance": change.compliance_impact}
    told["Way back"] = known.revision.rollback_class if known.revision else ""
    told["Script"] = f"`sha256:{known.revision.script_digest}`" if known.revision else ""
    lines += [f"- {name}: {' '.join(text.split())}" for name, text in told.items() if text.strip()]
    if known.valid:
        lines += ["", "### Signed"]
        lines += [f"- {one.meaning}: {one.printed_name}, {one.duty}, {_time(one.signed_at)}" for one in known.valid]
    if production:
        lines += ["", "### Run on production"]
        for one in production:
            one.change = change
            lines.append(f"- {log_line(one)}")
    if known.incidents:
        lines += ["", "### Incidents"]
        lines += [f"- {one.code}: {one.title} Lesson: {one.lesson or 'not written yet'}" for one in known.incidents]
    return "\n".join(lines) + "\n"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
