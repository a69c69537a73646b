"""The Summary tab: the change for somebody who does not read SQL."""

from __future__ import annotations

from typing import Any

from django.db.models import FloatField, Max
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from changecontrol.models import ChangeRequest, ExecutionEvent
from changecontrol.rules import signing
from changecontrol.rules.lifecycle import Purpose, State
from changecontrol.rules.plan import RollbackClass
from changecontrol.rules.script import LockClass, Script
from changecontrol.services.statements import script as script_of
from changecontrol.web import certificates, frame, observations, saying
from changecontrol.web import rehearsal_parts as parts
from changecontrol.web.access import reads
from changecontrol.web.exits import exits_of
from changecontrol.web.observations import Found
from changecontrol.web.rehearsal_parts import bare
from changecontrol.web.signature_rows import required_rows, void_rows

WAITS = {
    LockClass.STRONG: "everyone who uses the table",
    LockClass.WRITE: "writers of the same rows",
    LockClass.PATIENT: "nobody",
    LockClass.NONE: "nobody",
}
#: tables named in one cell, and statements shown before the rest folds away
MANY, SHOWN = 4, 14
CLASSES = {
    "lossless": ("ok", "circle-check", "Declared lossless.", "The rollback gives everything back."),
    "lossy": ("warn", "alert-triangle", "Declared lossy.", "The rollback gives the schema back and loses data:"),
    "conditional": ("warn", "hourglass", "Declared conditional.", "Whether the rollback works depends:"),
    "forward-fix only": ("warn", "arrow-right", "No rollback.", "A mistake is mended by a further change."),
    "restore only": ("warn", "lifebuoy", "No rollback.", "The only way back is restoring a backup."),
}


def _touched(script: Script | None, protected: set[str], seen: Found) -> list[tuple[str, str]]:
    """Return each table the forward script names, by which statements, and what its rows were seen to go through."""
    done = observations.touched_rows(seen)
    by_table: dict[str, list[int]] = {}
    for statement in script.statements if script else ():
        for table in statement.tables:
            by_table.setdefault(table, []).append(statement.number)
    rows = []
    for table, numbers in by_table.items():
        listed = saying.numbers(numbers)
        words = f"statement{'' if listed.isdecimal() else 's'} {listed}"
        if seen:
            words = f"{words}; {', '.join(done.get(bare(table), ['no row changed on the copy']))}"
        rows.append((table, f"protected; {words}" if table in protected else words))
    return sorted(rows, key=lambda row: not row[1].startswith("protected"))


def _way_back(view: Any, certificate: dict[str, Any], proven: Any) -> list[dict[str, str]]:
    """Return the declared way back, what the rehearsal and staging proved of it, and what is still to come."""
    declared, note = view.way_back
    tone, icon, head, text = CLASSES.get(str(declared), ("warn", "alert-triangle", f"Declared {declared}.", ""))
    first = note.split(" ", 1)[0]
    capital = first.isalpha() and not text.endswith(":")
    noted = f"{note[0].upper() if capital else note[0]}{note[1:]}".rstrip(".") + "." if note else ""
    rows = [{"tone": tone, "icon": icon, "head": head, "text": f"{text} {noted}".strip()}]
    if certificate:
        said = parts.verdict(certificate, ours=True)
        rows.append({"tone": said["tone"], "icon": said["icon"], "head": f"{said['heading']}.", "text": said["text"]})
        kept = parts.data(certificate)
        text = kept["text"] or " ".join(kept["rows"][:3])
        if declared == RollbackClass.LOSSY and kept["tone"] == "ok":  # a green line of its own would contradict it
            rows[0] |= {
                "head": "Declared lossy; on the copy no earlier row was lost.",
                "text": f"{rows[0]['text']} {text}",
            }
        else:
            rows.append({"tone": kept["tone"], "icon": kept["icon"], "head": kept["head"], "text": text})
    if proven:
        compared = (proven.outcome or {}).get("comparison") or {}
        same = bool(compared.get("ok")) and not compared.get("lost")
        rows.append(
            {
                "tone": "ok" if same or not compared else "warn",
                "icon": "circle-check" if same or not compared else "arrows-diff",
                "head": f"Proven on {proven.target.name}." if compared else f"Run on {proven.target.name}.",
                "text": compared.get("sentence", "Forward and verified there; this class has no rollback to prove."),
            }
        )
    elif not certificate:
        rows.append(
            {
                "tone": "warn",
                "icon": "hourglass",
                "head": "Not proven yet.",
                "text": "A rehearsal runs it forward, back and forward again on a copy; staging does so again.",
            }
        )
    return rows


