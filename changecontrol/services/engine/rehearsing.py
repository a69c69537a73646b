"""Rehearsing a whole folder: each migration's forward stays for the next one, each rollback is proven on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg

from changecontrol.repository.foreign import Gathered
from changecontrol.rules.certificate import Basis, Certificate, Verdict
from changecontrol.rules.finding import Finding
from changecontrol.rules.pair import NO_WAY_BACK
from changecontrol.rules.refusal import Refused
from changecontrol.rules.script import Script
from changecontrol.services.engine.applying import OnMigration
from changecontrol.services.engine.base import Folder, OnEvent, Report, reaching, read_folder, where_of
from changecontrol.services.engine.linting import refusals, severe, squawked
from changecontrol.targets.bench import Bench, Ran
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.limiting import CopyLost, RehearsalLimits, RehearsalStopped
from changecontrol.targets.mirroring import Mirror
from changecontrol.targets.rehearsal import rehearse as prove
from changecontrol.targets.sandbox import sandbox, sweep
from changecontrol.targets.seats import Seats
from changecontrol.targets.unreachable import TargetUnreachable


def rehearse(
    *,
    folder: Path,
    server: str,
    only: Sequence[int] = (),
    stop_at_first: bool = False,
    seconds: float = 900.0,
    on_migration: OnMigration = lambda told: None,
    on_event: OnEvent = lambda event: None,
    stop: Callable[[], str | None] = lambda: None,
) -> Report:
    """Rehearse every migration in the order of the numbers, in one sandbox on the server, which is dropped at the end.

    A migration that cannot run is told and passed over; what comes behind it runs on what is there. `only`: the others
    are applied without a proof. `seconds`: what one migration may take. Not fine: a verdict worse than declared, an
    error or critical finding. Raises the refusals of reading the folder, of connecting, and SandboxForbidden.
    """
    found = read_folder(folder, only=only)
    where = where_of(server, name="the server")
    limits = RehearsalLimits(seconds=seconds)
    told: list[dict[str, Any]] = []
    with reaching():
        with suppress(Refused):
            sweep(where)
        with sandbox(where, name="engine") as work:
            seats = Seats(work)
            with (
                closing(seats),
                Mirror(where, work, seats=seats, limits=limits, on_event=on_event, stop=stop) as mirror,
            ):
                squawk = squawked(found, found.migrations)
                course = _Course(found, where, work, seats, mirror, limits, on_event, stop, squawk)
                for migration in _within(found, only):
                    proven = not only or migration.number in only
                    one = course.prove(migration) if proven else course.pass_over(migration)
                    if one is None:
                        continue
                    told.append(one)
                    on_migration(one)
                    if stop_at_first and not one["passed"]:
                        break
    strays = severe(found.policy, found.strays)
    value = {"migrations": told, "findings": [item.to_json() for item in strays]}
    return Report(value, all(one["fine"] for one in told) and not any(item.blocks for item in strays))


def _within(found: Folder, only: Sequence[int]) -> list[Gathered]:
    """What has to be run at all: everything up to the last one that was asked for."""
    last = max(only, default=0)
    return [one for one in found.migrations if not only or (one.number is not None and one.number <= last)]


@dataclass(slots=True)
class _Course:
    """One pass through the folder."""

    folder: Folder
    server: Where
    work: Where
    seats: Seats
    mirror: Mirror
    limits: RehearsalLimits
    on_event: OnEvent
    stop: Callable[[], str | None]
    squawk: Mapping[str, Sequence[Finding]]
    applied: list[str] = field(default_factory=list)

    def prove(self, migration: Gathered) -> dict[str, Any]:
        """Rehearse one migration on what is there."""
        started = time.monotonic()
        certificate = self._certificate(migration)
        return {**_told(self.folder, migration, certificate), "ms": round((time.monotonic() - started) * 1000, 1)}

    def pass_over(self, migration: Gathered) -> dict[str, Any] | None:
        """Apply one migration without a proof; something to tell only when that is not possible."""
        if isinstance(migration.forward, Refused):
            return _told(self.folder, migration, self._refused(migration, migration.forward.sentence))
        self.mirror.expect(migration.forward)
        ran = self._forward(migration.forward)
        if not ran.sentence:
            self._noted(migration.forward)
            return None
        if not ran.untouched:
            self._restore()
        certificate = replace(self._refused(migration, ran.sentence), verdict=Verdict.FORWARD_FAILED)
        return _told(self.folder, migration, certificate)

    def _certificate(self, migration: Gathered) -> Certificate:
        forward, rollback = migration.forward, migration.rollback
        if isinstance(forward, Refused):
            return self._refused(migration, forward.sentence)
        scripts = [one for one in (forward, rollback) if isinstance(one, Script)]
        self.mirror.expect(*scripts)
        try:
            certificate = self._prove(migration, forward)
            self.seats.hand_on([*scripts, migration.verify if isinstance(migration.verify, Script) else None])
        except RehearsalStopped:
            raise
        except Exception as error:  # one migration that breaks the rehearsal itself must not end that of the others
            return self._broken(migration, forward, error)
        if certificate.verdict not in (Verdict.FORWARD_FAILED, Verdict.REFUSED):
            self._noted(forward)
        if isinstance(rollback, Refused):  # forward is on; what is refused is the way back
            failed = certificate.verdict is Verdict.FORWARD_FAILED
            return certificate if failed else replace(certificate, verdict=Verdict.REFUSED, sentence=rollback.sentence)
        return certificate

    def _prove(self, migration: Gathered, forward: Script) -> Certificate:
        rollback = None if isinstance(migration.rollback, Refused) else migration.rollback
        verify = None if isinstance(migration.verify, Refused) else migration.verify
        return prove(
            self.work,
            forward=forward,
            rollback=rollback,
            verify=verify,
            script_digest=migration.script_digest,
            declared=migration.declared,
            basis=self._basis(),
            policy=self.folder.policy,
            squawk=self.squawk.get(migration.file, ()),
            limits=self.limits,
            on_event=self.on_event,
            stop=self.stop,
            restore=self._restore,
            seats=self.seats,
        )

    def _broken(self, migration: Gathered, forward: Script, error: Exception) -> Certificate:
        try:
            return self._picked_up(migration, forward, _said(error))
        except RehearsalStopped:
            raise
        except (Refused, psycopg.Error) as again:
            connect(self.server, application_name="rehearsal").close()  # a server that is gone is the end of it
            return self._refused(migration, f"{migration.file} could not be rehearsed. {_said(again)}")

    def _picked_up(self, migration: Gathered, forward: Script, said: str) -> Certificate:
        """Put forward alone on a new copy, after what broke the rehearsal."""
        self._restore()
        ran = self._forward(forward)
        if not ran.sentence:
            self._noted(forward)
            return self._refused(migration, f"{migration.file} could not be rehearsed. {said}")
        if not ran.untouched:
            self._restore()
        return replace(self._refused(migration, ran.sentence), verdict=Verdict.FORWARD_FAILED)

    def _forward(self, forward: Script) -> Ran:
        """Run forward alone. A script that breaks its own session has failed as well."""
        bench = Bench(self.work, limits=self.limits, on_event=self.on_event, stop=self.stop, seats=self.seats)
        try:
            return bench.run(forward, "forward")
        except CopyLost as lost:
            return Ran(str(lost.details["sentence"]))
        except TargetUnreachable as locked:  # an earlier one lets nobody in any more
            return Ran(locked.sentence)
        finally:
            bench.close()
            self.seats.hand_on([forward])

    def _restore(self) -> None:
        """Make the copy anew; once more when a script has ended all sessions of the server, ours included."""
        try:
            self.mirror.restore()
        except (Refused, psycopg.Error):
            self.mirror.restore()

    def _noted(self, forward: Script) -> None:
        self.mirror.noted(forward)
        self.applied.append(forward.file)

    def _refused(self, migration: Gathered, sentence: str) -> Certificate:
        return Certificate(migration.script_digest, Verdict.REFUSED, sentence, migration.declared, self._basis())

    def _basis(self) -> Basis:
        return Basis("migrations", preceded_by=tuple(self.applied))


def _said(error: Exception) -> str:
    return error.sentence if isinstance(error, Refused) else f"{type(error).__name__}: {error}"


def _told(folder: Folder, migration: Gathered, certificate: Certificate) -> dict[str, Any]:
    """The entry of one migration: the certificate's fields, its place in the folder, all findings."""
    findings = _findings(folder, migration, certificate)
    value = certificate.to_json()
    blocked = any(item["severity"] in ("error", "critical") for item in findings)
    return {
        "number": migration.number,
        "name": migration.name,
        "file": migration.file,
        **{key: value[key] for key in _FIRST},
        "said": certificate.shortfall,
        "fine": certificate.passed and not blocked,
        "findings": findings,
        **{key: item for key, item in value.items() if key not in (*_FIRST, "findings", "basis", "schema")},
    }


_FIRST = ("verdict", "sentence", "passed", "declared", "differences", "lossless", "lost", "statements")


def _findings(folder: Folder, migration: Gathered, certificate: Certificate) -> list[dict[str, Any]]:
    accepted = "empty-rollback" if migration.declared in NO_WAY_BACK else ""
    found = [dict(item) for item in certificate.findings if item["rule"] != accepted]
    seen = {(item["rule"], item["file"], item["line"], item["column"]) for item in found}
    own = [item.to_json() for item in (*severe(folder.policy, migration.findings), *refusals(migration))]
    return found + [item for item in own if (item["rule"], item["file"], item["line"], item["column"]) not in seen]
