"""`manage.py newmigration add_device_info --ticket TICKET-010`: the next migration, its rollback and verify script.

With `--pattern` the whole safe series for one of the usual changes:
`manage.py newmigration --pattern rename-column --table sites --column name --to site_name ... --ticket TICKET-010`.
"""

from __future__ import annotations

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from changecontrol.rules.patterns import PATTERNS, QUESTIONS
from changecontrol.rules.refusal import Refused
from changecontrol.services import scaffolding

#: what some patterns can be told besides
OPTIONS = {
    "default": "the constant that existing rows and forgetful writers get; of a column that goes, its default",
    "from-default": "the default that a column has before its type changes; --default is then that of the new one",
    "expression": "the value of existing rows, made of their other columns",
    "comment": "what an auditor reads about the column, table or index",
    "batch-size": "rows of a batch (default 5000)",
    "name": "the name of the index",
    "where": "only rows that fulfill this belong to the index",
    "method": "the index method, such as gin",
    "on-delete": "what happens to referring rows: no action, restrict, cascade, set null or set default",
}
SWITCHES = {
    "not-null": "the column may not be empty",
    "unique": "each value only once",
    "indexed": "the referring columns are indexed already",
}


class Command(BaseCommand):
    """Create the three files of the next migration, or all files of a series."""

    help = "Create the next migration with its rollback and its verify script, or a whole series by a pattern."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the arguments."""
        parser.add_argument(
            "description",
            nargs="?",
            default="",
            help="lower-case words joined by underscores, such as add_device_info; a pattern finds its own",
        )
        parser.add_argument("--ticket", required=True, help="the change request's id, such as TICKET-010")
        parser.add_argument("--author", default="", help="your name; default: the name you are signed in with here")
        parser.add_argument("--pattern", choices=PATTERNS, help="write the whole safe series for this kind of change")
        parser.add_argument("--dependencies", default="", help="what its first migration needs; default: the newest")
        told = parser.add_argument_group("what a pattern is told")
        for name, says in {**QUESTIONS, **OPTIONS}.items():
            told.add_argument(f"--{name}", default="", help=says.replace("%", "%%"))
        for name, says in SWITCHES.items():
            told.add_argument(f"--{name}", action="store_true", help=says)

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the files and name them."""
        if not options["pattern"] and not options["description"]:
            raise CommandError("Say what the migration does, such as add_device_info, or choose a --pattern.")
        common = {
            "repository": settings.REPOSITORY,
            "description": options["description"],
            "ticket": options["ticket"],
            "author": options["author"] or _login(),
            "on": timezone.localdate(),
        }
        try:
            if options["pattern"]:
                given = {name: options[name.replace("-", "_")] for name in (*QUESTIONS, *OPTIONS, *SWITCHES)}
                created = scaffolding.new_series(
                    pattern=options["pattern"], given=given, dependencies=options["dependencies"], **common
                )
            else:
                created = scaffolding.new_migration(**common)
        except Refused as refused:
            raise CommandError(refused.sentence) from None
        for path in created:
            self.stdout.write(str(path))


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
