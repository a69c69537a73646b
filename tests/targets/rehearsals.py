"""Rehearsing small texts on a fresh database."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from changecontrol.rules.certificate import Basis, Certificate
from changecontrol.rules.plan import Direction, RollbackClass
from changecontrol.rules.policy import Policy
from changecontrol.targets import borrowed_roles
from changecontrol.targets.connection import Where, connect
from changecontrol.targets.rehearsal import rehearse
from tests.targets.stage import script


def begin(where: Where, base: str) -> None:
    """Make the database anew and run `base` on it."""
    name = conninfo_to_dict(where.dsn)["dbname"]
    with connect(Where(make_conninfo(where.dsn, dbname="postgres")), application_name="rehearsals") as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(str(name))))
        borrowed_roles.drop_marked(admin, borrowed_roles.MADE)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(name))))
    run(where, base)


def run(where: Where, text: str) -> None:
    with psycopg.connect(where.dsn, autocommit=True) as opened:
        opened.execute(text.encode())


def rehearsed(
    where: Where, base: str, forward: str, rollback: str | None, verify: str | None = None, **given: Any
) -> Certificate:
    """Rehearse on a database that holds `base`."""
    begin(where, base)
    given.setdefault("declared", RollbackClass.LOSSLESS)
    given.setdefault("basis", Basis("migrations"))
    given.setdefault("restore", lambda: begin(where, base))
    back = (
        None if rollback is None else script(rollback, direction=Direction.ROLLBACK, file="rollback/002_rollback.sql")
    )
    check = None if verify is None else script(verify, direction=Direction.VERIFY, file="verify/002_verify.sql")
    return rehearse(
        where,
        forward=script(forward) if isinstance(forward, str) else forward,
        rollback=back,
        verify=check,
        script_digest="d" * 64,
        policy=Policy(),
        **given,
    )
