"""The SQL tab: forward and rollback beside each other, any revision, the difference between two, and the raw bytes."""

from __future__ import annotations

import base64
import difflib
import hashlib
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from changecontrol.models import ChangeRequest, Revision
from changecontrol.services.statements import script as script_of
from changecontrol.web import frame, observations, sql_blocks
from changecontrol.web import rehearsal_parts as parts
from changecontrol.web.access import reads
from changecontrol.web.findings import LETTERS, files_of, findings_of, marks, says

TITLES = {"forward": "Forward", "rollback": "Rollback", "verify": "Verify"}
DIFF_CSS = {"+": "is-add", "-": "is-del", "@": "is-at"}


def diff_rows(old: bytes | None, new: bytes | None) -> list[dict[str, str]]:
    """Return the difference between two files, line by line, with three lines around it."""
    before = sql_blocks.text_of(bytes(old or b"")).splitlines()
    after = sql_blocks.text_of(bytes(new or b"")).splitlines()
    found = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    return [{"css": DIFF_CSS.get(line[:1], ""), "text": line} for line in found]


def _file(
    change: ChangeRequest, revision: Revision, part: str, rows: list[dict[str, Any]], certificate: dict[str, Any]
) -> dict[str, Any]:
    data = getattr(revision, part)
    script = script_of(revision, part)
    name = files_of(revision).get(part, "")
    file: dict[str, Any] = {"title": TITLES[part], "name": name or "none", "anchor": part}
    if data is None:
        missing = f"There is no {part} script. Declared way back: {revision.rollback_class}."
        return file | {"missing": missing if part == "rollback" else "There is no verify script."}
    data = bytes(data)
    found = observations.found_in(certificate, script, part)
    return file | {
        "digest": hashlib.sha256(data).hexdigest(),
        "digest_label": f"the digest of the {part} script",
        "raw": reverse("change-raw", args=[change.code, revision.number, part]),
        "blocks": sql_blocks.blocks(data, script, LETTERS[part], marks(rows, part), found),
        "foot": _foot(certificate) if part == "rollback" else "",
    }


def _foot(certificate: dict[str, Any]) -> str:
    """Return what the rehearsal showed of the way back, under the rollback script."""
    if not certificate:
        return ""
    said = parts.verdict(certificate, ours=True)
    return f"{said['heading']}. {said['text']}"


def _sources(revision: Revision) -> list[dict[str, Any]]:
    """Return inlined files; they are part of what is signed."""
    rows = []
    for number, (name, encoded) in enumerate(sorted((revision.sources or {}).items()), start=1):
        data = base64.b64decode(encoded)
        blocks = sql_blocks.blocks(data, None, f"S{number}L", {})
        digest = hashlib.sha256(data).hexdigest()
        rows.append(
            {
                "title": "Inlined",
                "name": name,
                "anchor": f"source{number}",
                "blocks": blocks,
                "digest": digest,
                "raw": "",
            }
        )
    return rows


def _choices(revisions: list[Revision], current: int | None) -> list[tuple[str, str]]:
    choices = []
    for at, revision in enumerate(revisions):
        told = " (current)" if revision.pk == current else ""
        choices.append((str(revision.number), f"Revision {revision.number}{told}"))
        if at + 1 < len(revisions):
            older = revisions[at + 1].number
            choices.append((f"{older}-{revision.number}", f"Changes from revision {older} to {revision.number}"))
    return choices


def _diffs(old: Revision, new: Revision) -> list[dict[str, Any]]:
    names = files_of(old) | files_of(new)
    return [
        {
            "title": TITLES[part],
            "file": names.get(part, ""),
            "say": f"revision {old.number} to {new.number}",
            "rows": diff_rows(getattr(old, part), getattr(new, part)),
        }
        for part in TITLES
        if getattr(old, part) is not None or getattr(new, part) is not None
    ]


@reads
@require_safe
def sql(request: HttpRequest, code: str) -> HttpResponse:
    """Show the scripts of a revision, or the difference between two."""
    change = frame.change_or_404(code)
    context = frame.context(request, change, "sql")
    revisions = list(change.revisions.order_by("-number"))
    by_number = {str(one.number): one for one in revisions}
    if not revisions:
        raise Http404
    current = str(change.revision.number) if change.revision else str(revisions[0].number)
    shown = request.GET.get("show", current)
    old, _, new = shown.partition("-")
    revision = by_number.get(new or old)
    if revision is None or old not in by_number:
        raise Http404
    is_current = revision.pk == change.revision_id
    found, made = context["frame"].findings, context["frame"].rehearsal
    rows = findings_of(change, revision, found if is_current else revision.findings, may_waive=False)
    certificate = observations.certificate_of(made if is_current else None)
    more = [_file(change, revision, "verify", rows, certificate)] if revision.verify is not None else []
    context |= {
        "wide": True,
        "choices": _choices(revisions, change.revision_id),
        "shown": shown,
        "shown_revision": revision,
        "rehearsed": made if is_current else None,
        "findings": rows,
        "findings_say": says(rows),
        "files": [_file(change, revision, part, rows, certificate) for part in ("forward", "rollback")],
        "more_files": [*more, *_sources(revision)],
        "diffs": _diffs(by_number[old], revision) if new else [],
    }
    return render(request, "changes/sql.html", context)


@reads
@require_safe
def raw(request: HttpRequest, code: str, number: int, part: str) -> HttpResponse:
    """Give the exact frozen bytes of one script, with their digest in a header."""
    revision = get_object_or_404(Revision, change__code=code.upper(), number=number)
    data = getattr(revision, part) if part in TITLES else None
    if data is None:
        raise Http404
    data = bytes(data)
    name = files_of(revision).get(part, f"{part}.sql").rsplit("/", 1)[-1]
    headers = {
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(data, content_type="application/sql", headers=headers)
