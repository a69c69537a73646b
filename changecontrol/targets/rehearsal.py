"""A rehearsal: forward, rollback and forward again on a disposable database, compared object by object, row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from changecontrol.rules.certificate import RESTORES, Basis, Certificate, Verdict
from changecontrol.rules.finding import Finding
from changecontrol.rules.plan import RollbackClass
from changecontrol.rules.policy import Policy
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.targets import oddities
from changecontrol.targets.bench import Bench, roles_named
from changecontrol.targets.connection import Where
from changecontrol.targets.judgment import Predicted, judge, predict
from changecontrol.targets.limiting import RehearsalLimits, RehearsalStopped
from changecontrol.targets.outcome import Event
from changecontrol.targets.proving import Proof, RowsInTheWay, Scripts
from changecontrol.targets.seats import Seats

_NULL_REFUSED = "23502"
#: Names that are not there, rights, what the server cannot do: easier rows make no difference.
_NOT_OF_ROWS = ("0A", "28", "3D", "3F", "42", "58")
#: One value that something does not bear, in the words of a type, a limit, a CHECK or a script: bearable ones may do.
_OF_A_VALUE = ("22", "54", "23514", "P0")

__all__ = ["RehearsalLimits", "RehearsalStopped", "rehearse"]


def rehearse(
    where_of_copy: Where,
    *,
    forward: Script | Refused,
    rollback: Script | Refused | None,
    verify: Script | Refused | None,
    script_digest: str,
    declared: RollbackClass,
    basis: Basis,
    policy: Policy,
    squawk: Sequence[Finding] = (),
    limits: RehearsalLimits | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
    restore: Callable[[], None] = lambda: None,
    leave_applied: bool = True,
    seats: Seats | None = None,
) -> Certificate:
    """Prove a migration on a copy, which only this rehearsal uses; afterwards forward is applied there if it can be,
    unless `leave_applied` says that nobody needs the copy any more.

    `restore` brings the copy back to what it was before; it is called only when the rehearsal left something else.
    `seats` are sessions on the copy that stay open behind this rehearsal; by default it opens and closes its own.
    Raises RehearsalStopped when `stop` gave a reason, and the refusals of `connect`.
    """
    refused = next((one for one in (forward, rollback, verify) if isinstance(one, Refused)), None)
    if refused is not None:
        return Certificate(script_digest, Verdict.REFUSED, refused.sentence, declared, basis)
    assert isinstance(forward, Script) and not isinstance(rollback, Refused) and not isinstance(verify, Refused)
    scripts = Scripts(forward, rollback, verify)
    limits = limits or RehearsalLimits()
    bench = Bench(
        where_of_copy,
        limits=limits,
        on_event=on_event,
        stop=stop,
        roles=roles_named(forward, rollback),
        seats=seats,
    )
    try:
        predicted = predict(bench, scripts, policy)
        proof = _prove(bench, scripts, restore, limits.rows)
        if leave_applied:
            proof.leave_applied()
        return _certificate(proof, predicted, basis, policy, squawk, script_digest, declared)
    finally:
        bench.close()


def _prove(bench: Bench, scripts: Scripts, restore: Callable[[], None], rows: int) -> Proof:
    """Prove with generated rows where there are none, as hard ones as the migration bears, and at last without."""
    way = _Way(rows) if scripts.rollback and scripts.rollback.steps else _Way(0)
    not_generated: dict[str, str] = {}
    while True:
        proof = Proof(bench, scripts, restore)
        proof.not_generated = not_generated
        try:
            proof.run(rows=way.rows, nulls=way.nulls, odd=way.odd)
            return proof
        except RowsInTheWay as refused:
            proof.make_anew()
            bench.passes.clear()
            way = _Way(0) if refused.needed else way.easier(refused.sqlstate)
            not_generated = {**proof.not_generated, **dict.fromkeys(proof.generated, str(refused))}


@dataclass(frozen=True, slots=True)
class _Way:
    """How rows are generated: how many, with NULLs among them, how odd."""

    rows: int
    nulls: bool = True
    odd: int = oddities.EXTREME

    def easier(self, sqlstate: str) -> _Way:
        """The next way, after an error: without what it names, less odd, at last without rows."""
        if sqlstate.startswith(_NOT_OF_ROWS):
            return _Way(0)
        if self.nulls and sqlstate == _NULL_REFUSED:
            return replace(self, nulls=False)
        if self.odd and (not sqlstate or sqlstate.startswith(_OF_A_VALUE)):
            return replace(self, odd=self.odd - 1)
        return replace(self, odd=oddities.NONE) if self.odd else _Way(0)


def _certificate(
    proof: Proof,
    predicted: Predicted,
    basis: Basis,
    policy: Policy,
    squawk: Sequence[Finding],
    script_digest: str,
    declared: RollbackClass,
) -> Certificate:
    changed = proof.changed()
    findings = judge(predicted, squawk, proof, changed, policy)
    return Certificate(
        script_digest=script_digest,
        verdict=proof.verdict,
        sentence=proof.sentence,
        declared=declared,
        basis=_basis(proof, basis),
        fingerprints=proof.fingerprints,
        differences=proof.differences,
        again_differences=proof.again_differences,
        changed={name: value for name, value in changed.items() if name != "definitions"},
        lossless=_lossless(proof),
        lost=tuple(proof.lost),
        not_exercised=tuple(proof.not_exercised()),
        sequences=proof.sequences,
        prefixes=tuple(proof.prefixes),
        passes=tuple(proof.bench.passes),
        statements=proof.statements,
        rollback_statements=proof.rollback_statements,
        verify=proof.verified,
        findings=tuple(finding.to_json() for finding in findings),
    )


def _lossless(proof: Proof) -> bool | None:
    if proof.verdict not in RESTORES:
        return False if proof.lost else None
    if proof.lost:
        return False
    return None if proof.not_exercised() else True


def _basis(proof: Proof, basis: Basis) -> Basis:
    """The basis with what was really there: server, rows and where they came from."""
    info = proof.bench.session.info
    source = "copied" if basis.kind == "copy" else "migrations"
    rows: dict[str, list[Any]] = {}
    if proof.before is not None:
        for name, digest in sorted(proof.before.data.items()):
            rows[name] = [digest.rows, "generated" if name in proof.generated else source]
    return replace(
        basis,
        server_version=basis.server_version or info.parameter_status("server_version") or "",
        major=basis.major or info.server_version // 10000,
        rows=rows or basis.rows,
        not_generated=dict(sorted(proof.not_generated.items())),
    )
