"""The repository page: what is on disk, what is new, what is wrong with it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from changecontrol.rules.lifecycle import Duty
from changecontrol.services import shelf as service
from changecontrol.services import texts
from changecontrol.web.access import duties_of, reads


@reads
@require_safe
def repository(request: HttpRequest) -> HttpResponse:
    """Show the migrations of the folder, newest first, with their changes and findings."""
    found = service.shelf()
    entries = sorted(found.entries, key=lambda entry: entry.number, reverse=True)
    context = {
        "area": "repository",
        "shelf": found,
        "entries": entries,
        "new_count": sum(1 for entry in entries if entry.new),
        "may_open": Duty.AUTHOR in duties_of(request),
    }
    return render(request, "repository/shelf.html", context)


@reads
@require_safe
def migration_log(request: HttpRequest) -> HttpResponse:
    """Give migration_log.txt of everything that was ever run."""
    headers = {"Content-Disposition": 'attachment; filename="migration_log.txt"'}
    return HttpResponse(texts.migration_log(), content_type="text/plain; charset=utf-8", headers=headers)
