"""The frame around every tab of a change: steps, tabs, the action this person owes, and what is still open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from changecontrol.models import ChangeRequest
from changecontrol.services.reading import overview
from changecontrol.web import saying, words

TABS = (
    ("summary", "Summary", "change"),
    ("sql", "SQL", "change-sql"),
    ("findings", "Findings", "change-findings"),
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
#: icons of actions by key; the words come from the service
ICONS = {
    "submit": "signature",
    "technical_review": "signature",
    "compliance_review": "signature",
    "accept": "signature",
    "authorize": "signature",
    "close_watch": "signature",
    "close_incident": "signature",
    "second_sign": "signature",
    "reject": "circle-x",
    "send_back": "arrow-back",
    "recall": "arrow-back",
    "restage": "refresh",
    "withdraw": "ban",
    "start_staging": "player-play",
    "start_development": "player-play",
    "start_production": "rocket",
    "start_rollback": "arrow-back-up",
    "undo_staging": "arrow-back-up",
    "restore": "lifebuoy",
    "revise": "refresh",
    "document": "pencil",
    "ask_compliance": "shield-check",
}


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
    papers: list[dict[str, str]] = field(default_factory=list)
    disk: Any = None
    may_edit: bool = False


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


def _url(change: ChangeRequest, action: Any) -> str:
    if action.key == "document":
        return reverse("change-documentation", args=[change.code])
    if action.key == "revise":
        return reverse("change-disk", args=[change.code])
    return reverse("act", args=[change.code, action.key])


def _acts(change: ChangeRequest, view: Any) -> tuple[list[Act], list[Act]]:
    """Return what stands in the bar (the one filled button and one beside it) and what stands in the margin."""
    every = [
        Act(
            action.key,
            action.label,
            _url(change, action),
            ICONS.get(action.key, "arrow-right"),
            "go" if action.primary else "stop" if action.danger else "",
            action.refusal,
        )
        for action in view.actions
    ]
    usable = [act for act in every if not act.refusal]
    go = [act for act in usable if act.tone == "go"][:1]
    beside = [act for act in usable if act.key in ("send_back", "recall", "start_rollback") and act not in go][:1]
    bar = [*beside, *go]
    return bar, [act for act in every if act not in bar]


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


def _tabs(change: ChangeRequest, view: Any, signed: int) -> list[dict[str, Any]]:
    items = [item for one in view.items for item in one.items]
    findings = change.revision.findings if change.revision else []
    counts = {
        "findings": len(findings) or "",
        "checklist": f"{sum(item.done for item in items)}/{len(items)}",
        "signatures": f"{signed}/{len(view.required)}",
        "executions": change.run_count or "",  # type: ignore[attr-defined]
    }
    return [
        {"key": key, "title": title, "url": reverse(name, args=[change.code]), "count": counts.get(key, "")}
        for key, title, name in TABS
    ]


def build(request: HttpRequest, change: ChangeRequest) -> tuple[Frame, Any]:
    """Return the frame and the overview it was drawn from; a constant number of queries."""
    view = overview.overview(change=change, person=request.user, now=timezone.now())
    steps, label = _steps(view)
    bar, asides = _acts(change, view)
    signed = sum(1 for _, signature in view.required if signature)
    mine = any(act.tone == "go" for act in bar)
    heading, _, text = view.next_action.partition(": ") if ": " in view.next_action[:60] else (view.next_action, "", "")
    frame = Frame(
        steps=steps,
        steps_label=label,
        tabs=_tabs(change, view, signed),
        actions=bar,
        asides=asides,
        unmet=list(view.unmet),
        met=list(view.met),
        next={
            "tone": "info" if mine or view.unmet else words.look(words.spoken(change.status)).tone,
            "icon": bar[-1].icon if mine else words.look(words.spoken(change.status)).icon,
            "heading": heading,
            "text": text,
        },
        signed_text=f"{signed} of {len(view.required)} needed",
        digest_label="Digest of what is signed" if change.content_digest else "Digest of the script",
        papers=[
            {"label": "Log lines", "url": reverse("change-log", args=[change.code])},
            {"label": "Changelog entry", "url": reverse("change-changelog", args=[change.code])},
        ],
        disk=view.disk if view.disk and (view.disk.differs or view.disk.missing) else None,
        may_edit=any(act.key == "document" and not act.refusal for act in [*bar, *asides]),
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
