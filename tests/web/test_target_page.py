"""The page of a target shows what its last probe registered, the largest table first."""

from __future__ import annotations

import pytest
from django.urls import reverse

from changecontrol.services.recording import acting
from tests.services import rows
from tests.web.visitors import client_of

pytestmark = pytest.mark.django_db


def test_it_lists_sizes_largest_first_and_folds_the_small_ones() -> None:
    target = rows.target("production", "production")
    tables = {f"public.t{number}": [number, number * 1024] for number in range(1, 15)}
    with acting("worker"):
        target.probe = {
            "reachable": True,
            "tables": {**tables, "audit.trail": [1_204_318, 512_000_000]},
            "catalog_digest": "ab" * 32,
        }
        target.probed_at = rows.NOW
        target.save()
    body = client_of("theo").get(reverse("target", args=[target.pk])).content.decode()
    assert "1,204,318 rows, 488.3 MB" in body
    places = [body.index(f"<code>{name}</code>") for name in ("audit.trail", "t14", "t13", "t1")]
    assert places == sorted(places)
    assert "3 smaller" in body
    assert "1 row, 1.0 kB" in body
    assert "Catalog digest" not in body


def test_it_shows_no_sizes_before_a_probe() -> None:
    target = rows.target("production", "production")
    body = client_of("theo").get(reverse("target", args=[target.pk])).content.decode()
    assert 'id="sz"' not in body
