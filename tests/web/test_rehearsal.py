"""The Rehearsal tab: what it says of a certificate, whoever made it; asking for one; taking one made elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from changecontrol.models import ChangeRequest, Errand, Rehearsal, Target
from changecontrol.rules.certificate import Basis, Prefix, Verdict
from changecontrol.rules.observed import Observed
from changecontrol.services.recording import acting
from tests.services import certificates, rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staging() -> Target:
    made = rows.target("staging", "staging")
    with acting("setup"):
        made.registered_at = rows.NOW
        made.save()
    return made


@pytest.fixture
def change() -> ChangeRequest:
    return certificates.rehearsable()


def page(change: ChangeRequest, username: str = "ada", query: str = "") -> str:
    answer = client_of(username).get(reverse("change-rehearsal", args=[change.code]) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def upload(change: ChangeRequest, data: bytes) -> Any:
    file = SimpleUploadedFile("rehearsal.json", data, content_type="application/json")
    return client_of("ada").post(reverse("change-rehearsal-upload", args=[change.code]), {"file": file})


def uploaded(change: ChangeRequest, **values: Any) -> Any:
    assert change.revision is not None
    one = {"script_digest": change.revision.script_digest, "verdict": "exact", **values}
    return upload(change, json.dumps({"migrations": [one]}).encode())


def test_it_says_that_nothing_was_rehearsed(change: ChangeRequest, staging: Target) -> None:
    body = page(change)
    assert "Not rehearsed yet" in body
    assert reverse("change-rehearse", args=[change.code]) in body


def test_a_script_without_one_offers_it_on_every_tab(staging: Target) -> None:
    change = certificates.rehearsable("draft")
    where = f"{reverse('change-rehearsal', args=[change.code])}#rehearse"
    summary = reverse("change", args=[change.code])
    assert where in client_of("ada").get(summary).content.decode()
    assert where not in client_of("ines").get(summary).content.decode()
    certificates.rehearsal(change, staging)
    assert where not in client_of("ada").get(summary).content.decode()


def test_it_shows_passes_locks_schema_data_and_basis(change: ChangeRequest, staging: Target) -> None:
    certificates.rehearsal(change, staging)
    body = page(change, "tess")
    for said in (
        "The way back is exact",
        "412 ms", "120 ms", "390 ms", "as before", "as after the first",
        "On the copy nobody waits longer than 311 ms", "ACCESS EXCLUSIVE", "everyone, also readers",
        "+ index public.device_idx", "No data is lost.", "After step 1 only: exact",
        "12,000 generated", "1,204,318 on the target, 488.3 MB", "its CHECK calls a function",
        "stands at 12001 instead of 12000", "the schema of staging", "109_participants",
    ):  # fmt: skip
        assert said in body


def test_a_lock_is_as_long_as_its_strongest_mode_was_held(change: ChangeRequest, staging: Target) -> None:
    certificates.rehearsal(change, staging)
    row = page(change).split("<code>record_state</code></th>")[1].split("</tr>")[0]
    assert "311 ms" in row
    assert "<small>" not in row


def test_it_says_on_what_a_lock_rests_that_was_not_read_inside(change: ChangeRequest, staging: Target) -> None:
    *_others, build = certificates.STATEMENTS
    batches = Observed(
        step=3, statement=4, ms=2.0, kind="UpdateStmt", locks={"public.sites": "ROW EXCLUSIVE"}, exact=False
    )
    drop = replace(build, locks={"public.visits": "ACCESS EXCLUSIVE"}, held_ms={}, kind="DropStmt")
    certificates.rehearsal(change, staging, statements=(build, batches, drop))
    body = page(change)
    rows = {name: body.split(f"<code>{name}</code></th>")[1].split("</tr>")[0]
            for name in ("record_state", "sites", "visits")}  # fmt: skip
    assert "96 ms<small>seen from outside" in rows["record_state"]
    assert "not timed<small>let go after each batch" in rows["sites"]
    assert "not timed<small>known from the text" in rows["visits"]
    assert "<code>ACCESS EXCLUSIVE</code> on <code>visits</code> makes others wait; how long, the copy did not" in body


def test_it_says_how_long_the_lock_is_on_the_larger_original(change: ChangeRequest, staging: Target) -> None:
    certificates.rehearsal(change, staging)
    assert "On staging it is about 1.7 s or more, by the bytes of its tables." in page(change)


def test_it_does_not_guess_where_a_size_is_unknown(change: ChangeRequest, staging: Target) -> None:
    certificates.rehearsal(change, staging, sizes={})
    assert "How long on staging is open" in page(change)


def test_it_gives_the_bytes_that_the_digest_is_of(change: ChangeRequest, staging: Target) -> None:
    made = certificates.rehearsal(change, staging)
    answer = client_of("ines").get(reverse("certificate", args=[made.code]))
    assert sha256(answer.content).hexdigest() == made.certificate_digest
    assert made.code in answer.headers["Content-Disposition"]


def test_it_is_red_where_the_way_back_is_none(change: ChangeRequest, staging: Target) -> None:
    said = "Index public.device_idx is there in addition."
    certificates.rehearsal(change, staging, verdict=Verdict.DIFFERS, sentence="The rollback forgets an index.",
                           differences={"extra": ["index public.device_idx"], "said": [said]})  # fmt: skip
    body = page(change)
    assert 'class="cc-note cc-note--bad" id="verdict"' in body
    assert said in body and "The rollback forgets an index." in body


def test_it_does_not_call_exact_what_does_not_restore_from_half_way(change: ChangeRequest, staging: Target) -> None:
    halfway = Prefix(steps=1, verdict=Verdict.ROLLBACK_FAILED, error="42704 index does not exist")
    certificates.rehearsal(change, staging, prefixes=(halfway,))
    body = page(change)
    assert 'class="cc-note cc-note--bad" id="verdict"' in body
    assert "The way back is exact, and yet it does not pass" in body
    assert "After step 1 alone the rollback does not restore" in body


def test_a_pass_that_failed_says_why_and_the_next_was_not_run(change: ChangeRequest, staging: Target) -> None:
    passes = ({"name": "forward", "ms": 9.0, "error": "42P07 relation already exists"},)
    certificates.rehearsal(change, staging, verdict=Verdict.FORWARD_FAILED, passes=passes, fingerprints={})
    body = page(change)
    assert "42P07 relation already exists" in body
    assert body.count("<p>Not run.</p>") == 2


def test_a_bar_is_its_script_and_not_what_was_measured_around_it(change: ChangeRequest, staging: Target) -> None:
    named = (("forward", 2804.2), ("fingerprint forward", 115.3), ("rollback", 72.1), ("verify rollback", 12.2),
             ("forward again", 2145.9), ("verify again", 21.4), ("fingerprint again", 83.8))  # fmt: skip
    passes = tuple({"name": name, "ms": ms, "error": ""} for name, ms in named)
    certificates.rehearsal(change, staging, passes=passes)
    body = page(change)
    assert "Forward again: 2.1 s" in body
    assert "84 ms" not in body


def test_a_script_that_touches_no_table_of_before_has_no_row_to_lose(change: ChangeRequest, staging: Target) -> None:
    certificates.rehearsal(change, staging, basis=Basis(kind="schema", of="staging"), lossless=True)
    body = page(change)
    assert body.count("It touches no table that was there before") == 2
    assert "No earlier row is lost." in body
    assert "was not exercised" not in body
    assert "Every row was the same" not in body


def test_tables_that_stayed_empty_for_one_reason_share_it(change: ChangeRequest, staging: Target) -> None:
    why = "generated rows are refused"
    basis = Basis(kind="schema", of="staging", not_generated={"public.a": why, "public.b": why})
    certificates.rehearsal(change, staging, basis=basis)
    body = page(change)
    assert "<code>a</code>, <code>b</code> stayed empty" in body
    assert body.count(why) == 1


def test_what_is_asked_for_is_not_offered_again(change: ChangeRequest, staging: Target) -> None:
    certificates.errand(change, staging, "running", said="looking at device_pulses")
    body = page(change)
    assert "Looking at device_pulses" in body
    assert "One is under way." in body
    assert "Not rehearsed yet" not in body
    assert reverse("change-rehearse", args=[change.code]) not in body


def test_it_compares_with_the_rehearsal_before(change: ChangeRequest, staging: Target) -> None:
    first = certificates.rehearsal(change, staging, statements=certificates.STATEMENTS[:1], lossless=False)
    certificates.rehearsal(change, staging)
    body = page(change)
    compared = body.split('id="cmp"')[1].split("</section>")[0]
    assert first.code in compared
    assert "loses data" in compared and "nothing lost" in compared
    assert compared.count("changed</span>") == 4  # data, statements, strongest lock, rewritten tables


def test_an_earlier_one_stays_readable(change: ChangeRequest, staging: Target) -> None:
    first = certificates.rehearsal(change, staging, sentence="This was the first.")
    certificates.rehearsal(change, staging, sentence="This was the second.")
    assert "This was the first." in page(change, query=f"?show={first.code}")
    assert "This was the second." in page(change)
    assert client_of("ada").get(reverse("change-rehearsal", args=[change.code]) + "?show=R-9999").status_code == 404


def test_it_escapes_what_a_script_says(change: ChangeRequest, staging: Target) -> None:
    certificates.rehearsal(change, staging, sentence="<script>alert(1)</script>", lost=("<b>x</b>",), lossless=False)
    body = page(change)
    assert "<script>alert(1)" not in body and "<b>x</b>" not in body
    assert "&lt;script&gt;alert(1)" in body


@pytest.mark.parametrize("username", ["ada", "tess", "cora", "quin", "theo"])
def test_it_asks_a_worker_once(change: ChangeRequest, staging: Target, username: str) -> None:
    for _ in range(2):
        answer = client_of(username).post(
            reverse("change-rehearse", args=[change.code]), {"target": staging.pk, "basis": "copy"}
        )
        assert answer.status_code == 302
    asked = Errand.objects.get(kind="rehearse")
    assert (asked.revision_id, asked.params["basis"], asked.target) == (change.revision_id, "copy", staging)
    assert "Waiting for a worker that makes a copy of staging" in page(change)


def test_a_refusal_is_told_in_place(change: ChangeRequest, staging: Target) -> None:
    answer = client_of("ada").post(
        reverse("change-rehearse", args=[change.code]), {"target": staging.pk, "basis": "thin air"}
    )
    assert answer.status_code == 409
    assert "is nothing a copy can be built from" in answer.content.decode()


def test_it_says_what_the_worker_does_until_it_has_ended(change: ChangeRequest, staging: Target) -> None:
    certificates.errand(change, staging, "running", said="Rollback, step 1 of 2")
    assert "Rollback, step 1 of 2" in page(change)
    where = reverse("change-rehearsal-live", args=[change.code])
    answer = client_of("ada").get(where)
    assert "Rehearsing on a copy of staging" in answer.content.decode()
    assert "HX-Refresh" not in answer.headers


def test_the_page_is_loaded_again_when_the_worker_is_done(change: ChangeRequest, staging: Target) -> None:
    certificates.errand(change, staging, "refused", sentence="Its login needs CREATEDB.", ended_at=rows.NOW)
    assert "Its login needs CREATEDB." in page(change)
    assert client_of("ada").get(reverse("change-rehearsal-live", args=[change.code])).headers["HX-Refresh"] == "true"


def test_it_shows_an_uploaded_one_and_counts_it_nowhere(change: ChangeRequest) -> None:
    assert uploaded(change, sentence="Made on my machine.", passed=True).status_code == 302
    made = Rehearsal.objects.get(basis="upload")
    body = page(change, query=f"?show={made.code}")
    assert "Made on my machine." in body and "shown only" in body
    assert 'class="cc-note cc-note--warn" id="verdict"' in body
    assert "This script has not been rehearsed" in page(change)


STRANGE: list[Any] = [
    None,
    7,
    1.5,
    "text",
    [],
    {},
    [[]],
    [{"x": "y"}],
    {"a": [1]},
    {"a": {"b": None}},
    [None, 3],
    True,
    "1e999",
]


@pytest.mark.parametrize("strange", STRANGE, ids=repr)
def test_an_upload_of_any_shape_makes_a_page(change: ChangeRequest, strange: Any) -> None:
    names = (
        "passed", "sentence", "shortfall", "basis", "fingerprints", "differences", "again_differences", "changed",
        "lossless", "lost", "not_exercised", "sequences", "prefixes", "passes", "statements", "verify", "sizes",
        "findings",
    )  # fmt: skip
    assert uploaded(change, **dict.fromkeys(names, strange)).status_code == 302
    made = Rehearsal.objects.get(basis="upload")
    page(change, query=f"?show={made.code}")


@pytest.mark.parametrize("strange", STRANGE, ids=repr)
def test_statements_of_any_shape_make_a_page(change: ChangeRequest, strange: Any) -> None:
    names = ("step", "statement", "ms", "locks", "held_ms", "rewrites", "indexes", "scans", "rows", "says", "error")
    one = dict.fromkeys(names, strange) | {"step": 1, "statement": 1, "locks": {"t": strange, "u": "ACCESS EXCLUSIVE"}}
    basis = {"rows": {"t": strange}, "of": strange, "extensions": {"x": strange}, "not_generated": {"t": strange}}
    passes = [{"name": "forward", "ms": strange, "error": strange}]
    uploaded(change, statements=[one, strange], basis=basis, passes=passes, prefixes=[one], sizes={"t": strange})
    made = Rehearsal.objects.get(basis="upload")
    page(change, query=f"?show={made.code}")


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"migrations": []}', b'{"migrations": [3]}', b"[" * 100_000])
def test_it_takes_no_other_file(change: ChangeRequest, data: bytes) -> None:
    answer = upload(change, data)
    assert answer.status_code == 409
    assert not Rehearsal.objects.filter(basis="upload").exists()


def test_it_takes_no_half_character_and_keeps_a_nul(change: ChangeRequest) -> None:
    answer = uploaded(change, sentence="\ud800")
    assert answer.status_code == 409
    assert "half a character" in answer.content.decode()
    assert uploaded(change, sentence="a\x00b", findings=[{"rule": ["x"], "message": "a\x00b"}]).status_code == 302
    page(change, query=f"?show={Rehearsal.objects.get(basis='upload').code}")


def test_it_asks_for_a_file(change: ChangeRequest) -> None:
    answer = client_of("ada").post(reverse("change-rehearsal-upload", args=[change.code]))
    assert answer.status_code == 409
    assert "Choose the file" in answer.content.decode()


def test_only_an_author_uploads(change: ChangeRequest) -> None:
    answer = client_of("tess").post(reverse("change-rehearsal-upload", args=[change.code]))
    assert answer.status_code == 403
    assert "Rehearsed elsewhere" not in page(change, "tess")
