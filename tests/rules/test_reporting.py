"""Findings in four forms: for people, for programs, for code scanning, for pull requests."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from changecontrol.rules.finding import Finding
from changecontrol.rules.reporting import FORMATS, report

FOUND = [
    Finding("drop-column", "error", "002_a,b.sql", 3, 1, "Gone: 100% of it.", "Keep\nit.", "observed"),
    Finding("squawk/prefer-text-field", "note", "Ä 003.sql", 4, 9, "Use text."),
    Finding("truncate", "critical", "002_a,b.sql", 7, 5, "Empty.", ""),
    Finding("drop-column", "warning", "002_a,b.sql", 9, 1, "Gone.", ""),
]

_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_URI = {"type": "string", "format": "uri-reference", "pattern": r"^[A-Za-z0-9._~/%-]+$"}
_POSITIVE = {"type": "integer", "minimum": 1}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


#: What SARIF 2.1.0 says of the properties that we write (3.13 log, 3.14 run, 3.19 component, 3.27 result, 3.49 rule).
SARIF = _object(
    ["version", "runs"],
    **{
        "$schema": {"type": "string", "format": "uri"},
        "version": {"enum": ["2.1.0"]},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": _object(
                ["tool"],
                tool=_object(
                    ["driver"],
                    driver=_object(
                        ["name"],
                        name={"type": "string"},
                        semanticVersion={"type": "string"},
                        rules={
                            "type": "array",
                            "uniqueItems": True,
                            "items": _object(
                                ["id"],
                                id={"type": "string"},
                                shortDescription=_TEXT,
                                fullDescription=_TEXT,
                                help=_TEXT,
                                defaultConfiguration=_object([], level=_LEVEL),
                                properties={"type": "object"},
                            ),
                        },
                    ),
                ),
                columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                results={
                    "type": "array",
                    "items": _object(
                        ["message"],
                        ruleId={"type": "string"},
                        ruleIndex={"type": "integer", "minimum": -1},
                        level=_LEVEL,
                        message=_TEXT,
                        properties={"type": "object"},
                        locations={
                            "type": "array",
                            "items": _object(
                                [],
                                physicalLocation=_object(
                                    ["artifactLocation"],
                                    artifactLocation=_object([], uri=_URI),
                                    region=_object([], startLine=_POSITIVE, startColumn=_POSITIVE),
                                ),
                            ),
                        },
                    ),
                },
            ),
        },
    },
)


def test_people_read_place_severity_rule_and_the_safe_way() -> None:
    lines = report(FOUND, "text").splitlines()
    assert lines[:3] == [
        "002_a,b.sql:3:1: error: drop-column (observed)",
        "    Gone: 100% of it.",
        "    Instead: Keep",
    ]
    assert lines[4] == "Ä 003.sql:4:9: note: squawk/prefer-text-field (predicted)"
    assert lines[-1] == "1 critical, 1 error, 1 warning, 1 note"
    assert report([], "text") == "no findings"


def test_programs_read_the_same_values() -> None:
    assert json.loads(report(FOUND, "json"))["findings"] == [one.to_json() for one in FOUND]


@pytest.mark.parametrize("findings", [FOUND, []])
def test_sarif_is_what_the_standard_asks_for(findings: list[Finding]) -> None:
    log = json.loads(report(findings, "sarif", version="1.2.3"))
    jsonschema.validate(log, SARIF)
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len(rules) == len({one.rule for one in findings})
    for one, result in zip(findings, run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == one.rule
        assert result["properties"] == {"severity": one.severity, "basis": one.basis}


def test_sarif_knows_three_levels_and_says_the_fourth_beside() -> None:
    results = json.loads(report(FOUND, "sarif"))["runs"][0]["results"]
    assert [one["level"] for one in results] == ["error", "note", "error", "warning"]
    assert results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "%C3%84%20003.sql"


def test_github_gets_one_command_a_line_with_everything_escaped() -> None:
    first, second, third, _fourth = report(FOUND, "github").split("\n")
    assert first == (
        "::error file=002_a%2Cb.sql,line=3,col=1,title=drop-column (observed)::"
        "Gone: 100%25 of it.%0AInstead: Keep%0Ait."
    )
    assert second.startswith("::notice file=Ä 003.sql,line=4,col=9,title=squawk/prefer-text-field (predicted)::")
    assert third.startswith("::error ")


def test_every_form_takes_nothing_as_well() -> None:
    assert [bool(report([], form)) for form in FORMATS] == [True, True, True, False]


def test_a_rule_of_sarif_reads_as_a_sentence_about_no_table_in_particular() -> None:
    (rule,) = json.loads(report(FOUND[:1], "sarif"))["runs"][0]["tool"]["driver"]["rules"]
    assert "{" not in rule["fullDescription"]["text"] + rule["help"]["text"]
