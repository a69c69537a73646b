"""Histories people read diffs of: who and why, in the web's verbs and in the workers'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from changecontrol.local import testing
from changecontrol.models import ChangeRequest, ChecklistItem, Person
from changecontrol.rules.lifecycle import Status
from changecontrol.services import checking, drafting, people
from changecontrol.services.recording import ANONYMOUS, SETUP, acting
from tests import factories

now = timezone.now


@pytest.fixture
def draft(db: None, tmp_path: Path, settings: Any) -> ChangeRequest:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    return drafting.open_change(migration_number=1, actor=Person.objects.get(username="ada"), now=now())


def test_it_keeps_who_changed_what(draft: ChangeRequest) -> None:
    ada = Person.objects.get(username="ada")
    drafting.document(change_id=draft.pk, actor=ada, version=draft.version, fields={"risk": "Hardly any."}, now=now())
    newest, before = draft.history.order_by("-history_id")[:2]
    assert (newest.history_user, newest.risk, before.risk) == (ada, "Hardly any.", "")
    assert set(newest.diff_against(before).changed_fields) >= {"risk", "version"}


def test_it_keeps_the_reason_of_a_tick(draft: ChangeRequest) -> None:
    quin = Person.objects.get(username="quin")
    item = ChecklistItem.objects.filter(change=draft, automatic=False, duty="QA").first()
    assert item is not None
    checking.tick(item_id=item.pk, actor=quin, state="done", note="Ran the suite.", now=now())
    entry = item.history.latest()
    assert (entry.history_user, entry.history_change_reason, entry.state) == (quin, "Ran the suite.", "done")


def test_it_names_a_system_actor_in_the_reason(draft: ChangeRequest) -> None:
    with acting(SETUP, reason="a correction"):
        draft.title = "Another title"
        draft.save()
    entry = draft.history.latest()
    assert (entry.history_user, entry.history_change_reason) == (None, "[setup] a correction")


def test_an_inner_actor_gives_the_outer_one_back(draft: ChangeRequest) -> None:
    ada = Person.objects.get(username="ada")
    with acting(ada):
        with acting(ANONYMOUS):
            pass
        draft.title = "By Ada"
        draft.save()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('changecontrol.actor')::json ->> 'name'")
            assert cursor.fetchone() == ("Ada Lindqvist",)
    assert draft.history.latest().history_user == ada


def test_it_keeps_duties_given_and_taken(db: None) -> None:
    olga, tess = Person.objects.get(username="olga"), Person.objects.get(username="tess")
    people.take_duty(person_id=tess.pk, duty="technical reviewer", actor=olga, reason="left the team", now=now())
    change = tess.duty_changes.order_by("-pk").first()
    assert change is not None
    assert (change.given, change.changed_by, change.reason) == (False, olga, "left the team")


def test_a_history_cannot_be_edited(draft: ChangeRequest) -> None:
    with pytest.raises(DatabaseError), acting(SETUP):
        draft.history.update(title="Never happened")


@pytest.mark.usefixtures("own_database")
def test_the_worker_is_named_in_the_histories(servers: testing.Servers, tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    journey = factories.journey()
    journey.set_up_places(factories.references(servers, tmp_path))
    change = journey.walk(1, until=Status.DEPLOYED)
    by = {entry.status: entry for entry in change.history.order_by("history_id")}
    assert by["in_review"].history_user == Person.objects.get(username="ada")
    assert by["deployed"].history_user is None
    assert (by["deployed"].history_change_reason or "").startswith("[worker]")
    assert {move.actor for move in change.moves.filter(move__in=["stage", "deploy"])} == {"worker"}


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
