"""The truth: every statement of tests/hazards runs under the probe, on two major versions, and is seen as it is."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from changecontrol.local.postgres import Cluster
from changecontrol.rules.refusal import Refused
from changecontrol.targets.connection import Where
from tests.hazards import CASES, SETUP, Case
from tests.targets import stage
from tests.targets.observing import Templates, rehearsed, summed

#: What never reaches a server.
REFUSED = {
    "cic_in_tx": "NotInTransaction",
    "drop_database": "ServerWide",
    "alter_system": "ServerWide",
    "missing_commit": "UnfinishedTransaction",
    "psql_include": "IncludeMissing",
    "copy_from_program": "CopyOnServer",
}
#: Where the probe sees more than the facts have: a name that is gone afterwards, a lock that is certain from the text.
BEYOND = {
    "rename_table": {"public.t": "ACCESS EXCLUSIVE"},
    "drop_index_concurrently": {"public.t": "SHARE UPDATE EXCLUSIVE"},
}
#: Over in less time than lies between two looks: whether its locks are seen is luck.
BRIEF = {"cic_partitioned"}


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


@pytest.fixture(params=[18, 17])
def server(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue("cluster" if request.param == 18 else "older_cluster")
    return found


@pytest.fixture
def copy(server: Cluster, templates: Templates) -> Iterator[Where]:
    with templates.clone(server, SETUP) as where:
        yield where


def qualified(values: dict[str, int]) -> dict[str, int]:
    return {f"public.{name}": value for name, value in values.items()}


@pytest.mark.parametrize("case", [pytest.param(one, id=one.id) for one in CASES if one.id not in REFUSED])
def test_it_sees_what_was_observed(case: Case, server: Cluster, copy: Where) -> None:
    facts = case.observed[server.major]
    with psycopg.connect(copy.dsn, autocommit=True) as owner:
        if case.prepare:
            owner.execute(case.prepare.encode())
        tables = owner.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables").fetchall()
    outcome, observed = rehearsed(copy, case.sql)
    seen = summed(observed).only({name for (name,) in tables})
    assert [one.error for one in observed if one.error] == facts.error
    assert (outcome.state == "failed") == bool(facts.error)
    expected = {f"public.{name}": mode for name, mode in facts.locks.items()} | BEYOND.get(case.id, {})
    if case.id in BRIEF:
        assert seen.locks.items() <= expected.items()
    else:
        assert seen.locks == expected
    assert list(seen.rewrites) == facts.rewrite
    assert list(seen.indexes) == facts.index
    assert seen.scans == qualified(facts.scan)
    assert seen.rows == qualified(facts.rows)
    assert set(facts.says) <= {text for one in observed for text in one.says}


@pytest.mark.parametrize("case", [pytest.param(one, id=one.id) for one in CASES if one.id in REFUSED])
def test_it_is_refused_before_any_server_sees_it(case: Case) -> None:
    with pytest.raises(Refused) as refusal:
        stage.script(case.sql)
    assert type(refusal.value).__name__ == REFUSED[case.id]
