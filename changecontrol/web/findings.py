"""Findings of a revision as the pages draw them: numbered, with their place, their waiver and what may be done."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from changecontrol.models import ChangeRequest, Revision, Waiver
from changecontrol.rules.finding import Finding
from changecontrol.rules.lifecycle import Duty
from changecontrol.rules.script import Script
from changecontrol.services import drafting
from changecontrol.services.statements import script as script_of
from changecontrol.web import frame
from changecontrol.web.access import needs_duty, reads
from changecontrol.web.refusals import number_in
from changecontrol.web.sql_blocks import Mark

TONES = {"note": "info", "warning": "warn", "error": "bad", "critical": "bad"}
#: a statement beside its finding is shown up to here; the SQL tab has it whole
LONGEST = 400
LETTERS = {"forward": "F", "rollback": "R", "verify": "V"}


def part_of(file: str, files: dict[str, str]) -> str:
    """Return which script a file is (forward, rollback, verify), or nothing for another file."""
    return next((part for part, name in files.items() if name == file), "")


def files_of(revision: Revision) -> dict[str, str]:
    """Return the file name of each script of a revision, by part."""
    return {
        part: (plan or {}).get("file", "") for part, plan in (revision.plan or {}).items() if isinstance(plan, dict)
    }


def findings_of(
    change: ChangeRequest, revision: Revision | None, found: list[dict[str, Any]], *, may_waive: bool
) -> list[dict[str, Any]]:
    """Return findings of a revision as rows, worst first, numbered; one query for the waivers."""
    if revision is None:
        return []
    waivers = {
        (one.rule, one.file, one.line): one
        for one in Waiver.objects.filter(revision=revision).select_related("waived_by")
    }
    files = files_of(revision)
    severity = list(TONES)
    every = [Finding(**one) for one in found]
    ordered = sorted(every, key=lambda one: (-severity.index(one.severity), one.file, one.line, one.rule))
    scripts = {part: script_of(revision, part) for part in LETTERS}
    return [
        _row(number, one, files, waivers, change, may_waive) | {"sql": _sql(one, files, scripts)}
        for number, one in enumerate(ordered, start=1)
    ]


def _sql(finding: Finding, files: dict[str, str], scripts: dict[str, Script | None]) -> str:
    """Return the statement that a finding is about, shortened; nothing where it is about a whole file."""
    script = scripts.get(part_of(finding.file, files))
    own = [one for one in (script.statements if script else ()) if one.source == finding.file]
    before = [one for one in own if one.line <= finding.line <= one.line + one.sql.count("\n")]
    text = before[-1].sql.strip() if before else ""
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"


def _row(
    number: int, finding: Finding, files: dict[str, str], waivers: dict[Any, Waiver], change: ChangeRequest, may: bool
) -> dict[str, Any]:
    part = part_of(finding.file, files)
    waiver = waivers.get((finding.rule, finding.file, finding.line))
    heading, stop, rest = finding.message.partition(". ")
    return {
        "number": number,
        "rule": finding.rule,
        "severity": finding.severity,
        "tone": TONES[finding.severity],
        "blocks": finding.blocks,
        "file": finding.file,
        "line": finding.line,
        "part": part,
        "place": f"{part.capitalize() if part else finding.file}, line {finding.line}",
        "anchor": f"{LETTERS[part]}{finding.line}" if part in LETTERS else "",
        "sql_url": reverse("change-sql", args=[change.code]),
        "heading": heading + ("." if stop else ""),
        "text": rest,
        "rewrite": finding.rewrite,
        "rewrite_is_sql": "\n" in finding.rewrite or finding.rewrite.rstrip().endswith(";"),
        "basis": finding.basis,
        "waiver": waiver,
        "may_waive": may and waiver is None and finding.blocks,
    }


def says(findings: list[dict[str, Any]]) -> str:
    """Return how many there are, in words: "2 warnings, 1 note"."""
    counted = Counter(one["severity"] for one in findings)
    words = [
        f"{counted[severity]} {severity}{'s' if counted[severity] > 1 and severity != 'critical' else ''}"
        for severity in reversed(TONES)
        if counted[severity]
    ]
    return ", ".join(words) or "none"


def marks(findings: list[dict[str, Any]], part: str) -> dict[int, list[Mark]]:
    """Return the marks beside the lines of one script."""
    by_line: dict[int, list[Mark]] = {}
    for one in findings:
        if one["part"] == part:
            by_line.setdefault(one["line"], []).append(Mark(one["number"], one["tone"]))
    return by_line


@reads
@require_safe
def findings(request: HttpRequest, code: str) -> HttpResponse:
    """Show the findings of the current revision and their waivers."""
    change = frame.change_or_404(code)
    context = frame.context(request, change, "findings")
    shown = context["frame"]
    rows = findings_of(change, change.revision, shown.findings, may_waive=shown.may_edit)
    return render(
        request,
        "changes/findings.html",
        context | {"findings": rows, "findings_say": says(rows), "rehearsed": shown.rehearsal},
    )


@needs_duty(Duty.AUTHOR)
@require_POST
def waive(request: HttpRequest, code: str) -> HttpResponse:
    """Accept a finding with a reason."""
    change = frame.change_or_404(code)
    drafting.waive(
        change_id=change.pk,
        actor=request.user,
        version=number_in(request, "version"),
        rule=request.POST.get("rule", ""),
        file=request.POST.get("file", ""),
        line=number_in(request, "line"),
        reason=request.POST.get("reason", ""),
        now=timezone.now(),
    )
    messages.success(request, "Waived. Signers see your reason and accept it by signing.")
    return redirect("change-findings", change.code)
