"""Each static rule finds what it is about, and leaves its harmless neighbors alone."""

from __future__ import annotations

import string

import pytest

from changecontrol.rules import judging
from changecontrol.rules.finding import SEVERITIES, Finding
from changecontrol.rules.hazards import RULES
from changecontrol.rules.policy import Policy
from tests.rules.hazards.examples import EXAMPLES
from tests.rules.statements import script

POLICY = Policy(protected_tables=("record_audit",), hashed_columns=("record_audit.data",))


def found(sql: str) -> list[Finding]:
    return judging.static(script(sql), None, policy=POLICY)


def test_every_rule_has_examples() -> None:
    assert set(EXAMPLES) == set(RULES)


@pytest.mark.parametrize(("rule", "sql"), [(rule, sql) for rule, (yes, _no) in EXAMPLES.items() for sql in yes])
def test_it_finds(rule: str, sql: str) -> None:
    hits = [one for one in found(sql) if one.rule == rule]
    assert hits, [one.rule for one in found(sql)]
    for one in hits:
        assert one.severity in SEVERITIES
        assert one.message[-1] in ".;)" and "{" not in one.message + one.rewrite
        assert "…" not in one.message.replace("INSERT … SELECT", "")


@pytest.mark.parametrize(("rule", "sql"), [(rule, sql) for rule, (_yes, no) in EXAMPLES.items() for sql in no])
def test_it_leaves_alone(rule: str, sql: str) -> None:
    assert [one.message for one in found(sql) if one.rule == rule] == []


@pytest.mark.parametrize("name", sorted(judging.ALL_RULES))
def test_every_rule_says_why_and_what_instead(name: str) -> None:
    rule = judging.ALL_RULES[name]
    assert rule.severity in SEVERITIES
    assert rule.why.endswith(".")
    if rule.severity in ("error", "critical"):
        assert rule.rewrite or name in ("alter-domain",)
    for template in (rule.why, rule.rewrite):
        assert all(
            field == field.strip() and field for _t, field, _f, _c in string.Formatter().parse(template) if field
        )


def test_critical_is_what_endangers_records() -> None:
    assert {name for name, rule in judging.ALL_RULES.items() if rule.severity == "critical"} == {
        "change-type-using",
        "disable-row-security",
        "disable-rule",
        "disable-trigger",
        "drop-owned",
        "drop-policy",
        "drop-protected-table",
        "drop-protected-trigger",
        "drop-rule",
        "grant-to-public",
        "hashed-column-default",
        "hashed-column-written",
        "mighty-role",
        "protected-rows",
        "replication-role",
        "role-past-security",
        "row-security-setting",
        "security-definer-path",
        "truncate",
    }
