"""Numbers, times, digests and SQL as the pages write them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.template import Context, Template

from changecontrol.rules.gates import Unmet
from changecontrol.rules.lifecycle import Effect, State, Status
from changecontrol.rules.script import Direction, parse
from changecontrol.web import frame, saying, sql_blocks, sql_colors, words

NOW = dt.datetime(2026, 11, 19, 13, 20, 4, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 ms"), (0.84, "840 ms"), (7.2, "7.2 s"), (148, "2 min 28 s"), (3600, "1 h"), (273_600, "3 days 4 h")],
)
def test_it_says_durations(seconds: float, said: str) -> None:
    assert saying.duration(seconds) == said


def test_it_says_times_relative_and_absolute() -> None:
    assert saying.relative(NOW - dt.timedelta(seconds=12), NOW) == "12 s ago"
    assert saying.relative(NOW + dt.timedelta(minutes=39), NOW) == "in 39 min"
    assert saying.absolute(NOW) == "Thu 19 Nov 2026, 13:20:04 UTC"
    assert saying.stamp(NOW) == "19 Nov 2026, 13:20:04 UTC"


def test_it_shortens_digests() -> None:
    digest = "7c419e02" + "0" * 48 + "5b1da09e"
    assert saying.short_digest(digest) == "7c41 9e02 … 5b1d a09e"
    assert saying.short_digest("") == "not fixed yet"
    assert saying.spaced_digest("7c419e02") == "7c41 9e02"


@pytest.mark.parametrize(("count", "said"), [(1, "1 byte"), (312, "312 bytes"), (39_117, "38.2 kB"), (2**31, "2.0 GB")])
def test_it_says_sizes(count: int, said: str) -> None:
    assert saying.size(count) == said


@pytest.mark.parametrize("status", list(Status))
def test_it_knows_a_look_for_each_status(status: Status) -> None:
    assert words.spoken(status) in words.CHANGE


def test_it_knows_a_look_for_each_state_and_effect() -> None:
    assert set(words.STATE) >= {state.value for state in State}
    assert set(words.EFFECT) == {effect.value for effect in Effect}


def test_it_writes_icon_and_word_and_escapes_names() -> None:
    page = Template("{% chip status %}|{{ text|ticks }}").render(
        Context({"status": "in_review", "text": "Drops `<b>` & `x`"})
    )
    assert "cc-status--info" in page
    assert "#eye" in page
    assert page.endswith("in review</span>|Drops <code>&lt;b&gt;</code> &amp; <code>x</code>")


def test_it_colors_sql_and_keeps_every_character() -> None:
    text = "-- a <b>\nSELECT 'it''s\ntwo lines' FROM t; /* c\nd */ SELECT 1;"
    lines = sql_colors.lines(text)
    assert len(lines) == 4
    assert lines[0] == '<span class="cc-c">-- a &lt;b&gt;</span>'
    assert '<span class="cc-k">SELECT</span>' in lines[1]
    assert lines[2].startswith('<span class="cc-s">two lines&#x27;</span>')


def test_it_draws_steps_with_their_begin_and_commit() -> None:
    data = b"-- Migration: 001\n\nBEGIN;\nCREATE TABLE t (a int);\nCOMMIT;\n\nCREATE INDEX CONCURRENTLY i ON t (a);\n"
    script = parse(data, file="001_x.sql", direction=Direction.FORWARD)
    blocks = sql_blocks.blocks(data, script, "F", {4: [sql_blocks.Mark(1, "warn")]})
    steps = [(one.number, one.css, one.lines[0].number, one.lines[-1].number) for one in blocks if one.number]
    assert steps == [(1, "tx", 3, 5), (2, "single", 7, 7)]
    marked = next(line for one in blocks for line in one.lines if line.marks)
    assert (marked.anchor, marked.tone) == ("F4", "warn")
    assert [line.number for one in blocks for line in one.lines] == list(range(1, 8))


def test_numbers_are_listed_as_people_list_them() -> None:
    assert saying.numbers([3]) == "3"
    assert saying.numbers([7, 1, 2, 1]) == "1, 2, 7"
    assert saying.numbers([*range(1, 201), 205]) == "1 to 200, 205"


def test_a_heading_within_a_sentence_keeps_its_capitals_where_they_belong() -> None:
    assert frame._within("QA accepts it") == "QA accepts it"
    assert frame._within("You submit it") == "you submit it"


def test_an_action_does_not_repeat_the_list_above_it() -> None:
    open_ones = [Unmet(f"Finding {at} is open.", "author") for at in range(3)]
    told = " ".join(one.sentence for one in open_ones)
    assert frame._briefly(told, open_ones) == "3 conditions above are still open."
    assert frame._briefly("Only its author submits it.", open_ones) == "Only its author submits it."
    assert frame._briefly(told, []) == told
