"""One small installation of a test: three target databases, a folder of small migrations, the cast, and its verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from django.utils import timezone
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from changecontrol.local.testing import Servers
from changecontrol.models import ChangeRequest, Execution, Incident, Person
from changecontrol.rules.lifecycle import Status
from changecontrol.services import closing, executing, facts, possibilities, reviewing, standing
from tests import factories

now = timezone.now
#: step 2 reads a table that the migration does not make: where it is missing, the run stops between its steps
THREE_STEPS = (
    "BEGIN;\nCREATE TABLE thing (id int PRIMARY KEY);\nCOMMIT;\n"
    "BEGIN;\nINSERT INTO thing SELECT id FROM outsider;\nCOMMIT;\n"
    "BEGIN;\nCOMMENT ON TABLE thing IS 'Things.';\nCOMMIT;\n"
)
OUTSIDER = "CREATE TABLE outsider AS SELECT generate_series(1, 3) AS id"
DROP_THING = "-- Rollback: 001 - first\nBEGIN;\nDROP TABLE thing;\nCOMMIT;\n"


class House:
    """Migration 001 is `first` (by default three steps); rollback, verify and checks as given, empty for none."""

    def __init__(
        self,
        servers: Servers,
        folder: Path,
        settings: Any,
        *,
        first: str = THREE_STEPS,
        rollback: str = DROP_THING,
        way: str = "lossless",
        **files: str,
    ) -> None:
        texts = {"001_first": self.text("001", first, way), "rollback__001_rollback": rollback, **files}
        self.servers, self.folder = servers, folder / "repository"
        self.folder.mkdir()
        settings.REPOSITORY = factories.small_folder(self.folder, **texts)
        if not rollback:
            (self.folder / "rollback" / "001_rollback.sql").unlink()
        self.told: list[str] = []
        self.journey = factories.journey(self.told.append)
        self.references = factories.references(servers, folder)
        self.places = self.journey.set_up_places(self.references)

    @staticmethod
    def text(number: str, statements: str, way: str = "lossless", needs: str = "none") -> str:
        return factories.header(number, needs).replace("Rollback: lossless", f"Rollback: {way}") + statements

    def dsn(self, environment: str) -> str:
        return Path(self.references[environment].removeprefix("file:")).read_text(encoding="utf-8")

    def sql(self, environment: str, statement: str) -> list[Any]:
        """Send a statement to a target as its migration role; [] where it answers nothing."""
        with psycopg.connect(self.dsn(environment), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def as_superuser(self, environment: str, statement: str) -> None:
        name = conninfo_to_dict(self.dsn(environment))["dbname"]
        dsn = make_conninfo(self.servers.target(environment).dsn(), dbname=name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def done(self, environment: str) -> list[tuple[str, str, int]]:
        """Return (execution, direction, step) of every step the ledger of a target calls done, oldest first."""
        with psycopg.connect(self.dsn(environment), row_factory=dict_row) as connection:
            rows = connection.execute("SELECT * FROM changecontrol.ledger WHERE kind = 'done' ORDER BY id").fetchall()
        codes = {str(one.uuid): one.code for one in Execution.objects.all()}
        return [(codes[row["execution_id"]], row["direction"], row["step"]) for row in rows]

    def who(self, username: str) -> Person:
        return Person.objects.get(username=username)

    def fresh(self, change: ChangeRequest) -> ChangeRequest:
        return self.journey.fresh(change)

    def signing(self, change: ChangeRequest, username: str) -> dict[str, Any]:
        change = self.fresh(change)
        found = {"signer": self.who(username), "password": factories.PASSWORD, "version": change.version}
        return {**found, "change_id": change.pk, "content_digest": change.content_digest, "now": now()}

    def leaving(self, change: ChangeRequest, username: str, reason: str = "it has to wait") -> dict[str, Any]:
        """Return the arguments of a move that is not signed."""
        change = self.fresh(change)
        found = {"change_id": change.pk, "actor": self.who(username), "version": change.version}
        return {**found, "reason": reason, "now": now()}

    def walk(self, until: Status, number: int = 1) -> ChangeRequest:
        return self.journey.walk(number, until=until)

    def carried_out(self, *runs: Execution) -> list[Execution]:
        """Carry out what is due as workers would, and return the runs as they ended."""
        factories.carry_out()
        return [Execution.objects.select_related("target__environment", "change").get(pk=one.pk) for one in runs]

    def develop(self, change: ChangeRequest, direction: str = "forward", environment: str = "development") -> Execution:
        target = next(one for one in self.places if one.name == environment)
        run = executing.start_development(
            change_id=change.pk, actor=self.who("ada"), target_id=target.pk, direction=direction, now=now()
        )
        return self.carried_out(run)[0]

    def develop_anew(self, change: ChangeRequest) -> None:
        """Take the old revision off development, and run the new one there, back and forth."""
        self.develop(change, "rollback")
        self.journey.develop(change)

    def produce(self, change: ChangeRequest, reason: str = "") -> Execution:
        """Theo starts production, rehearsed as it is now; returns the run as it ended."""
        self.journey.certify(change)
        runs = executing.start_production(**self.signing(change, "theo"), reason=reason)
        return self.carried_out(*runs)[0]

    def refused(self, run: Execution) -> str:
        """Carry out a run that the worker has to refuse before anything is on; returns its sentence."""
        run = self.carried_out(run)[0]
        assert (run.state, run.effect) == ("failed", "none")
        assert run.events.filter(kind="refused").get().text == run.sentence
        assert self.done("production") == []
        return run.sentence

    def roll_back(self, change: ChangeRequest, reason: str = "the report broke") -> Execution:
        """Theo starts the rollback, Tess signs as second person; returns the run as it ended."""
        run = executing.start_rollback(**self.signing(change, "theo"), reason=reason)[0]
        self.second(run, "tess")
        return self.carried_out(run)[0]

    def second(self, run: Execution, username: str, **other: Any) -> None:
        given = {"signer": self.who(username), "password": factories.PASSWORD, "content_digest": run.content_digest}
        executing.second_sign(execution_id=run.pk, now=now(), **{**given, **other})

    def stage(self, change: ChangeRequest) -> Execution:
        """Quin starts staging; returns the run as it ended."""
        runs = executing.start_staging(
            change_id=change.pk, actor=self.who("quin"), version=self.fresh(change).version, now=now()
        )
        return self.carried_out(*runs)[0]

    def undo_staging(self, change: ChangeRequest) -> Execution:
        return self.carried_out(*executing.undo_staging(**self.leaving(change, "quin")))[0]

    def send_back(self, change: ChangeRequest) -> None:
        reviewing.send_back(**self.signing(change, "tess"), reason="the name is wrong")

    def exits(self, change: ChangeRequest, username: str) -> dict[str, str]:
        """Return what a person is offered on the page of a change: key -> refusal, empty where it can be done."""
        change = self.fresh(change)
        known = standing.read(change)
        found = facts.gather(change=change, now=now(), known=known)
        who = self.who(username)
        offered = possibilities.actions(known, found, person=who, held=frozenset(who.duties), now=now())
        return {one.key: one.refusal for one in offered}

    def close_incident(self, incident: Incident) -> None:
        """Quin writes down cause and lesson; Quin and Theo sign."""
        closing.document_incident(
            incident_id=incident.pk,
            actor=self.who("quin"),
            told="The sites.",
            cause="A table was missing.",
            lesson="Look before.",
            now=now(),
        )
        for username in ("quin", "theo"):
            closing.close_incident(
                incident_id=incident.pk, signer=self.who(username), password=factories.PASSWORD, now=now()
            )
