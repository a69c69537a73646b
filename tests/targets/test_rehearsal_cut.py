"""A rehearsal whose copy is lost says so: no verdict on a migration comes from a server that went away."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from changecontrol.targets.connection import Where
from changecontrol.targets.limiting import CopyLost
from changecontrol.targets.outcome import Event
from tests.targets.rehearsals import rehearsed

BASE = "CREATE TABLE thing (id integer PRIMARY KEY);"
FORWARD = "BEGIN;\nALTER TABLE thing ADD COLUMN a integer;\nCREATE TABLE made (id integer PRIMARY KEY);\nCOMMIT;\n"
BACK = "BEGIN;\nDROP TABLE made;\nALTER TABLE thing DROP COLUMN a;\nCOMMIT;\n"


@pytest.mark.parametrize("nth", [1, 3, 5], ids=["forward", "rollback", "forward again"])
def test_a_copy_that_is_lost_gives_no_verdict(where: Where, nth: int) -> None:
    name = conninfo_to_dict(where.dsn)["dbname"]
    seen: list[str] = []

    def cut(event: Event) -> None:
        if event.kind == "statement_done":
            seen.append(event.text)
            if len(seen) == nth:
                with psycopg.connect(make_conninfo(where.dsn, dbname="postgres"), autocommit=True) as admin:
                    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    with pytest.raises(CopyLost, match="broke"):
        rehearsed(where, BASE, FORWARD, BACK, on_event=cut)
    assert len(seen) == nth
