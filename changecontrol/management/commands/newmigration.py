"""`manage.py newmigration add_device_info --ticket TICKET-010`: the next migration, its rollback and verify script."""

from __future__ import annotations

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from changecontrol.rules.refusal import Refused
from changecontrol.services import scaffolding


class Command(BaseCommand):
    """Create the three files of the next migration."""

    help = "Create the next migration with its rollback and its verify script."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the arguments."""
        parser.add_argument("description", help="lower-case words joined by underscores, such as add_device_info")
        parser.add_argument("--ticket", required=True, help="the change request's id, such as TICKET-010")
        parser.add_argument("--author", default="", help="your name; default: the name you are signed in with here")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the files and name them."""
        try:
            created = scaffolding.new_migration(
                repository=settings.REPOSITORY,
                description=options["description"],
                ticket=options["ticket"],
                author=options["author"] or _login(),
                on=timezone.localdate(),
            )
        except Refused as refused:
            raise CommandError(refused.sentence) from None
        for path in created:
            self.stdout.write(str(path))


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
