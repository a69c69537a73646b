"""What the rehearsal saw stands beside the statement: on the SQL tab, on the Summary, among the findings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.urls import reverse

from changecontrol.models import ChangeRequest, Target
from changecontrol.rules.certificate import Verdict
from changecontrol.rules.plan import RollbackClass
from tests.services import certificates, rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staging() -> Target:
    return rows.target("staging", "staging")


@pytest.fixture
def change(staging: Target) -> ChangeRequest:
    made = certificates.rehearsable()
    certificates.rehearsal(made, staging)
    return made


def tab(change: ChangeRequest, name: str, username: str = "tess", query: str = "") -> str:
    answer = client_of(username).get(reverse(name, args=[change.code]) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def line(body: str, anchor: str) -> str:
    """The line of a script with what stands under it, up to the next line."""
    return body.split(f'id="{anchor}"')[1].split('class="cc-ln')[0]


def test_the_sql_says_under_each_statement_what_it_did(change: ChangeRequest) -> None:
    body = tab(change, "change-sql")
    assert "ACCESS EXCLUSIVE on record_audit, 8.2 ms here, held until the step commits" in line(body, "F6")
    assert "1.2 million rows of record_state are rewritten" in line(body, "F7")
    assert "SHARE UPDATE EXCLUSIVE on record_state" in line(body, "F8")
    assert "cc-seen" not in line(body, "F5")
    assert "314 ms</span>" in body  # the first step


def test_it_says_where_the_observation_is_otherwise_than_expected(staging: Target) -> None:
    change = certificates.rehearsable()
    first, *others = certificates.STATEMENTS

    certificates.rehearsal(change, staging, statements=(replace(first, locks={}, held_ms={}), *others))
    body = tab(change, "change-sql")
    assert "Expected: a lock that everyone waits for." in line(body, "F6")
    assert "Expected: the same." in line(body, "F7")


def test_a_statement_that_failed_says_so_where_it_stands(staging: Target) -> None:

    change = certificates.rehearsable()
    broken = replace(certificates.STATEMENTS[0], error="42701 column <b>already</b> exists")
    certificates.rehearsal(change, staging, verdict=Verdict.FORWARD_FAILED, statements=(broken,))
    body = tab(change, "change-sql")
    assert "cc-seen--bad" in line(body, "F6")
    assert "column &lt;b&gt;already&lt;/b&gt; exists" in line(body, "F6")
    assert "cc-seen" not in line(body, "F7")


def test_the_margin_shows_the_findings_of_the_rehearsal_at_their_lines(change: ChangeRequest) -> None:
    body = tab(change, "change-sql")
    assert 'href="#finding-1"' in line(body, "F7") or "is-bad" in body.split('id="F7"')[0][-60:]
    margin = body.split("cc-margin")[1]
    assert "observed" in margin and "predicted" in margin
    assert "The way back is exact." in body


def test_an_older_revision_shows_what_was_found_in_its_text_alone(change: ChangeRequest) -> None:
    rows.revision(change, number=2, author=rows.person("ada"), bytes_of=certificates.TEXT + b"\n", rehearsed=False)
    body = tab(change, "change-sql", query="?show=1")
    assert "cc-seen" not in body
    assert "rewrites-table" not in body


def test_the_findings_are_those_of_the_rehearsal_with_statement_reason_and_rewrite(change: ChangeRequest) -> None:
    body = tab(change, "change-findings")
    first = body.split('id="finding-1"')[1].split("</article>")[0]
    for said in (
        "observed",
        "rewrites-table",
        "while everybody waits.",
        "ALTER TABLE record_state",
        "fill it in batches",
    ):
        assert said in first
    assert "ALTER TABLE record_state ADD COLUMN device_info text;</pre>" in first
    assert "These are the findings of" in body


def test_before_a_rehearsal_findings_are_predicted() -> None:
    finding = dict(certificates.FINDINGS[1])
    change = rows.change("draft", revised={"findings": (finding,), "rehearsed": False, "bytes_of": certificates.TEXT})
    body = tab(change, "change-findings", "ada")
    assert "no-if-exists" in body
    assert "All of them are predicted from the text." in body


def test_a_finding_that_only_running_showed_can_be_waived(staging: Target) -> None:
    change = certificates.rehearsable("draft")
    certificates.rehearsal(change, staging)
    assert "Waive with a reason" in tab(change, "change-findings", "ada")
    finding = certificates.FINDINGS[0]
    form = {key: finding[key] for key in ("rule", "file", "line")}
    form |= {"version": change.version, "reason": "The table is small on every target."}
    answer = client_of("ada").post(reverse("finding-waive", args=[change.code]), form)
    assert answer.status_code == 302
    assert "The table is small on every target." in tab(change, "change-findings")


def test_the_summary_can_be_reviewed_without_the_sql(change: ChangeRequest) -> None:
    body = tab(change, "change")
    does = body.split('id="does"')[1].split("</section>")[0]
    assert "ACCESS EXCLUSIVE on record_audit, 8.2 ms here, held until the step commits" in does
    assert "1.2 million rows of record_state are rewritten" in does
    touches = body.split('id="prot"')[1].split("</section>")[0]
    assert "12,000 rows changed on the copy, written anew as a whole" in touches
    assert "no row changed" in touches
    back = body.split('id="back"')[1].split("</section>")[0]
    assert "The way back is exact." in back and "No data is lost." in back
    assert "Not proven yet" not in back
    assert "What the rollback does, in 3 statements" in back and "Adds an empty column" in back
    locks = body.split('id="locks"')[1].split("</section>")[0]
    assert "On the copy nobody waits longer than 311 ms" in locks


def test_the_summary_says_that_nothing_is_measured_yet() -> None:
    body = tab(certificates.rehearsable(), "change")
    assert "Not proven yet." in body
    assert "Who waits is predicted from the kind of statement" in body


@pytest.mark.parametrize(("rows_compared", "why"), [(True, "Every row was the same"), (False, "no row to lose")])
def test_a_declared_loss_and_kept_rows_are_one_sentence(staging: Target, rows_compared: bool, why: str) -> None:
    """A yellow "lossy" above a green "no row is lost" had to be read twice."""
    given = {"rehearsed": False, "bytes_of": certificates.TEXT, "rollback_class": "lossy"}
    change = rows.change("in_review", migration=110, revised=given)
    basis = certificates.certificate().basis
    basis = basis if rows_compared else replace(basis, rows={})
    certificates.rehearsal(change, staging, declared=RollbackClass.LOSSY, basis=basis)
    back = tab(change, "change").split('id="back"')[1].split("</section>")[0]
    assert "Declared lossy; on the copy no earlier row was lost." in back and why in back
    assert "No data is lost." not in back and "No earlier row is lost." not in back


def test_a_declared_loss_that_was_seen_stays_apart(staging: Target) -> None:
    given = {"rehearsed": False, "bytes_of": certificates.TEXT, "rollback_class": "lossy"}
    change = rows.change("in_review", migration=110, revised=given)
    certificates.rehearsal(
        change, staging, declared=RollbackClass.LOSSY, lossless=False, lost=("Column note is lost.",)
    )
    back = tab(change, "change").split('id="back"')[1].split("</section>")[0]
    assert "<b>Declared lossy.</b>" in back and "The rollback loses data." in back and "Column note is lost." in back
