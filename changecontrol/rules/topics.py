"""squawk's rules beside ours: which of ours says the same, and how grave squawk's own are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from changecontrol.rules.finding import Finding
from changecontrol.rules.policy import Policy

#: squawk's rule to its severity here; a rule that is not named is a warning, one that begins with prefer- a note.
SEVERITY = {
    "identifier-too-long": "note", "require-enum-value-ordering": "note", "unused-ignore": "note",
    "ban-char-field": "note", "require-table-schema": "note", "syntax-error": "note", "ban-drop-not-null": "warning",
}  # fmt: skip
#: Advice that the runner makes needless, or that is wrong here (IF NOT EXISTS keeps an invalid index).
LEFT_OUT = ("require-lock-timeout", "require-statement-timeout", "require-timeout-settings", "prefer-robust-stmts",
            "prefer-repack", "ban-uncommitted-transaction", "transaction-nesting")  # fmt: skip
#: squawk's rule to the rules of ours that say the same, and say it with what a rehearsal saw.
OURS: dict[str, tuple[str, ...]] = {
    "adding-field-with-default": ("add-column-rewrites",),
    "adding-foreign-key-constraint": ("add-foreign-key", "add-column-references"),
    "adding-not-nullable-field": ("set-not-null",),
    "adding-required-field": ("add-column-required",),
    "adding-serial-primary-key-field": ("add-unique", "add-column-unique"),
    "ban-alter-domain-with-add-constraint": ("domain-check",),
    "ban-concurrent-index-creation-in-transaction": (),
    "ban-drop-column": ("drop-column",),
    "ban-drop-constraint": ("drop-constraint",),
    "ban-drop-database": (),
    "ban-drop-default": ("drop-default",),
    "ban-drop-not-null": ("drop-not-null",),
    "ban-drop-domain": ("drop-type",),
    "ban-drop-extension": ("drop-extension",),
    "ban-drop-function": ("drop-function",),
    "ban-drop-policy": ("drop-policy",),
    "ban-drop-schema": ("drop-schema",),
    "ban-drop-sequence": ("drop-sequence",),
    "ban-drop-table": ("drop-table", "drop-protected-table"),
    "ban-drop-type": ("drop-type",),
    "ban-drop-view": ("drop-view",),
    "ban-disable-trigger": ("disable-trigger",),
    "ban-truncate-cascade": ("truncate",),
    "changing-column-type": ("change-type", "change-type-using"),
    "constraint-missing-not-valid": ("add-check", "add-foreign-key", "add-unique", "add-exclusion"),
    "disallowed-unique-constraint": ("add-unique", "add-column-unique"),
    "identifier-too-long": ("identifier-too-long",),
    "prefer-bigint-over-int": ("integer-primary-key",),
    "prefer-bigint-over-smallint": ("integer-primary-key",),
    "renaming-column": ("rename-column",),
    "renaming-table": ("rename-table",),
    "require-concurrent-index-creation": ("create-index",),
    "require-concurrent-index-deletion": ("drop-index",),
    "require-concurrent-partition-detach": ("detach-partition",),
    "require-concurrent-reindex": ("reindex",),
    "require-enum-value-ordering": ("enum-add-value",),
}
#: What our rules decide wholly: they parse all that squawk parses, know what the file made itself, and are measured.
_DECIDED = frozenset(name for name in OURS if not name.startswith(("prefer-", "require-enum", "identifier")))


def severity(rule: str) -> str:
    """How grave a finding of squawk is here. None of them blocks: what blocks is found and measured by our own."""
    return SEVERITY.get(rule, "note" if rule.startswith("prefer-") else "warning")


def merged(ours: Sequence[Finding], squawk: Sequence[Finding], *, policy: Policy) -> list[Finding]:
    """Ours, and what squawk says beyond them."""
    kept = [one for one in squawk if not _said(one, ours)]
    return [*ours, *(replace(one, severity=policy.severities.get(one.rule, one.severity)) for one in kept)]


def _said(one: Finding, ours: Sequence[Finding]) -> bool:
    rule = one.rule.removeprefix("squawk/")
    same = OURS.get(rule, ())
    return rule in _DECIDED or any(
        other.rule in same and other.file == one.file and _near(other, one) for other in ours
    )


def _near(ours: Finding, squawk: Finding) -> bool:
    """Ours stands at the beginning of the statement, squawk's at the part it means."""
    return ours.line <= squawk.line <= ours.line + 40
