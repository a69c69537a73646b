"""The certificate of a rehearsal: what a script did on a copy, and whether the way back is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from changecontrol.rules.observed import Observed
from changecontrol.rules.plan import RollbackClass

CERTIFICATE_SCHEMA = 1


class Verdict(StrEnum):
    """How a rehearsal came out. The words are printed by `engine rehearse` and never change."""

    EXACT = "exact"
    ORDER_ONLY = "order_only"
    DIFFERS = "differs"
    ROLLBACK_FAILED = "rollback_failed"
    REAPPLY_FAILED = "reapply_failed"
    REAPPLY_DIFFERS = "reapply_differs"
    EMPTY_ROLLBACK = "empty_rollback"
    NO_ROLLBACK = "no_rollback"
    FORWARD_FAILED = "forward_failed"
    REFUSED = "refused"


#: A rollback that gives the schema back.
RESTORES = (Verdict.EXACT, Verdict.ORDER_ONLY)
#: What a class that declares no way back may come to.
NO_WAY_BACK = (Verdict.EMPTY_ROLLBACK, Verdict.NO_ROLLBACK)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The rollback tried after the first `steps` of the forward steps only."""

    steps: int
    verdict: Verdict
    differences: Mapping[str, list[str]] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the copy was. `kind`: "schema" (of a target, no rows), "copy" (a restored dump), "migrations" (empty plus
    all earlier ones). `rows` maps a table to [count, source]: copied, generated, or migrations. `preceded_by` are the
    pending migrations that were run first. `not_comparable` says why this copy proves nothing for its target.
    """

    kind: str
    of: str = ""
    server_version: str = ""
    major: int = 0
    extensions: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, list[Any]] = field(default_factory=dict)
    not_generated: Mapping[str, str] = field(default_factory=dict)
    preceded_by: tuple[str, ...] = ()
    not_comparable: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Everything a rehearsal showed. `lossless` None: not exercised, `not_exercised` says why, table by table.

    `fingerprints`: "before", "forward", "rollback", "again" to a catalog digest. `differences` and
    `again_differences` as snapshot.Differences.to_json. `changed` is what forward did to the catalog, in the same
    shape. `statements` are those of the first forward pass, `rollback_statements` those of the rollback.
    `verify` maps "forward", "rollback", "again" to {"ok": bool, "sentence": str}. `findings` as finding.to_json.
    `sizes` maps a table to [rows, bytes] of the target, read at `sizes_at`. `passes`: [{"name", "ms", "error"}].
    """

    script_digest: str
    verdict: Verdict
    sentence: str
    declared: RollbackClass
    basis: Basis
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    differences: Mapping[str, list[str]] = field(default_factory=dict)
    again_differences: Mapping[str, list[str]] = field(default_factory=dict)
    changed: Mapping[str, list[str]] = field(default_factory=dict)
    lossless: bool | None = None
    lost: tuple[str, ...] = ()
    not_exercised: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
    passes: tuple[Mapping[str, Any], ...] = ()
    statements: tuple[Observed, ...] = ()
    rollback_statements: tuple[Observed, ...] = ()
    verify: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    findings: tuple[Mapping[str, Any], ...] = ()
    sizes: Mapping[str, list[int]] = field(default_factory=dict)
    sizes_at: str = ""

    @property
    def passed(self) -> bool:
        """Whether the verdict is as good as what the author declared, on a copy that can be compared."""
        return not self.shortfall

    @property
    def shortfall(self) -> str:
        """Why it did not pass, as a sentence; empty when it passed."""
        if self.basis.not_comparable:
            return f"This copy proves nothing for the target: {self.basis.not_comparable}"
        if self.verdict in NO_WAY_BACK:
            declared = self.declared in (RollbackClass.FORWARD_FIX_ONLY, RollbackClass.RESTORE_ONLY)
            return "" if declared else self.sentence
        if self.verdict not in RESTORES:
            return self.sentence
        partial = next((one for one in self.prefixes if one.verdict not in RESTORES), None)
        if partial is not None:
            return (
                f"After step {partial.steps} alone the rollback does not restore: {partial.error or partial.verdict}."
            )
        if self.declared is RollbackClass.LOSSLESS and self.lossless is False:
            return f"The rollback is declared lossless, and this is lost: {' '.join(self.lost[:5])}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; `passed` and `shortfall` are among them."""
        value = asdict(self)
        value["statements"] = [one.to_json() for one in self.statements]
        value["rollback_statements"] = [one.to_json() for one in self.rollback_statements]
        return {"schema": CERTIFICATE_SCHEMA, "passed": self.passed, "shortfall": self.shortfall, **value}
