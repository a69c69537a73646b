"""Whether this process can answer: for the supervisor, the container and the load balancer."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from changecontrol.web.access import anyone


@anyone
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 when our database answers, 503 otherwise; nothing else is told."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("database does not answer\n", content_type="text/plain", status=503)
    return HttpResponse("ok\n", content_type="text/plain")