def _locks(script: Script | None, took: dict[tuple[int, int], float]) -> list[dict[str, Any]]:
    """Return who waits, step by step: one row for the statements of a step that hold up the same people."""
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for step in script.steps if script else ():
        for statement in step.statements:
            waits = WAITS[statement.lock]
            row = rows.setdefault(
                (step.number, waits), {"step": step.number, "count": 0, "tables": {}, "waits": waits, "ms": None}
            )
            row["count"] += 1
            row["tables"] |= dict.fromkeys(statement.tables)
            ms = took.get((step.number, statement.number))
            row["ms"] = row["ms"] if ms is None else max(ms, row["ms"] or 0)
    for row in rows.values():
        tables = list(row["tables"])
        row["tables"], row["more"] = tables[:MANY], len(tables[MANY:])
        row["took"] = saying.duration(row["ms"] / 1000) if row["ms"] is not None else ""
    return list(rows.values())


def _took(proven: Any) -> dict[tuple[int, int], float]:
    """Return the longest time of each statement in that staging run, in milliseconds."""
    if proven is None:
        return {}
    events = ExecutionEvent.objects.filter(execution=proven, kind="statement_done", step__isnull=False)
    found = (
        events.exclude(phase="rollback")
        .values_list("step", "statement")
        .annotate(ms=Max(Cast(KT("data__ms"), FloatField())))
    )
    return {(step, statement): float(ms) for step, statement, ms in found if ms is not None}


def _documentation(change: ChangeRequest) -> list[tuple[str, str]]:
    scores = (change.risk_severity, change.risk_probability, change.risk_detectability)
    score = f"{' × '.join(str(one) for one in scores)} = {scores[0] * scores[1] * scores[2]}" if all(scores) else ""  # type: ignore[operator]
    return [
        ("Ticket", change.ticket),
        ("Why", change.description),
        ("Impact", f"{change.impact_level.capitalize()}. {change.impact}" if change.impact_level else change.impact),
        ("Downtime", "needs a window" if change.downtime == ChangeRequest.Downtime.WINDOW else "none"),
        ("Risk", f"{change.risk}\nSeverity × probability × detectability: {score}" if score else change.risk),
        ("Mitigation", change.mitigation),
        ("Compliance", change.compliance_impact),
        ("Reviewed at", change.pull_request_url),
        ("Needs release", change.requires_release or "none"),
    ]


def summary_context(request: HttpRequest, change: ChangeRequest) -> dict[str, Any]:
    """Return the context of the Summary tab; the sign dialog draws it behind itself."""
    context = frame.context(request, change, "summary")
    view = context["view"]
    script = script_of(change.revision, "forward")
    proven = (
        change.executions.filter(revision=change.revision, purpose=Purpose.STAGE, state=State.SUCCEEDED)
        .select_related("target")
        .order_by("-queued_at")
        .first()
    )
    now = {meaning for meaning, when in signing.WHEN.items() if change.status in when}
    missing = [meaning for meaning, signature in view.required if signature is None]
    certificate = observations.certificate_of(context["frame"].rehearsal)
    seen = observations.found_in(certificate, script, "forward")
    sentences = [_sentence(row, seen.get((row.step, row.number))) for row in view.sentences("forward")]
    undone = observations.found_in(certificate, script_of(change.revision, "rollback"), "rollback")
    weighty = [row for row in sentences if row["kind"] != "other" or row["note"]]
    first = sentences if len(sentences) <= SHOWN else weighty[:SHOWN]
    return context | {
        "sentences": first,
        "all_sentences": sentences if len(sentences) > len(first) else [],
        "statement_count": len(sentences),
        "touched": _touched(script, set(view.protected_tables), seen),
        "reasons": view.routing,
        "back_sentences": [_sentence(row, undone.get((row.step, row.number))) for row in view.sentences("rollback")],
        "way_back": _way_back(view, certificate, proven),
        "locks": _locks(script, _took(proven)),
        **_measured(certificate),
        "exits": exits_of(change),
        "documentation": _documentation(change),
        "signature_rows": [
            *(row for row in required_rows(view) if row["word"] == "valid" or row["key"] in now),
            *void_rows(view),
        ],
        "still_to_come": ", ".join(str(meaning) for meaning in missing if meaning not in now),
        "step_count": len(script.steps) if script else 0,
    }


def _measured(certificate: dict[str, Any]) -> dict[str, Any]:
    """Return the locks as the rehearsal measured them, and the sentence above the table."""
    if not certificate:
        said = "Who waits is predicted from the kind of statement; times are what staging took. A rehearsal measures."
        return {"measured": [], "locks_say": said, "is_measured": False}
    found = certificates.observed(certificate.get("statements"))
    locks = parts.locks(found)
    return {"measured": locks, "locks_say": parts.lock_sentence(locks, found, certificate), "is_measured": True}


def _sentence(row: Any, seen: observations.Seen | None) -> dict[str, Any]:
    return {
        "text": row.text,
        "kind": "protected" if row.protected else row.kind,
        "note": _note(row),
        "seen": seen.sentences if seen else [],
    }


def _note(row: Any) -> str:
    return "" if row.understood else "A part of this could not be put into words; read the SQL."


@reads
@require_safe
def summary(request: HttpRequest, code: str) -> HttpResponse:
    """Show what the change does, touches and needs."""
    return render(request, "changes/summary.html", summary_context(request, frame.change_or_404(code)))
