"""The comparison after the kills sees each disagreement it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from changecontrol.local.testing import Servers
from changecontrol.models import ExecutionEvent, Person, Target
from changecontrol.services import executing
from changecontrol.services.recording import ANONYMOUS, WORKER, acting
from tests import factories
from tests.kill import compare
from tests.kill.stage import Stage, mark, write_folder
from tests.kill.test_kills import _add_target


@pytest.mark.usefixtures("own_database")
def test_it_sees_what_disagrees(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REPOSITORY", write_folder(tmp_path / "migrations", migrations=1))
    stage = Stage(servers.target("development"), "compared")
    target = Target.objects.get(pk=_add_target("compared", "development", stage, tmp_path))
    factories.carry_out()
    change, ada, now = factories.journey().open(1), Person.objects.get(username="ada"), timezone.now()
    run = executing.start_development(change_id=change.pk, actor=ada, target_id=target.pk, direction="forward", now=now)
    factories.carry_out()
    client = Client()
    with acting(ANONYMOUS):
        client.force_login(ada)

    def said() -> str:
        return "\n".join(compare.disagreements({target.pk: stage}, client))

    assert said() == ""
    stage.ask("DROP INDEX part_001")
    assert "indexes on part, valid: []" in said()
    stage.ask(f"INSERT INTO tally VALUES ({mark(1)})")
    assert "tallied 2 times" in said()
    stage.ask("UPDATE thing SET b_001 = 2 WHERE id < 4")
    assert "3 rows not filled exactly once" in said()
    with acting(WORKER):
        last = run.events.order_by("-number")[0]
        ExecutionEvent.objects.create(
            execution=run, number=last.number + 1, at=now, kind="step_started", phase="forward", step=6, text=""
        )
    assert "by the ledger alone: [('forward', 6)]" in said()
    stage.ask("ALTER TABLE changecontrol.ledger DISABLE TRIGGER append_only")
    stage.ask("DELETE FROM changecontrol.ledger WHERE step = 6")
    found = said()
    assert "is gone" in found and "ended partial" in found and "effect complete, the ledger said partial" in found
