"""Two people, two tabs, two clicks: exactly one effect."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from changecontrol.local import testing
from changecontrol.models import ChangeRequest, Execution, Person, Signature
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import claiming, executing, numbering, reviewing
from changecontrol.services.recording import SETUP, acting
from tests import factories

pytestmark = pytest.mark.usefixtures("own_database")
now = timezone.now


def at_once(*verbs: Callable[[], Any]) -> list[Any]:
    """Run the verbs in threads that start together; return each one's value or refusal."""
    barrier, results = threading.Barrier(len(verbs)), [None] * len(verbs)

    def call(index: int, verb: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[index] = verb()
        except Refused as no:
            results[index] = no
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=one) for one in enumerate(verbs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_two_tabs_sign_once(tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    journey = factories.journey()
    change = journey.submit(journey.open(1))
    tess = Person.objects.get(username="tess")

    def sign() -> Signature:
        return reviewing.sign(
            change_id=change.pk,
            meaning="technical review",
            signer=tess,
            password=factories.PASSWORD,
            version=change.version,
            content_digest=change.content_digest,
            now=now(),
        )

    results = at_once(sign, sign, sign)
    assert [type(one).__name__ for one in results].count("Signature") == 1
    assert Signature.objects.filter(change=change, meaning="technical review").count() == 1


def test_the_last_two_reviews_at_once_approve_once(servers: testing.Servers, tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    journey = factories.journey()
    journey.set_up_places(factories.references(servers, tmp_path, ("development",)))
    change = journey.open(1)
    journey.develop(change)
    change = journey.submit(change)

    def sign(meaning: str, username: str) -> Callable[[], Signature]:
        return lambda: reviewing.sign(
            change_id=change.pk,
            meaning=meaning,
            signer=Person.objects.get(username=username),
            password=factories.PASSWORD,
            version=change.version,
            content_digest=change.content_digest,
            now=now(),
        )

    results = at_once(sign("technical review", "tess"), sign("compliance review", "cora"))
    assert [one for one in results if isinstance(one, Refused)] == []
    fresh = ChangeRequest.objects.get(pk=change.pk)
    assert fresh.status == Status.APPROVED
    assert fresh.moves.filter(move="approve").count() == 1


def test_two_clicks_start_production_once(servers: testing.Servers, tmp_path: Path, settings: Any) -> None:
    settings.REPOSITORY = factories.small_folder(tmp_path)
    journey = factories.journey()
    journey.set_up_places(factories.references(servers, tmp_path))
    change = journey.walk(1, until=Status.AUTHORIZED)
    theo = Person.objects.get(username="theo")

    def start() -> list[Execution]:
        return executing.start_production(
            change_id=change.pk,
            signer=theo,
            password=factories.PASSWORD,
            version=change.version,
            content_digest=change.content_digest,
            now=now(),
        )

    results = at_once(start, start)
    assert sum(isinstance(one, list) for one in results) == 1
    queued = Execution.objects.get(change=change, purpose="deploy")
    claims = at_once(*[lambda: claiming.claim(execution_id=queued.pk, worker="race", now=now())] * 4)
    assert sum(isinstance(one, Execution) for one in claims) == 1
    assert Signature.objects.filter(change=change, meaning="execution").count() == 1


def test_codes_have_no_gaps_and_no_doubles() -> None:
    def take(fail: bool) -> Callable[[], int]:
        def taken() -> int:
            try:
                with acting(SETUP):
                    number, _ = numbering.take("incident")
                    if fail:
                        raise LookupError
                    return number
            except LookupError:
                return 0

        return taken

    results = at_once(*[take(index % 3 == 0) for index in range(12)])
    assert sorted(one for one in results if one) == list(range(1, 9))
