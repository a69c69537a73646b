"""Findings as text for people, JSON, SARIF 2.1.0 for code scanning, and annotations of GitHub Actions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from changecontrol.rules.finding import SEVERITIES, Finding
from changecontrol.rules.judging import ALL_RULES

FORMATS = ("text", "json", "sarif", "github")
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"note": "note", "warning": "warning", "error": "error", "critical": "error"}
#: What code scanning sorts by (0 to 10).
_GRAVITY = {"note": "2.0", "warning": "5.0", "error": "8.0", "critical": "9.5"}
_COMMANDS = {"note": "notice", "warning": "warning", "error": "error", "critical": "error"}


def report(findings: Sequence[Finding], form: str, *, version: str = "") -> str:
    """Write findings in one of FORMATS, in the order given."""
    if form == "json":
        return json.dumps({"findings": [one.to_json() for one in findings]}, ensure_ascii=False, indent=1)
    if form == "sarif":
        return json.dumps(sarif(findings, version=version), ensure_ascii=False, indent=1)
    return github(findings) if form == "github" else text(findings)


def text(findings: Sequence[Finding]) -> str:
    """A block for each finding, and a last line that counts them."""
    blocks = []
    for one in findings:
        lines = [f"{one.place}: {one.severity}: {one.rule} ({one.basis})", f"    {one.message}"]
        lines += [f"    Instead: {one.rewrite}"] if one.rewrite else []
        blocks.append("\n".join(lines))
    return "\n".join([*blocks, counted(findings)])


def counted(findings: Sequence[Finding]) -> str:
    """How many there are of each severity, the worst first: "2 errors, 1 note"."""
    words = []
    for severity in reversed(SEVERITIES):
        number = sum(one.severity == severity for one in findings)
        if number:
            words.append(f"{number} {severity}{'s' if number > 1 and severity != 'critical' else ''}")
    return ", ".join(words) or "no findings"


def sarif(findings: Sequence[Finding], *, version: str = "") -> dict[str, Any]:
    """A SARIF 2.1.0 log with one run: every rule that is named is described once."""
    rules = list(dict.fromkeys(one.rule for one in findings))
    driver: dict[str, Any] = {
        "name": "Change Control",
        "rules": [_rule(name, next(one for one in findings if one.rule == name)) for name in rules],
    }
    if version:
        driver["semanticVersion"] = version
    results = [_result(one, rules.index(one.rule)) for one in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, example: Finding) -> dict[str, Any]:
    known = ALL_RULES.get(name)
    severity = known.severity if known else example.severity
    value: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": name.replace("squawk/", "squawk: ").replace("-", " ")},
        "fullDescription": {"text": _general(known.why) if known else example.message},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"security-severity": _GRAVITY[severity]},
    }
    advice = _general(known.rewrite) if known else example.rewrite
    if advice:
        value["help"] = {"text": advice}
    return value


def _general(template: str) -> str:
    """A rule's text about no statement in particular: its places for names are capital words, as in a manual."""
    return re.sub(r"\{(\w+)\}", lambda place: place[1].upper(), template)


def _result(one: Finding, index: int) -> dict[str, Any]:
    message = f"{one.message} Instead: {one.rewrite}" if one.rewrite else one.message
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": _LEVELS[one.severity],
        "message": {"text": message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(one.file)},
                    "region": {"startLine": max(one.line, 1), "startColumn": max(one.column, 1)},
                }
            }
        ],
        "properties": {"severity": one.severity, "basis": one.basis},
    }


def _uri(file: str) -> str:
    safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"
    return "".join(chr(byte) if chr(byte) in safe else f"%{byte:02X}" for byte in file.encode("utf-8"))


def github(findings: Sequence[Finding]) -> str:
    """One workflow command a line; GitHub shows them beside the lines of a pull request."""
    return "\n".join(_command(one) for one in findings)


def _command(one: Finding) -> str:
    message = f"{one.message}\nInstead: {one.rewrite}" if one.rewrite else one.message
    title = f"{one.rule} ({one.basis})"
    return (
        f"::{_COMMANDS[one.severity]} file={_property(one.file)},line={one.line},col={one.column},"
        f"title={_property(title)}::{_escaped(message)}"
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
