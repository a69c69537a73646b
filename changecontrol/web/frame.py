"""The frame around every tab of a change: steps, tabs, the action this person owes, and what is still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from changecontrol.models import ChangeRequest, Execution, Incident, Rehearsal
from changecontrol.rules.lifecycle import Status
from changecontrol.services import conditions, overview, rehearsing
from changecontrol.web import saying, words
from changecontrol.web.access import duties_of

TABS = (
    ("summary", "Summary", "change"),
    ("sql", "SQL", "change-sql"),
    ("findings", "Findings", "change-findings"),
    ("rehearsal", "Rehearsal", "change-rehearsal"),
    ("checklist", "Checklist", "change-checklist"),
    ("signatures", "Signatures", "change-signatures"),
    ("executions", "Executions", "change-executions"),
    ("watch", "Watch", "change-watch"),
    ("timeline", "Timeline", "change-timeline"),
)
TITLES = {key: title for key, title, _ in TABS}
STEP_LOOKS = {
    "done": ("is-done", "circle-check"),
    "now": ("is-now", "circle-dot"),
    "todo": ("", "circle-dashed"),
    "skipped": ("", "circle-minus"),
}
#: actions that may stand beside the filled button of the bar
BESIDE = ("send_back", "recall", "start_rollback", "document")


@dataclass(frozen=True, slots=True)
class Act:
    """One thing this person may do: where it leads, and why not now, if so."""

    key: str
    label: str
    url: str
    icon: str
    tone: str = ""
    refusal: str = ""


@dataclass(slots=True)
class Frame:
    """What changes/base.html draws."""

    steps: list[dict[str, Any]]
    steps_label: str
    tabs: list[dict[str, Any]]
    actions: list[Act]
    asides: list[Act]
    unmet: list[Any]
    met: list[str]
    next: dict[str, str]
    signed_text: str
    digest_label: str
    rehearsal: Rehearsal | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    papers: list[dict[str, str]] = field(default_factory=list)
    disk: Any = None
    may_edit: bool = False
    notes: list[dict[str, str]] = field(default_factory=list)
    gates_heading: str = ""
    open_text: str = ""
    nothing_open: str = ""
    later: list[Any] = field(default_factory=list)


def change_or_404(code: str) -> ChangeRequest:
    """Return the change with everything the frame prints, in one query."""
    found = (
        ChangeRequest.objects.select_related("opened_by", "supersedes", "revision__frozen_by")
        .annotate(run_count=Count("executions"))
        .filter(code=code.upper())
        .first()
    )
    if found is None:
        raise Http404
    return found


def _url(change: ChangeRequest, action: Any, incident: Incident | None) -> str:
    """Return where an action is done: a page of its own, or the dialog over the change."""
    if action.url_name == "incident":
        return reverse("incident", args=[incident.code]) if incident else reverse("incidents")
    if action.url_name in ("change-documentation", "change-disk"):
        return reverse(action.url_name, args=[change.code])
    return reverse("act", args=[change.code, action.key])


def _acts(
    change: ChangeRequest, view: Any, incident: Incident | None, held: frozenset[str], rehearsal: Rehearsal | None
) -> tuple[list[Act], list[Act]]:
    """Return what stands in the bar (the one filled button and one beside it) and what stands in the margin."""
    every = [
        Act(
            action.key,
            action.label,
            _url(change, action, incident),
            action.icon or "arrow-right",
            "go" if action.primary else "stop" if action.danger else "",
            _briefly(action.refusal, view.unmet),
        )
        for action in view.actions
    ]
    usable = [act for act in every if not act.refusal]
    go = [act for act in usable if act.tone == "go"][:1]
    beside = [act for act in usable if act.key in BESIDE and act not in go][:1]
    bar = [*beside, *(go or _owed_rehearsal(change, rehearsal, held) or _owed_items(change, view, held))]
    return bar, [act for act in every if act not in bar]


def _briefly(refusal: str, unmet: Sequence[Any]) -> str:
    """Return why an action is refused; where the list beside it says so already, how many conditions are open."""
    told = len(unmet) > 2 and all(one.sentence in refusal for one in unmet)
    return f"{len(unmet)} conditions above are still open." if told else refusal


def _owed_rehearsal(change: ChangeRequest, rehearsal: Rehearsal | None, held: frozenset[str]) -> list[Act]:
    """Return the way to the rehearsal where a draft has none yet and this person may ask for one."""
    if rehearsal is not None or change.content_digest or not held & set(rehearsing.MAY_ASK):
        return []
    return [Act("rehearse", "Rehearse", f"{reverse('change-rehearsal', args=[change.code])}#rehearse", "flask", "go")]


def _owed_items(change: ChangeRequest, view: Any, held: frozenset[str]) -> list[Act]:
    """Return the way to the checklist where it is this person's items that keep the next step waiting."""
    waited_for = " ".join(one.sentence for one in view.unmet)
    count = sum(
        not row.done and not row.item.automatic and row.item.duty in held and f"“{row.item.text}”" in waited_for
        for one in view.items
        for row in one.items
    )
    label = f"Attest {count} item{'' if count == 1 else 's'}"
    url = reverse("change-checklist", args=[change.code])
    return [Act("checklist", label, url, "list-check", "go")] if count else []


