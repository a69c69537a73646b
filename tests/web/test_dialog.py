"""Opening, documenting and signing in the browser: refusals stay in place, and nothing that was typed is lost."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from changecontrol.models import ChangeRequest, ChecklistItem, FailedSigning, Signature
from tests.factories import PASSWORD
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db
TEXTS = {
    "title": "Keep device and time zone",
    "ticket": "DIARY-311",
    "description": "Late entries cannot be told from entries in another time zone.",
    "impact": "The diary database.",
    "impact_level": "low",
    "downtime": "none",
    "risk": "Long transactions delay it.",
    "mitigation": "It gives up and tries again.",
    "compliance_impact": "The audit trail stays complete.",
    "risk_severity": "2",
    "risk_probability": "1",
    "risk_detectability": "3",
}


def opened(client: Client) -> ChangeRequest:
    """Open a change for migration 002 through the page."""
    answer = client.post(reverse("change-new", args=[2]), {"title": ""})
    assert answer.status_code == 302, answer.content.decode()
    return ChangeRequest.objects.get()


def test_it_opens_a_change_once() -> None:
    ada = client_of("ada")
    change = opened(ada)
    assert change.code in ada.get(reverse("changes")).content.decode()
    again = ada.post(reverse("change-new", args=[2]), {"title": "Once more"})
    assert again.status_code == 409
    assert "already has an open change" in again.content.decode()
    assert 'value="Once more"' in again.content.decode()


def test_it_keeps_what_was_typed_when_somebody_else_was_faster() -> None:
    ada = client_of("ada")
    change = opened(ada)
    page = reverse("change-documentation", args=[change.code])
    assert ada.post(page, TEXTS | {"version": str(change.version)}).status_code == 302
    late = ada.post(page, TEXTS | {"version": str(change.version), "risk": "My own text."})
    assert late.status_code == 409
    assert "My own text." in late.content.decode()
    change.refresh_from_db()
    assert (change.risk, change.risk_detectability) == (TEXTS["risk"], 3)


def test_it_refuses_a_wrong_password_in_place() -> None:
    ada = client_of("ada")
    change = opened(ada)
    page = reverse("act", args=[change.code, "submit"])
    seen = ada.get(page).context
    form = {"version": str(seen["seen_version"]), "content_digest": seen["seen_digest"], "password": "a wrong one"}
    answer = ada.post(page, form)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "Not signed" in text
    assert "a wrong one" not in text
    assert FailedSigning.objects.count() == 1
    assert not Signature.objects.exists()


def test_it_lists_every_condition_that_keeps_a_change_from_being_submitted() -> None:
    ada = client_of("ada")
    change = opened(ada)
    page = reverse("act", args=[change.code, "submit"])
    seen = ada.get(page).context
    form = {"version": str(seen["seen_version"]), "content_digest": seen["seen_digest"], "password": PASSWORD}
    text = ada.post(page, form).content.decode()
    assert "The field “Impact” is empty." in text
    change.refresh_from_db()
    assert change.status == "draft"


def test_it_does_not_show_the_dialog_of_another_duty() -> None:
    change = opened(client_of("ada"))
    answer = client_of("quin").get(reverse("act", args=[change.code, "submit"]))
    assert answer.status_code == 403
    assert "This is for author. You have QA." in answer.content.decode()


def test_it_attests_an_item_with_a_file_and_gives_it_back() -> None:
    change = opened(client_of("ada"))
    item = ChecklistItem.objects.filter(change=change, automatic=False, duty="QA").first()
    assert item is not None
    from django.core.files.uploadedfile import SimpleUploadedFile

    quin = client_of("quin")
    file = SimpleUploadedFile("seen.html", b"<script>alert(1)</script>", content_type="text/html")
    form = {"how": "done", "note": "Looked at it.", "file": file}
    answer = quin.post(reverse("item-attest", args=[change.code, item.pk]), form)
    assert answer.status_code == 302, answer.content.decode()
    item.refresh_from_db()
    given = quin.get(reverse("evidence", args=[item.evidence_id]))
    assert given.content == b"<script>alert(1)</script>"
    assert given.headers["Content-Type"] == "application/octet-stream"
    assert given.headers["Content-Disposition"] == 'attachment; filename="seen.html"'
    assert "sandbox" in given.headers["Content-Security-Policy"]


def test_it_gives_the_exact_bytes_that_were_frozen() -> None:
    ada = client_of("ada")
    change = opened(ada)
    assert change.revision is not None
    answer = ada.get(reverse("change-raw", args=[change.code, 1, "forward"]))
    assert answer.content == bytes(change.revision.forward)
    assert answer.headers["Content-Digest"].startswith("sha-256=:")


def test_it_draws_a_change_with_few_queries() -> None:
    ada = client_of("ada")
    change = opened(ada)
    ada.get(reverse("change", args=[change.code]))
    with CaptureQueriesContext(connection) as seen:
        ada.get(reverse("change", args=[change.code]))
    assert len(seen) < 50


@pytest.mark.parametrize(
    "tab", ["", "-sql", "-findings", "-checklist", "-signatures", "-executions", "-watch", "-timeline", "-disk"]
)
@pytest.mark.parametrize("username", ["ada", "cora", "ines"])
def test_it_shows_every_tab_to_everybody_who_reads(tab: str, username: str) -> None:
    change = opened(client_of("ada"))
    answer = client_of(username).get(reverse(f"change{tab}", args=[change.code]))
    assert answer.status_code == 200
    assert change.title in answer.content.decode()
