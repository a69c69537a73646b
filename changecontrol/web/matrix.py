"""The matrix: migrations down, databases across, what each has."""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from changecontrol.models import ChangeRequest
from changecontrol.services import matrix as service
from changecontrol.web import saying, words
from changecontrol.web.access import reads

#: state of a cell -> (word, modifier of cc-cell, icon)
CELLS = {
    "applied": ("applied", "ok", "circle-check"),
    "baseline": ("baseline", "ok", "archive"),
    "pending": ("pending", "idle", "circle-dashed"),
    "running": ("running", "run", "player-play"),
    "failed": ("failed", "bad", "circle-x"),
    "partial": ("partly applied", "bad", "alert-triangle"),
    "lost": ("lost", "warn", "alert-triangle"),
    "rolled_back": ("rolled back", "undo", "arrow-back-up"),
    "drift": ("drift", "warn", "arrows-diff"),
}
TONES = {"run": "info"}
LOOK_AT = ("failed", "partial", "lost", "rolled_back", "drift")


def cell(cell: Any) -> dict[str, Any]:
    """Return a cell as the templates draw it: word, color group, icon, and the run that made it so."""
    state = str(cell.state)
    word, css, icon = CELLS.get(state, CELLS["pending"])
    by = str(cell.by or "").split(" ")[0]
    small = ", ".join(part for part in (saying.day(cell.at) if cell.at else "", by) if part)
    code = getattr(cell.execution, "code", cell.execution) if cell.execution else ""
    return {"state": state, "word": word, "css": css, "icon": icon, "small": small, "run": code}


def _changes(numbers: list[int]) -> dict[int, ChangeRequest]:
    """Return the newest change of each migration number; one query."""
    found = ChangeRequest.objects.filter(migration_number__in=numbers).order_by("number")
    return {change.migration_number: change for change in found.only("code", "status", "migration_number", "title")}


def _table(request: HttpRequest) -> dict[str, Any]:
    """Return targets and rows after the filters, and how many cells are in which state."""
    found = service.matrix(now=timezone.now())
    text, env = request.GET.get("q", "").strip().lower()[:100], request.GET.get("env", "")
    state = request.GET.get("state", "")
    kept = [at for at, target in enumerate(found.targets) if env in ("", target.environment.name)]
    targets = [found.targets[at] for at in kept]
    changes = _changes([row.number for row in found.rows])
    rows: list[dict[str, Any]] = []
    for row in sorted(found.rows, key=lambda one: one.number, reverse=True):
        change = changes.get(row.number)
        if text and text not in f"{row.stem} {change.code if change else ''} {change.title if change else ''}".lower():
            continue
        cells = [cell(row.cells[at]) for at in kept]
        states = {one["state"] for one in cells}
        if state == "look" and not states & set(LOOK_AT):
            continue
        if state not in ("", "look") and state not in states:
            continue
        rows.append({"number": row.number, "stem": row.stem, "change": change, "cells": cells})
    counted = Counter(one["state"] for row in rows for one in row["cells"])
    return {
        "targets": targets,
        "all": found.targets,
        "rows": rows,
        "counted": counted,
        "q": text,
        "env": env,
        "state": state,
    }


def _lede(table: dict[str, Any]) -> str:
    look = [f"{table['counted'][state]} {CELLS[state][0]}" for state in LOOK_AT if table["counted"][state]]
    size = f"{len(table['rows'])} migrations on {len(table['targets'])} databases."
    return f"{size} Need a look: {', '.join(look)}." if look else f"{size} Nothing needs a look."


@reads
@require_safe
def matrix(request: HttpRequest) -> HttpResponse:
    """Show which database has which migration."""
    table = _table(request)
    groups = [
        {"name": environment.name, "kind": environment.kind, "count": len(list(group))}
        for environment, group in groupby(table["targets"], key=lambda target: target.environment)
    ]
    legend = [
        {"text": f"{count} {CELLS.get(state, CELLS['pending'])[0]}", "tone": TONES.get(css, css), "icon": icon}
        for state, (_, css, icon) in CELLS.items()
        if (count := table["counted"][state])
    ]
    environments = list(dict.fromkeys(target.environment.name for target in table["all"]))
    context = table | {
        "area": "matrix",
        "groups": groups,
        "legend": legend,
        "lede": _lede(table),
        "environments": environments,
        "states": [("look", "Needs a look"), *((key, value[0]) for key, value in CELLS.items())],
        "csv_query": request.GET.urlencode(),
    }
    return render(request, "matrix.html", context)


@reads
@require_safe
def matrix_csv(request: HttpRequest) -> HttpResponse:
    """Give the same table as CSV."""
    table = _table(request)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["migration", "change", "status", *(target.name for target in table["targets"])])
    for row in table["rows"]:
        change = row["change"]
        told = [change.code, words.spoken(change.status)] if change else ["", ""]
        writer.writerow([row["stem"], *told, *(f"{one['word']} {one['small']}".strip() for one in row["cells"])])
    headers = {"Content-Disposition": 'attachment; filename="matrix.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