def _steps(view: Any) -> tuple[list[dict[str, Any]], str]:
    steps: list[dict[str, Any]] = []
    label = "Status"
    for number, step in enumerate(view.steps, 1):
        css, icon = STEP_LOOKS[step.state]
        small = step.who if not step.at else ", ".join(part for part in (saying.day(step.at), step.who) if part)
        if step.state == "now":
            small = f"since {saying.day(step.at)}, {timezone.localtime(step.at):%H:%M}" if step.at else step.who
            label = f"Status: step {number} of {len(view.steps)}, {step.label}"
        steps.append({"word": step.label, "small": small, "css": css, "icon": icon})
    return steps, label


def _tabs(change: ChangeRequest, view: Any, signed: int, findings: int) -> list[dict[str, Any]]:
    items = [item for one in view.items for item in one.items]
    counts = {
        "findings": findings or "",
        "checklist": f"{sum(item.done for item in items)}/{len(items)}",
        "signatures": f"{signed}/{len(view.required)}",
        "executions": change.run_count or "",  # type: ignore[attr-defined]
    }
    return [
        {"key": key, "title": title, "url": reverse(name, args=[change.code]), "count": counts.get(key, "")}
        for key, title, name in TABS
    ]


def _within(heading: str) -> str:
    """Return a heading as it stands within a sentence; QA stays QA."""
    return heading if heading[:2].isupper() else heading[:1].lower() + heading[1:]


def _next(change: ChangeRequest, view: Any, bar: list[Act]) -> dict[str, str]:
    """Return the first thing the page says: what is owed next, by whom."""
    heading, colon, text = view.next_action.partition(": ")
    look = words.look(words.spoken(change.status))
    mine = bool(bar) and bar[-1].tone == "go"
    return {
        "tone": "info" if mine or view.unmet else look.tone,
        "icon": bar[-1].icon if mine else look.icon,
        "heading": f"Next: {_within(heading)}" if mine and colon else heading,
        "text": text[:1].upper() + text[1:],
    }


def _gates(change: ChangeRequest, view: Any) -> dict[str, Any]:
    """Return the margin's list: what stands before the next step, and before a later one."""
    _, word = conditions.NEXT.get(Status(change.status), ("", ""))
    count = len(view.unmet)
    return {
        "gates_heading": f"Before it can be {word}" if word else "Nothing is owed",
        "open_text": f"{count} open",
        "nothing_open": "Every condition is met." if word else "This change has ended.",
        "later": view.later,
    }


def _notes(change: ChangeRequest, incidents: list[Incident]) -> list[dict[str, str]]:
    """Return what else must be seen at once: runs under way and open incidents."""
    notes = [
        {
            "tone": "info",
            "icon": "player-play",
            "id": f"run-{run.pk}",
            "heading": f"{run.code} on {run.target.name} is {run.state}",
            "url": reverse("run", args=[run.code]),
            "go": "Watch the run",
        }
        for run in Execution.objects.filter(change=change).open().select_related("target").order_by("pk")
    ]
    return notes + [
        {
            "tone": "warn",
            "icon": "lifebuoy",
            "id": f"incident-{one.pk}",
            "heading": f"{one.code}: {one.title}",
            "url": reverse("incident", args=[one.code]),
            "go": "Cause, lesson and closure",
        }
        for one in incidents
    ]


def build(request: HttpRequest, change: ChangeRequest) -> tuple[Frame, Any]:
    """Return the frame and the overview it was drawn from; a constant number of queries."""
    view = overview.overview(change=change, person=request.user, now=timezone.now())
    incidents = list(Incident.objects.filter(change=change, closed_at=None).order_by("pk"))
    steps, label = _steps(view)
    rehearsal = rehearsing.newest(change)
    bar, asides = _acts(change, view, incidents[0] if incidents else None, duties_of(request), rehearsal)
    findings = rehearsing.counting(change, rehearsal)
    signed = sum(1 for _, signature in view.required if signature)
    papers = (("Log lines", "change-log"), ("Changelog entry", "change-changelog"))
    frame = Frame(
        steps=steps,
        steps_label=label,
        tabs=_tabs(change, view, signed, len(findings)),
        rehearsal=rehearsal,
        findings=findings,
        actions=bar,
        asides=asides,
        unmet=list(view.unmet),
        met=list(view.met),
        next=_next(change, view, bar),
        signed_text=f"{signed} of {len(view.required)} needed",
        digest_label="Digest of what is signed" if change.content_digest else "Digest of the script",
        papers=[{"label": text, "url": reverse(name, args=[change.code])} for text, name in papers],
        disk=view.disk if view.disk.differs else None,
        may_edit=any(act.key == "document" and not act.refusal for act in [*bar, *asides]),
        notes=_notes(change, incidents),
        **_gates(change, view),
    )
    return frame, view


def context(request: HttpRequest, change: ChangeRequest, tab: str) -> dict[str, Any]:
    """Return what every tab needs: change, revision, frame, the overview and the name of the tab."""
    frame, view = build(request, change)
    return {
        "area": "changes",
        "change": change,
        "revision": change.revision,
        "frame": frame,
        "view": view,
        "tab": tab,
        "tab_title": TITLES.get(tab, ""),
    }
