"""Every measured hazard and every variant, run on PostgreSQL 17 and 18: the harmful alarm, the harmless do not."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from changecontrol import linting
from changecontrol.local.postgres import Cluster
from changecontrol.rules.finding import Finding
from changecontrol.targets.connection import Where
from tests.hazards import CASES, SETUP, Case
from tests.hazards.running import FILE, Judged, judge
from tests.hazards.variants import EXTRA, VARIANTS
from tests.targets.observing import Templates

MORE = (SETUP[0] + EXTRA, *SETUP[1:])


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


@pytest.fixture(scope="module")
def linted() -> dict[str, list[Finding]]:
    """What squawk says of all cases, asked in one call."""
    found: dict[str, list[Finding]] = {}
    for one in linting.squawk({case.id: case.sql.encode() for case in CASES}):
        found.setdefault(one.file, []).append(Finding(**{**one.to_json(), "file": FILE}))
    return found


@pytest.fixture(params=[18, 17])
def server(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue("cluster" if request.param == 18 else "older_cluster")
    return found


@pytest.fixture
def copy(server: Cluster, templates: Templates) -> Iterator[Where]:
    with templates.clone(server, SETUP) as where:
        yield where


def said(judged: Judged) -> str:
    return judged.refused or "; ".join(f"{one.severity} {one.rule}: {one.message}" for one in judged.final)


@pytest.mark.parametrize("case", [pytest.param(one, id=one.id) for one in CASES])
def test_harm_alarms_and_harmless_does_not(
    case: Case, server: Cluster, copy: Where, linted: dict[str, list[Finding]]
) -> None:
    if case.harmless and case.observed[server.major].error:
        pytest.skip("this version cannot parse it")
    if case.prepare:
        with psycopg.connect(copy.dsn, autocommit=True) as owner:
            owner.execute(case.prepare.encode())
    judged = judge(copy, case.sql, squawk=linted.get(case.id, []))
    assert bool(judged.refused or judged.alarms) != case.harmless, said(judged)


@pytest.mark.slow
@pytest.mark.parametrize(("harmful", "sql"), [pytest.param(harmful, sql, id=name) for name, harmful, sql in VARIANTS])
def test_variants_are_judged_alike(harmful: bool, sql: str, server: Cluster, templates: Templates) -> None:
    with templates.clone(server, MORE) as where:
        judged = judge(where, sql, squawk=[])
    assert bool(judged.refused or judged.alarms) == harmful, said(judged)
