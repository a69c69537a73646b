"""The three new files of `newmigration`: whole, parsable, and failing until somebody writes what they are for."""

from __future__ import annotations

import re

from changecontrol.rules.naming import MigrationName
from changecontrol.rules.refusal import Refused


class BadField(Refused):
    """The {field} “{value}” cannot stand in a header: it must be one line of plain text that is not empty."""


class CannotCreate(Refused):
    """{file} cannot be created ({reason}). Files written before it stay where they are."""


class SeriesExists(Refused):
    """There is a series {slug} already. Give this one another name: newmigration another_name --pattern …"""


_RULER = "-- ====================================================="
_NOT_YET = """\
-- Replace this block by the real statements. Until then the script stops here and changes nothing.
DO $$
BEGIN
    RAISE EXCEPTION '{what} {stem} is not written yet';
END $$;
"""

_FORWARD = f"""\
{_RULER}
-- Migration: {{digits}} - {{title}}
-- Ticket: {{ticket}}
-- Author: {{author}}
-- Date: {{date}}
{_RULER}

-- Purpose:
-- {{title}} ({{ticket}}).

-- Dependencies: {{dependencies}}

-- Rollback: lossless

BEGIN;

{_NOT_YET.replace("{what}", "Migration")}
COMMIT;
"""

_ROLLBACK = f"""\
{_RULER}
-- Rollback: {{digits}} - {{title}}
{_RULER}

BEGIN;

{_NOT_YET.replace("{what}", "Rollback of")}
COMMIT;
"""

_VERIFY = f"""\
{_RULER}
-- Verify: {{digits}} - {{title}}
{_RULER}

-- Runs in a read-only transaction after the migration; every row's “ok” must be true. After the rollback it must fail.
-- Replace the query: say what is true only when {{stem}} has taken effect.
SELECT false AS ok, '{{stem}} has no check yet' AS detail;
"""


def check_fields(**fields: str) -> None:
    """Raise BadField for a field that would not stay one line of plain text."""
    for field, value in fields.items():
        if not value.strip() or re.search(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", value):
            raise BadField(field=field, value=value)


def contents(name: MigrationName, *, ticket: str, author: str, date: str, dependencies: str) -> dict[str, str]:
    """Give path → text of the three files, rollback first. Raises BadField."""
    check_fields(ticket=ticket, author=author, date=date)
    title = name.description.replace("_", " ").capitalize()
    values = {
        "digits": name.digits,
        "stem": name.stem,
        "title": title,
        "ticket": ticket.strip(),
        "author": author.strip(),
        "date": date.strip(),
        "dependencies": dependencies,
    }
    return {
        name.rollback: _ROLLBACK.format(**values),
        name.verify: _VERIFY.format(**values),
        name.forward: _FORWARD.format(**values),
    }
