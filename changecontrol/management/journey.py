"""The way of a change, walked by the cast through the verbs: the demonstration's story, and a set-up for tests.

Nothing is written here but through the services, with the passwords of the cast, so every gate is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from django.utils import timezone

from changecontrol.models import ChangeRequest, ChecklistItem, Environment, Errand, Execution, Person, Target
from changecontrol.rules.lifecycle import OPEN_STATES, Move, Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import (
    checking,
    content,
    drafting,
    errands,
    executing,
    facts,
    rehearsing,
    reviewing,
    sites,
    standing,
)

ENVIRONMENTS = ("development", "staging", "production")

#: what the cast writes into the documentation of the changes it opens
DOCUMENTATION = {
    "impact": "The diary database only. The diary application and the monitoring reports keep working unchanged.",
    "impact_level": "low",
    "risk": "Sessions that hold long transactions may delay the change.",
    "risk_severity": "2",
    "risk_probability": "2",
    "risk_detectability": "2",
    "mitigation": "Every step gives up quickly when it has to wait, and is tried again.",
    "compliance_impact": "The audit trail stays complete; no recorded entry is changed.",
    "pull_request_url": "https://git.example.org/diary/pull/{number}",
}
#: why the cast's author accepts what a finding warns of
WAIVED = "Meant so: seen in the rehearsal, and the tables concerned are small or not in use at night."


class WaitedTooLong(Refused):
    """{what} did not end within {seconds:.0f} seconds. Look at the log of the worker."""


class Journey:
    """Walks changes through the verbs. `say` gets one line for everything that happens."""

    def __init__(
        self,
        *,
        password: str,
        say: Callable[[str], None] = lambda line: None,
        clock: Callable[[], datetime] = timezone.now,
        patience: float = 120.0,
        tend: Callable[[], None] | None = None,
        certify: Callable[[ChangeRequest], None] | None = None,
    ) -> None:
        self.password, self.say, self.clock, self.patience = password, say, clock, patience
        # tests without a worker process carry out what is due here, instead of waiting for one
        self.tend = tend or (lambda: time.sleep(0.2))
        # and those that are about other things write a certificate instead of rehearsing
        self.certify = certify or self._certify

    def who(self, username: str) -> Person:
        """Return a person of the cast."""
        return Person.objects.get(username=username)

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Return once `done`; raise WaitedTooLong otherwise."""
        until = time.monotonic() + self.patience
        while not done():
            if time.monotonic() > until:
                raise WaitedTooLong(what=what, seconds=self.patience)
            self.tend()

    def set_up_places(self, references: dict[str, str]) -> list[Target]:
        """Olga makes environments and targets, Theo signs the ledgers; returns the registered targets."""
        olga, theo = self.who("olga"), self.who("theo")
        made = []
        for position, (name, reference) in enumerate(references.items(), start=1):
            environment = sites.add_environment(
                name=name, kind=name, queue=name, position=position, actor=olga, reason="set-up", now=self.clock()
            )
            target = sites.add_target(
                name=name,
                environment_id=environment.pk,
                reference=reference,
                set_role="",
                actor=olga,
                reason="set-up",
                now=self.clock(),
            )
            errand = errands.register(target_id=target.pk, signer=theo, password=self.password, now=self.clock())
            made.append((target, errand))
        for target, errand in made:
            self._errand(errand, f"the registration of {target.name}")
            self.say(f"{target.name}: registered, its ledger signed by Theo Brandt")
        return [target for target, _ in made]

    def _errand(self, errand: Errand, what: str) -> None:
        def ended() -> bool:
            errand.refresh_from_db()
            return errand.state in (Errand.State.DONE, Errand.State.REFUSED)

        self.wait(ended, what)
        if errand.state == Errand.State.REFUSED:
            raise WaitedTooLong(what=f"{what} was refused: {errand.sentence} It", seconds=0)

    def open(self, number: int) -> ChangeRequest:
        """Ada opens a change from its file and documents it."""
        ada = self.who("ada")
        change = drafting.open_change(migration_number=number, actor=ada, now=self.clock())
        fields = DOCUMENTATION | {"pull_request_url": DOCUMENTATION["pull_request_url"].format(number=number)}
        drafting.document(change_id=change.pk, actor=ada, version=change.version, fields=fields, now=self.clock())
        self.say(f"{change.code}  draft: Ada opened {change.migration_name}")
        return self.fresh(change)

    def develop(self, change: ChangeRequest) -> None:
        """Ada runs it on development: forward, rollback where there is one, forward."""
        target = Target.objects.of(Environment.Kind.DEVELOPMENT).get()
        ways = ["forward", "rollback", "forward"] if change.revision and change.revision.rollback else ["forward"]
        for direction in ways:
            run = executing.start_development(
                change_id=change.pk, actor=self.who("ada"), target_id=target.pk, direction=direction, now=self.clock()
            )
            self.finished([run])

    def tick(self, change: ChangeRequest, *gates: str) -> None:
        """Each person attests the open items of these gates that are theirs."""
        people = {
            "author": "ada",
            "technical reviewer": "tess",
            "compliance officer": "cora",
            "QA": "quin",
            "tech lead": "theo",
        }
        items = ChecklistItem.objects.filter(
            change=change, gate__in=gates, automatic=False, state=ChecklistItem.State.OPEN
        )
        for item in items.order_by("position"):
            checking.tick(
                item_id=item.pk,
                actor=self.who(people[item.duty]),
                state="done",
                note="Looked at it for this change; nothing unusual was seen.",
                now=self.clock(),
            )

    def _certify(self, change: ChangeRequest) -> None:
        """Ada has a worker rehearse it on a copy of production, and waits for the certificate."""
        errand = rehearsing.request(change_id=change.pk, actor=self.who("ada"), now=self.clock())
        self._errand(errand, f"the rehearsal of {change.code}")
        made = rehearsing.newest(self.fresh(change))
        assert made is not None  # the errand ended with it
        self.say(f"{change.code}  rehearsed on a copy of {errand.target.name}: {made.verdict}, {made.code}")

    def waive(self, change: ChangeRequest) -> None:
        """Ada accepts each finding that blocks, with a reason a signer can judge."""
        for one in standing.read(self.fresh(change)).findings:
            if one["severity"] in ("error", "critical"):
                fresh = self.fresh(change)
                drafting.waive(
                    change_id=fresh.pk,
                    actor=self.who("ada"),
                    version=fresh.version,
                    rule=one["rule"],
                    file=one["file"],
                    line=one["line"],
                    reason=WAIVED,
                    now=self.clock(),
                )

    def renew(self, change: ChangeRequest) -> None:
        """Rehearse again where what landed meanwhile made the schema another one."""
        found = facts.gather(change=self.fresh(change), now=self.clock(), environment_kind="production")
        if found.rehearsal_production:
            self.certify(self.fresh(change))

    def submit(self, change: ChangeRequest) -> ChangeRequest:
        """Ada has it rehearsed, ticks her items, signs authorship and submits."""
        self.certify(change)
        self.waive(change)
        self.tick(change, Move.SUBMIT, Move.APPROVE)
        change = self.fresh(change)
        reviewing.submit(
            change_id=change.pk,
            signer=self.who("ada"),
            password=self.password,
            version=change.version,
            content_digest=content.preview(change).digest,
            now=self.clock(),
        )
        return self._told(change, "Ada signed authorship")

    def review(self, change: ChangeRequest, *meanings: str) -> ChangeRequest:
        """Tess and Cora sign what is required; with `meanings`, only those."""
        for meaning, username in (("technical review", "tess"), ("compliance review", "cora")):
            change = self.fresh(change)
            wanted = meaning in (meanings or content.reviews(change))
            if wanted and change.status == Status.IN_REVIEW:
                reviewing.sign(change_id=change.pk, meaning=meaning, **self._signing(change, username))
                change = self._told(change, f"{self.who(username).printed_name} signed the {meaning}")
        return change

    def stage(self, change: ChangeRequest) -> ChangeRequest:
        """Quin starts staging and waits for the proof."""
        runs = executing.start_staging(
            change_id=change.pk, actor=self.who("quin"), version=change.version, now=self.clock()
        )
        self.finished(runs)
        return self._told(change, "staging ran it forward, back and forward again, compared")

    def accept(self, change: ChangeRequest) -> ChangeRequest:
        """Quin ticks the staging lists and signs the acceptance."""
        self.tick(change, Move.ACCEPT)
        change = self.fresh(change)
        reviewing.accept(**self._signing(change, "quin"), change_id=change.pk)
        return self._told(change, "Quin signed the staging acceptance")

    def authorize(self, change: ChangeRequest) -> ChangeRequest:
        """Theo has the pre-deployment list ticked and signs the authorization."""
        self.renew(change)
        self.tick(change, Move.AUTHORIZE)
        change = self.fresh(change)
        reviewing.authorize(**self._signing(change, "theo"), change_id=change.pk)
        return self._told(change, "Theo signed the production authorization")

    def deploy(self, change: ChangeRequest) -> ChangeRequest:
        """Theo signs the execution and waits for production."""
        self.renew(change)
        runs = executing.start_production(**self._signing(change, "theo"), change_id=change.pk)
        for run in runs:
            self.say(f"{change.code}  {run.code} queued for {run.target.name}, signed by Theo")
        self.finished(runs)
        return self._told(change, "production ran it, verified")

    def walk(self, number: int, *, until: Status) -> ChangeRequest:
        """Open migration `number` and walk its change until it has the status `until`."""
        change = self.open(number)
        self.develop(change)
        steps = [self.submit, self.review, self.stage, self.accept, self.authorize, self.deploy]
        for step in steps:
            if change.status == until:
                return change
            change = step(change)
        return change

    def finished(self, runs: Iterable[Execution]) -> None:
        """Wait for runs to end, saying every event; raise a refusal with the sentence of one that failed."""
        for run in runs:
            told = 0

            def ended(run: Execution = run) -> bool:
                nonlocal told
                for event in run.events.filter(number__gt=told).order_by("number"):
                    told = event.number
                    if event.kind == "statement_done":
                        continue  # a script of a hundred statements would bury what matters
                    self.say(f"          {event.at:%H:%M:%S} {run.target.name}: {event.text}")
                run.refresh_from_db()
                return run.state not in OPEN_STATES

            self.wait(ended, f"{run.code} on {run.target.name}")
            ended()
            if run.state != "succeeded":
                raise RunFailed(code=run.code, target=run.target.name, sentence=run.sentence)

    def fresh(self, change: ChangeRequest) -> ChangeRequest:
        """Return the change as the database has it now."""
        return ChangeRequest.objects.select_related("revision", "opened_by").get(pk=change.pk)

    def _signing(self, change: ChangeRequest, username: str) -> dict[str, object]:
        return {
            "signer": self.who(username),
            "password": self.password,
            "version": change.version,
            "content_digest": change.content_digest,
            "now": self.clock(),
        }

    def _told(self, change: ChangeRequest, what: str) -> ChangeRequest:
        change = self.fresh(change)
        self.say(f"{change.code}  {change.status.replace('_', ' ')}: {what}")
        return change


class RunFailed(Refused):
    """{code} on {target} did not succeed: {sentence}"""
