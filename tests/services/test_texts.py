"""Log lines and changelog entries, generated from what was recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from changecontrol.services.recording import acting
from changecontrol.services.texts import changelog, log_line, migration_log
from tests.services import rows
from tests.services.rows import NOW

pytestmark = pytest.mark.django_db


def test_an_applied_migration_reads_like_the_document() -> None:
    change = rows.change("authorized", migration=7)
    run = rows.execution(change, rows.target("prod", "production"), purpose="deploy")
    who = f"on prod, {change.code}, {run.code}, executed by Theo Brandt"
    assert log_line(run) == f"Migration 007 applied at 2026-11-22 12:01:00 UTC - {who}"


def test_a_rollback_reads_like_the_document_with_its_reason() -> None:
    change = rows.change("deployed", migration=7)
    place = rows.target("prod", "production")
    run = rows.execution(change, place, purpose="roll_back", direction="rollback", effect="none")
    run.reason = "Entries\nare refused."
    assert log_line(run).startswith(
        "Rollback executed at 2026-11-22 12:01:00 UTC - Reason: Entries are refused. - Migration 007 on prod"
    )


@pytest.mark.parametrize(
    ("state", "effect", "says"),
    [
        ("failed", "partial", "Migration 007 failed at 2026-11-22 12:01:00 UTC; a part of it is on the target"),
        ("running", "none", "Migration 007 running since 2026-11-22 12:00:00 UTC"),
        ("queued", "none", "Migration 007 queued since 2026-11-22 12:00:00 UTC"),
    ],
)
def test_a_run_that_did_not_succeed_says_so(state: str, effect: str, says: str) -> None:
    change = rows.change("authorized", migration=7)
    run = rows.execution(change, rows.target("prod", "production"), purpose="deploy", state=state, effect=effect)
    assert log_line(run).startswith(says)


def test_a_line_stays_one_line() -> None:
    change = rows.change("authorized", migration=7)
    run = rows.execution(change, rows.target("prod", "production"), purpose="deploy", state="failed", effect="none")
    run.sentence = "Line one.\nMigration 008 applied at noon"
    assert "\n" not in log_line(run)


def test_the_log_holds_every_ended_run_in_one_query() -> None:
    change, place = rows.change("authorized", migration=7), rows.target("prod", "production")
    for at in range(3):
        rows.execution(change, place, purpose="deploy", at=NOW - timedelta(hours=at))
    rows.execution(change, place, purpose="deploy", state="queued")
    with CaptureQueriesContext(connection) as caught:
        lines = migration_log().splitlines()
    assert len(caught) == 1
    assert [line.split(" - ")[0] for line in lines] == [
        f"Migration 007 applied at 2026-11-22 {hour}:01:00 UTC" for hour in (10, 11, 12)
    ]


def test_the_changelog_entry_tells_what_why_who_and_where() -> None:
    change = rows.change("authorized", migration=7, title="Keep the device", description="Sites asked for it.")
    rows.sign(change, "technical review", "tess")
    run = rows.execution(change, rows.target("prod", "production"), purpose="deploy")
    found = rows.incident(change, lesson="Look first.")
    with acting("setup"):
        rows.move(change, "deploy", "deployed")
    text = changelog(change)
    assert text.startswith(f"## {change.code} - 2026-11-22\n\n### Changed\n- Keep the device (TICKET-010): migration")
    for piece in (
        "- Why: Sites asked for it.",
        "- technical review: Tess Moreau",
        run.code,
        f"{found.code}: Rolled back",
    ):
        assert piece in text
    assert text.endswith("Look first.\n")
