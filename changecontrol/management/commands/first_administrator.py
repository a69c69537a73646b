"""`manage.py first_administrator olga --name "Olga Petrov"`: the one account that nobody can add on a page."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from changecontrol.rules.refusal import Refused
from changecontrol.services import people


class Command(BaseCommand):
    """Make the first administrator of a new installation."""

    help = "Set up the duties and the first administrator; the one-time password is printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the arguments."""
        parser.add_argument("username", help="name to sign in with; never reused")
        parser.add_argument("--name", required=True, help='printed name, such as "Olga Petrov"')
        parser.add_argument("--email", default="", help="address for notices")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the account and print its password."""
        try:
            person, password = people.first_administrator(
                username=options["username"], printed_name=options["name"], email=options["email"], now=timezone.now()
            )
        except Refused as no:
            raise CommandError(no.sentence) from None
        self.stdout.write(f"{person.printed_name} ({person.username}) is administrator.")
        self.stdout.write(f"One-time password, shown only now: {password}")
        self.stdout.write("Sign in, change it, then add people, their duties, environments and targets.")
