"""One spelling for every value, and digests that name exactly what they name."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changecontrol.rules.manifest import NotCanonical, canonical, digest, script_digest
from changecontrol.rules.script import to_json
from tests.rules.reading import read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


@given(VALUES)
def test_it_gives_json_that_reads_back_and_stays_the_same(value: Any) -> None:
    data = canonical(value)
    assert json.loads(data) == value
    assert canonical(json.loads(data)) == data


def test_it_sorts_keys_and_keeps_letters() -> None:
    assert canonical({"b": [1, True, None], "a": "é"}) == '{"a":"é","b":[1,true,null]}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        {1: 2},
        {None: 1},
        b"x",
        {1, 2},
        "\ud800",
        {"\ud800": 1},
        [{"a": 0.5}],
        datetime.date(2026, 1, 1),
    ],
)
def test_it_refuses_values_with_more_than_one_spelling(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


def test_it_gives_sha_256_in_lower_case() -> None:
    assert digest(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_it_covers_bytes_sources_and_steps_but_no_findings() -> None:
    plan = to_json(read("SELECT 1;"))
    plans = {"forward": plan}
    base = script_digest(b"SELECT 1;", None, None, {}, plans)
    assert script_digest(b"SELECT 1;", None, None, {}, {"forward": {**plan, "findings": []}}) == base
    others = [
        script_digest(b"SELECT 1; ", None, None, {}, plans),
        script_digest(b"SELECT 1;", b"", None, {}, plans),
        script_digest(b"SELECT 1;", None, b"", {}, plans),
        script_digest(b"SELECT 1;", None, None, {"a.sql": b""}, plans),
        script_digest(b"SELECT 1;", None, None, {}, {}),
        script_digest(b"SELECT 1;", None, None, {}, {"forward": {**plan, "steps": []}}),
    ]
    assert len({base, *others}) == 7


def test_it_stays_the_same_over_time() -> None:
    """A changed digest voids every signature ever given: raise SCRIPT_SCHEMA knowingly, then change this line."""
    fixed = script_digest(b"SELECT 1;", b"SELECT 2;", None, {"a.sql": b"x"}, {"forward": {"schema": 1, "steps": []}})
    assert fixed == "148bd3ed6e8e595a2869507ecd7e655a9db672d9c5833014205d06ba9dbee65a"
