"""What bad input leaves of a change: its state, its revision, its numbers; and on the target, nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from changecontrol.local import testing
from changecontrol.local.processes import free_port
from changecontrol.models import ChangeAuthor, ChangeRequest, ChecklistItem, Execution, Person, Revision
from changecontrol.rules.lifecycle import Status
from changecontrol.rules.refusal import Refused
from changecontrol.services import drafting
from tests import factories
from tests.bad_input.folder import FORWARD, HEADER, make_folder

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
BEGINNING = HEADER.format(number=1).encode()
BAD = {
    "undecodable": BEGINNING + b"SELECT 'caf\xe9';\n",
    "10 MB": b"-" * (10 * 1024 * 1024),
    "NUL": BEGINNING + b"SELECT 'a\0b';\n",
    "syntax": BEGINNING + b"BEGIN;\nALTER TABLE site ADD COLUM note text;\nCOMMIT;\n",
    "meta-command": BEGINNING + b"\\connect other\n",
    "unbalanced": BEGINNING + b"BEGIN;\nSELECT 1;\n",
    "nested": BEGINNING + b"BEGIN;\nBEGIN;\nSELECT 1;\nCOMMIT;\nCOMMIT;\n",
    "empty": b"",
}


def everything() -> dict[str, object]:
    """What our database knows of changes."""
    return {
        "changes": list(ChangeRequest.objects.order_by("pk").values("code", "status", "version", "revision_id")),
        "counts": [model.objects.count() for model in (Revision, ChangeAuthor, ChecklistItem, Execution)],
    }


@pytest.fixture
def root(tmp_path: Path, settings) -> Path:
    folder = tmp_path / "migrations_repo"
    make_folder(folder)
    settings.REPOSITORY = folder
    return folder


@pytest.mark.django_db
@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_it_opens_no_change_from_a_bad_file(root: Path, data: bytes) -> None:
    file = root / "001_add_note.sql"
    good = file.read_bytes()
    file.write_bytes(data)
    ada, before = Person.objects.get(username="ada"), everything()
    with pytest.raises(Refused, match=r"001_add_note\.sql"):
        drafting.open_change(migration_number=1, actor=ada, now=NOW)
    assert everything() == before
    file.write_bytes(good)
    opened = drafting.open_change(migration_number=1, actor=ada, now=NOW)
    assert opened.number == len(before["changes"]) + 1, "a refused file used up a number"


@pytest.mark.django_db
@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_it_keeps_the_revision_when_the_file_went_bad(root: Path, data: bytes) -> None:
    ada = Person.objects.get(username="ada")
    change = drafting.open_change(migration_number=1, actor=ada, now=NOW)
    before = everything()
    (root / "001_add_note.sql").write_bytes(data)
    with pytest.raises(Refused, match=r"001_add_note\.sql"):
        drafting.revise(change_id=change.pk, actor=ada, version=change.version, now=NOW)
    assert everything() == before
    assert bytes(change.revision.forward) == (HEADER.format(number=1) + FORWARD).encode()


@pytest.mark.usefixtures("own_database")
def test_it_keeps_an_approved_change_approved_while_its_target_is_bad(servers: testing.Servers, tmp_path: Path) -> None:
    """Staging is down, has a wrong password, is another database; and once it is well, the run succeeds."""
    references = factories.references(servers, tmp_path)
    journey = factories.journey()
    journey.set_up_places(references)
    change = journey.walk(1, until=Status.APPROVED)
    secret = Path(references["staging"].removeprefix("file:"))
    good = secret.read_text(encoding="utf-8")
    cases = {
        psycopg.conninfo.make_conninfo(good, port=free_port()): "does not answer",
        psycopg.conninfo.make_conninfo(good, password="not-the-password"): "does not accept the password",
        psycopg.conninfo.make_conninfo(good, dbname="nowhere"): 'has no database "nowhere"',
        factories.empty_database(servers, "staging"): "is not the database it was registered as",
    }
    for conninfo, sentence in cases.items():
        secret.write_text(conninfo, encoding="utf-8")
        with pytest.raises(Refused, match=sentence):
            journey.stage(change)
        change = journey.fresh(change)
        assert change.status == Status.APPROVED
        run = Execution.objects.filter(change=change, purpose="stage").order_by("pk").last()
        assert (run.state, run.effect) == ("failed", "none")
        assert run.sentence.startswith("staging ")
        assert "not-the-password" not in run.sentence and "127.0.0.1" not in run.sentence
    secret.write_text(good, encoding="utf-8")
    with psycopg.connect(good) as target:
        assert target.execute("SELECT count(*) FROM changecontrol.ledger").fetchone() == (0,)
        assert target.execute("SELECT to_regclass('public.record_audit')").fetchone() == (None,)
    assert journey.stage(change).status == Status.STAGED
