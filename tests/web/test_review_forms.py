"""Every form, sent by everybody with nothing in it or with nonsense: an answer of ours, and nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from changecontrol.models import ChangeRequest, Execution, Incident, Signature, StatusMove
from changecontrol.services import cast
from changecontrol.web.acts import ACTS
from tests.services import rows
from tests.web.test_access import patterns
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db
CAST = tuple(username for username, _, _ in cast.CAST)
DUTY = {username: duty for username, _, duty in cast.CAST}
NONSENSE: tuple[dict[str, Any], ...] = (
    {},
    {"version": "x", "reason": "r" * 5000, "password": "p" * 5000, "target": "-1", "how": "maybe", "what": "adopt"},
    {
        "version": "999",
        "reason": "<script>alert(1)</script>{0}{name}%s",
        "password": "wrong",
        "content_digest": "ffff",
        "target": "9" * 18,
        "direction": "sideways",
        "verdict": "fine",
        "errand": "9" * 18,
        "upto": "9" * 18,
        "position": "9" * 18,
        "environment": "9" * 18,
        "name": "n" * 500,
        "kind": "k",
        "line": "9" * 18,
        "what": "compare",
        "status": "nonsense",
    },
)


def client(username: str) -> Client:
    found = client_of(username)
    found.raise_request_exception = False
    return found


def standing() -> list[Any]:
    return [
        list(ChangeRequest.objects.order_by("pk").values_list("status", "version", "title")),
        Signature.objects.count(),
        StatusMove.objects.count(),
        list(Execution.objects.order_by("pk").values_list("state", "effect")),
        list(Incident.objects.values_list("told", "closed_at")),
    ]


@pytest.mark.parametrize("status", ["draft", "authorized", "closed"])
def test_it_answers_every_act_sent_with_nonsense(status: str) -> None:
    change = rows.change(status)
    before = standing()
    for key, act in ACTS.items():
        browser = client(next(one for one in CAST if DUTY[one] in act.duties))
        answer = browser.post(reverse("act", args=[change.code, key]), NONSENSE[2])
        assert answer.status_code == 409, key
        assert b"<script>alert(1)" not in answer.content
    assert standing() == before


@pytest.mark.parametrize("pattern", patterns(), ids=lambda one: str(one.name))
def test_it_answers_every_address_sent_with_nonsense(pattern: URLPattern) -> None:
    # the SQL page needs the places of real statements, and the rows of this test have none
    if pattern.name in ("sign-out", "sign-in", "theme", "act", "change-new", "run-abort", "change-sql"):
        return
    change = rows.change("authorized")
    target = rows.target("production", "production")
    run = rows.execution(change, target, purpose="roll_back", direction="rollback", state="queued")
    incident = rows.incident(change)
    item = change.items.filter(automatic=False).first()
    assert item is not None
    before = standing()
    values: dict[str, Any] = {"number": 1, "part": "forward", "digest": "0" * 64, "slug": "nothing"}
    values["code"] = {"run": run.code, "inc": incident.code}.get(str(pattern.name)[:3], change.code)
    values["pk"] = {"item-attest": item.pk, "target": target.pk, "ask-target": target.pk}.get(str(pattern.name), 1)
    where = reverse(str(pattern.name), kwargs={name: values[name] for name in pattern.pattern.converters})
    for username in ("theo", "olga", "ines"):
        browser = client(username)
        assert browser.get(where, NONSENSE[2]).status_code in (200, 302, 403, 404, 405, 409), username
        for form in NONSENSE:
            answer = browser.post(where, form)
            assert answer.status_code in (302, 403, 404, 405, 409), (username, answer.status_code)
            assert b"<script>alert(1)" not in answer.content
            assert username != "ines" or answer.status_code != 302
    assert standing() == before
